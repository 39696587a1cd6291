# bash completion for mcpipe
_mcpipe() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            word:*) COMPREPLY+=("${line#word:}") ;;
            file:*)
                compopt -o filenames 2>/dev/null
                local begun=${line#file:}
                while IFS= read -r line; do
                    COMPREPLY+=("$line")
                done < <(compgen -f -- "$begun")
                ;;
        esac
    done < <(command mcpipe completion-candidates bash -- "${COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
}
complete -o bashdefault -F _mcpipe mcpipe
