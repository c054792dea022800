#compdef @PROGRAM@
_platform_secrets() {
  local -a commands choices given
  local current="$words[CURRENT]" name="" index
  commands=(
@COMMANDS@
  )
  for ((index = 2; index < CURRENT; index++)); do
    if [[ "$words[index]" == --root ]]; then ((index++)); continue; fi
    if [[ "$words[index]" != -* ]]; then name="$words[index]"; break; fi
  done
  if [[ -z "$name" ]]; then
    if [[ "$words[CURRENT-1]" == --root ]]; then _files -/
    elif [[ "$current" == -* ]]; then compadd -- @GLOBAL@
    else _describe 'command' commands
    fi
    return
  fi
  case "$name" in
@CASES@
  esac
  given=("${(@)words[index,CURRENT-1]}")
  if [[ "$current" == --*=* ]]; then
    given+=("${current%%=*}")
    compset -P '*='
  fi
  if [[ "$current" != -* || "$current" == --*=* ]]; then
    choices=(${(f)"$(print -rl -- "$given[@]" | @PROGRAM@ completion --names 2>/dev/null)"})
  fi
  if (( $#choices )); then compadd -- $choices; else _files; fi
}
compdef _platform_secrets @PROGRAM@
