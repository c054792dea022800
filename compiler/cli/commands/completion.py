"""Runs `completion`, which prints a shell's completion script for commands, options and environments."""

from __future__ import annotations

from compiler.cli.commands import COMMANDS
from compiler.cli.exit_codes import OK
from compiler.cli.invocation import Invocation, parser_of
from compiler.cli.parser import Parser
from compiler.cli.terminal.outlet import standard_output
from compiler.refusal import Refusal
from compiler.text.command_line import PROGRAM

DESCRIPTION = """Prints a completion script. Load it in the shell's start-up file:
  bash, in ~/.bashrc: eval "$(platform-secrets completion bash)"
  zsh, in ~/.zshrc, after compinit: eval "$(platform-secrets completion zsh)"
  fish, in ~/.config/fish/config.fish: platform-secrets completion fish | source"""
EXAMPLES = (
    "platform-secrets completion bash",
    "platform-secrets completion --environments",
)
_GLOBAL = ("--root", "--no-color", "--debug", "--version", "--help")


def configure(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), nargs="?", help="the shell")
    parser.add_argument("--environments", action="store_true", help="print the names of the environments, one per line")


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if arguments.environments:
        _print_environments(invocation)
        return OK
    if arguments.shell is None:
        raise Refusal("usage", "no shell given", "name bash, zsh or fish")
    parsers = {name: parser_of(name, module) for name, (module, _) in COMMANDS.items()}
    options = {name: parser.options() for name, parser in parsers.items()}
    of_environments = tuple(name for name, parser in parsers.items() if parser.takes_environment)
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell]
    standard_output().write_raw(script(options, of_environments))
    return OK


def _print_environments(invocation: Invocation) -> None:
    from compiler.project_files import Library  # noqa: PLC0415 - a script needs no parser of YAML

    try:
        root = invocation.root
    except Refusal:
        # A shell that completes outside a project has nothing to offer, and no place for a message.
        return
    standard_output().lines(Library(root).names)


def _bash(options: dict[str, tuple[str, ...]], of_environments: tuple[str, ...]) -> str:
    cases = "\n".join(f'    {name}) words="{" ".join(given)}" ;;' for name, given in options.items())
    return f"""# bash completion of {PROGRAM}
_platform_secrets() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" name="" words="" word index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="${{COMP_WORDS[index]}}"
    if [[ "$word" == --root ]]; then ((index++)); continue; fi
    if [[ "$word" != -* ]]; then name="$word"; break; fi
  done
  case "$name" in
    "") words="{" ".join((*options, *_GLOBAL))}" ;;
{cases}
  esac
  if [[ "$name" == @({"|".join(of_environments)}) && "$current" != -* ]]; then
    words="$({PROGRAM} completion --environments 2>/dev/null)"
  fi
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$current")
}}
complete -o default -F _platform_secrets {PROGRAM}
"""


def _zsh(options: dict[str, tuple[str, ...]], of_environments: tuple[str, ...]) -> str:
    commands = "\n".join(f"    '{name}:{COMMANDS[name][1].replace(chr(39), '')}'" for name in options)
    cases = "\n".join(f"    {name}) choices=({' '.join(given)}) ;;" for name, given in options.items())
    return f"""#compdef {PROGRAM}
_platform_secrets() {{
  local -a commands choices
  commands=(
{commands}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  case "$words[2]" in
{cases}
  esac
  if [[ "$words[2]" == ({"|".join(of_environments)}) ]]; then
    choices+=(${{(f)"$({PROGRAM} completion --environments 2>/dev/null)"}})
  fi
  compadd -- $choices
}}
compdef _platform_secrets {PROGRAM}
"""


def _fish(options: dict[str, tuple[str, ...]], of_environments: tuple[str, ...]) -> str:
    lines = [f"# fish completion of {PROGRAM}", f"complete -c {PROGRAM} -f"]
    lines += [
        f"complete -c {PROGRAM} -n __fish_use_subcommand -a {name} -d '{COMMANDS[name][1].replace(chr(39), '')}'"
        for name in options
    ]
    lines += [
        f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {name}' -l {option.removeprefix('--')}"
        for name, given in options.items()
        for option in given
    ]
    lines.append(
        f"complete -c {PROGRAM} -n '__fish_seen_subcommand_from {' '.join(of_environments)}' "
        f"-a '({PROGRAM} completion --environments 2>/dev/null)'"
    )
    return "\n".join(lines) + "\n"
