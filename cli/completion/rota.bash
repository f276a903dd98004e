# shellcheck shell=bash
# Completion of rota for bash. `rota __complete` knows what fits, from the table of commands and from Redis.
_rota() {
  local i word cur out own=${COMP_WORDS[COMP_CWORD]} glue=''
  local -a words=()
  # Bash takes words apart at = and :, rota does not.
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ ${#words[@]} -gt 0 && ($glue || $word =~ ^[=:]+$) ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    glue=''
    if [[ $word =~ ^[=:]+$ ]]; then glue=1; fi
  done
  if [[ $own =~ ^[=:]+$ ]]; then own=''; fi
  cur=${words[${#words[@]} - 1]}
  COMPREPLY=()
  out=$("${COMP_WORDS[0]}" __complete -- "${words[@]}" 2>/dev/null) || return 0
  while IFS=$'\t' read -r word _; do
    case $word in
    '') ;;
    :files) compopt -o default 2>/dev/null ;;
    *) COMPREPLY+=("${word#"${cur%"$own"}"}") ;;
    esac
  done <<<"$out"
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then compopt -o nospace 2>/dev/null; fi
  return 0
}
complete -F _rota rota
