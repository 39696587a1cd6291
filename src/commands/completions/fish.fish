# fish completion for mcpipe
function __mcpipe_candidates
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    for line in (command mcpipe completion-candidates fish -- $before[2..-1] "$current" 2>/dev/null)
        switch $line
            case 'word:*'
                string replace -r '^word:' '' -- $line
            case 'file:*'
                set -l begun (string replace -r '^file:' '' -- $line)
                set -l rest (string sub -s (math (string length -- "$begun") + 1) -- "$current")
                for path in (__fish_complete_path "$rest")
                    echo "$begun$path"
                end
        end
    end
end
complete -c mcpipe -f -k -a '(__mcpipe_candidates)'
