"""Runs `completion`, which prints a shell's completion script for commands, options and names of the project."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.cli.commands import COMMANDS
from compiler.cli.exit_codes import OK
from compiler.cli.invocation import Invocation, known_project, parser_of
from compiler.cli.parser import Parser
from compiler.cli.terminal.outlet import standard_output
from compiler.refusal import Refusal
from compiler.text.wording import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.project_files import ProjectNames

DESCRIPTION = """Prints a completion script. Load it in the shell's start-up file:
  bash, in ~/.bashrc: eval "$(platform-secrets completion bash)"
  zsh, in ~/.zshrc, after compinit: eval "$(platform-secrets completion zsh)"
  fish, in ~/.config/fish/config.fish: platform-secrets completion fish | source"""
EXAMPLES = (
    "platform-secrets completion bash",
    "platform-secrets completion fish",
)
# What the scripts give to the shell: bash expands a word of its list, so that any other sign might run a program.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
# The commands with secrets after their environment, and the options with one. After the secret of two stand its keys.
TAKE_SECRETS = ("put", "rotate", "cutover", "retire", "verify", "migrate", "status", "backup", "restore")
TAKE_SECRET = ("--only", "--accept-ending")
_TAKE_KEYS = ("put", "rotate")
_TAKE_FILE = ("backup", "restore")
_GLOBAL = ("--root", "--no-color", "--debug", "--version", "--help")


def configure(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), nargs="?", help="the shell")
    parser.add_flag(
        "--names",
        "print the environments, secrets or keys that may come after the words on standard input, one per line",
    )


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if arguments.names:
        _print_names()
        return OK
    if arguments.shell is None:
        raise Refusal("usage", "no shell given", "name bash, zsh or fish")
    parsers = {name: parser_of(name, module) for name, (module, _) in COMMANDS.items()}
    options = {name: parser.options() for name, parser in parsers.items()}
    of_environments = tuple(name for name, parser in parsers.items() if parser.takes_environment)
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell]
    standard_output().write_raw(script(options, of_environments))
    return OK


def _print_names() -> None:
    """Prints what may come next; the words come from a pipe, as every process can see arguments."""
    from compiler.cli.terminal.dialogue import is_terminal, read_stdin  # noqa: PLC0415
    from compiler.project_files import ProjectNames  # noqa: PLC0415 - a script needs none of these

    words = read_stdin().decode(errors="replace").split() if not is_terminal() else []
    # A shell that completes outside a project has nothing to offer, and no place for a message.
    project = ProjectNames(known_project())
    names: Iterable[str] = project.environments
    environment = next((word for word in words if word in names), None)
    if environment is not None and (words[0] in TAKE_SECRETS or words[-1] in TAKE_SECRET):
        # A file stands before the secrets; a shell completes it where no name is offered.
        is_file = words[0] in _TAKE_FILE and words[-1] == environment
        more = names if words[0] == "status" and words[-1] not in TAKE_SECRET else ()
        names = (*more, *_secrets_or_keys(project, environment, words)) if not is_file else ()
    standard_output().show(name for name in names if name not in words and _NAME.fullmatch(name))


def _secrets_or_keys(project: ProjectNames, environment: str, words: list[str]) -> Iterable[str]:
    listed = project.ids(environment, "secrets")
    secret = next((word for word in words[words.index(environment) + 1 :] if word in listed), None)
    return listed if secret is None or words[0] not in _TAKE_KEYS else project.keys(secret)


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
    words="$(printf '%s\\n' "${{COMP_WORDS[@]:index:COMP_CWORD-index}}" | {PROGRAM} completion --names 2>/dev/null)"
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
    choices+=(${{(f)"$(print -rl -- "${{(@)words[2,CURRENT-1]}}" | {PROGRAM} completion --names 2>/dev/null)"}})
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
        f"-a '(commandline -opc | tail -n +2 | {PROGRAM} completion --names 2>/dev/null)'"
    )
    return "\n".join(lines) + "\n"
