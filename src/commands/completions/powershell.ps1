# PowerShell completion for mcpipe
Register-ArgumentCompleter -Native -CommandName mcpipe -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { "$_" })
    $words += "$wordToComplete"
    mcpipe completion-candidates powershell '--' @words 2>$null | ForEach-Object {
        if ($_.StartsWith('word:')) {
            $word, $about = $_.Substring(5).Split("`t", 2)
            if (-not $about) { $about = $word }
            [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
        }
    }
}
