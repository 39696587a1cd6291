#compdef mcpipe
_mcpipe() {
    local line begun
    local -a found
    local -i files=0
    while IFS= read -r line; do
        case $line in
            word:*) found+=("${line#word:}") ;;
            file:*) files=1; begun=${line#file:} ;;
        esac
    done < <(command mcpipe completion-candidates zsh -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
    (( $#found )) && _describe -V 'mcpipe' found
    if (( files )); then
        [[ -n $begun ]] && compset -P '*='
        _files
    fi
    (( $#found || files ))
}
if [[ ${funcstack[1]} == _mcpipe ]]; then
    _mcpipe "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef _mcpipe mcpipe
fi
