# fish completion of @PROGRAM@
function __platform_secrets_command -d 'Whether the line has this command, or any'
  set -l words (commandline -opc)
  set -e words[1]
  while set -q words[1]
    switch $words[1]
      case --root
        set -e words[1]
      case '-*'
      case '*'
        test (count $argv) -eq 0 -o "$words[1]" = "$argv[1]"
        return
    end
    set -e words[1]
  end
  return 1
end
function __platform_secrets_names -d 'What may come next'
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  string match -q -- '--*=*' "$current"; and set -a words (string split -m 1 = -- $current)[1]
  printf '%s\n' $words[2..-1] | @PROGRAM@ completion --names 2>/dev/null
end
complete -c @PROGRAM@ -f
