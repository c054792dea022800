# bash completion of @PROGRAM@
_platform_secrets() {
  local current="${COMP_WORDS[COMP_CWORD]}" name="" words="" word index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="${COMP_WORDS[index]}"
    if [[ "$word" == --root ]]; then ((index++)); continue; fi
    if [[ "$word" != -* ]]; then name="$word"; break; fi
  done
  case "$name" in
    "") words="@FIRST@" ;;
@CASES@
  esac
  if [[ "$current" == "=" ]]; then current=""; fi
  if [[ -n "$name" && "$current" != -* ]]; then
    words="$(printf '%s\n' "${COMP_WORDS[@]:index:COMP_CWORD-index}" | @PROGRAM@ completion --names 2>/dev/null)"
  fi
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
}
complete -o default -F _platform_secrets @PROGRAM@
