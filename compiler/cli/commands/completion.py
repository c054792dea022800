"""Runs `completion`, which prints a shell's completion script for commands, options and names of the project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.commands import COMMANDS
from compiler.cli.invocation import Invocation, known_project, parser_of, parsers_of
from compiler.cli.parser import Parser
from compiler.cli.terminal.outlet import standard_output
from compiler.refusal import OK, Refusal
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import PROGRAM, shell_line

if TYPE_CHECKING:
    from argparse import Action
    from collections.abc import Iterable, Sequence

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
# A store of the project is the value of these; an ID of another option is of a cluster or a tenant.
_STORE_OPTIONS = ("--store", "--to", "--from", "--accept-store")
_GLOBAL = ("--root", "--no-color", "--debug", "--version", "--help")


def configure(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), nargs="?", help="the shell")
    parser.add_flag(
        "--names",
        "print the names and choices that may come after the words on standard input, one per line",
    )


def run(invocation: Invocation) -> int:
    arguments = invocation.arguments
    if arguments.names:
        _print_names()
        return OK
    if arguments.shell is None:
        raise Refusal("usage", "no shell given", "name bash, zsh or fish")
    parsers = {name: parsers_of(name, module) for name, (module, _) in COMMANDS.items()}
    options = {
        name: tuple(dict.fromkeys(each for own in its for each in own.options())) for name, its in parsers.items()
    }
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell]
    standard_output().write_raw(script(options))
    return OK


def _print_names() -> None:
    """Prints what may come next; the words come from a pipe, as every process can see arguments."""
    from compiler.cli.terminal.dialogue import is_terminal, read_stdin  # noqa: PLC0415
    from compiler.project_files import ProjectNames  # noqa: PLC0415 - a script needs none of these

    words = read_stdin().decode(errors="replace").split() if not is_terminal() else []
    # A shell that completes outside a project has nothing to offer, and no place for a message.
    project = ProjectNames(known_project())
    # Bash parts `--format=json` at the sign.
    words = [word for word in words if word != "="]
    while words and words[0] in _GLOBAL:
        words = words[2 if words[0] == "--root" else 1 :]
    command, *given = words or [""]
    if command not in COMMANDS:
        return
    names = [
        name
        for action in parser_of(command, COMMANDS[command][0], given).next_arguments(given)
        for name in action.choices or _names_for(action, command, given, project)
    ]
    standard_output().show(name for name in dict.fromkeys(names) if name not in given and _NAME.fullmatch(name))


def _names_for(action: Action, command: str, words: Sequence[str], project: ProjectNames) -> Iterable[str]:
    """The names of the project that an argument takes; none for a file, which the shell completes."""
    environment = next((word for word in words if word in project.environments), "")
    takes, options = action.metavar, {*action.option_strings}
    if takes in ("ENV", "OTHER"):
        return (*project.environments, "base") if "--into" in options else project.environments
    if takes == "SECRET" or (takes == "PATH" and command == "explain"):
        return project.ids(environment, "secrets")
    if takes == "KEY" and not options:
        secrets = project.ids(environment, "secrets")
        return project.keys(next((word for word in words if word in secrets and word != environment), ""))
    if takes == "ID" and command == "rules":
        return _rule_ids()
    if takes == "ID" and options.intersection(_STORE_OPTIONS):
        return project.ids(environment or next(iter(project.environments), ""), "stores")
    if takes == "METHOD":
        return (method for provider in PROVIDERS.values() for method in provider.log_ins)
    if "--provider" in options:
        return PROVIDERS
    return _run_ids() if takes == "RUN" else ()


def _rule_ids() -> Iterable[str]:
    from compiler.rules import ALL_RULES  # noqa: PLC0415 - only here

    return (rule.id for rule in ALL_RULES)


def _run_ids() -> Iterable[str]:
    from compiler.change.journal import journals  # noqa: PLC0415 - only here

    root = known_project()
    return (path.stem for path in journals(root)) if root is not None else ()


def _script(shell: str, **parts: str) -> str:
    """The script of a shell, with each of `parts` in place of its name between `@`."""
    text = (Path(__file__).parents[1] / "scripts" / f"completion.{shell}").read_text("utf-8")
    for name, part in {**parts, "PROGRAM": PROGRAM}.items():
        text = text.replace(f"@{name}@", part)
    return text


def _bash(options: dict[str, tuple[str, ...]]) -> str:
    cases = "\n".join(f'    {name}) words="{" ".join(given)}" ;;' for name, given in options.items())
    return _script("bash", CASES=cases, FIRST=" ".join((*options, *_GLOBAL)))


def _zsh(options: dict[str, tuple[str, ...]]) -> str:
    commands = "\n".join(f"    {shell_line(f'{name}:{COMMANDS[name][1]}')}" for name in options)
    cases = "\n".join(f"    {name}) choices=({' '.join(given)}) ;;" for name, given in options.items())
    return _script("zsh", COMMANDS=commands, CASES=cases, GLOBAL=" ".join(_GLOBAL))


# What an option takes that the shell knows itself.
_FILES = frozenset({"FILE", "DIR", "PATH", "CHART"})


def _fish(options: dict[str, tuple[str, ...]]) -> str:
    begin, lines = f"complete -c {PROGRAM}", list[str]()
    for option in _GLOBAL:
        takes = " -r -F" if option == "--root" else ""
        lines.append(f"{begin} -n 'not __platform_secrets_command' -l {option.removeprefix('--')}{takes}")
    for name, given in options.items():
        about = COMMANDS[name][1].replace("'", "\\'")
        lines.append(f"{begin} -n 'not __platform_secrets_command' -a {name} -d '{about}'")
        values = {
            option: value
            for parser in parsers_of(name, COMMANDS[name][0])
            for option, value in parser.values_of_options().items()
        }
        for option in given:
            value = values.get(option)
            takes = "" if value is None else " -r -F" if value in _FILES else " -x -a '(__platform_secrets_names)'"
            lines.append(f"{begin} -n '__platform_secrets_command {name}' -l {option.removeprefix('--')}{takes}")
    names = f"{begin} -n '__platform_secrets_command"
    lines += [f"{names}' -a '(__platform_secrets_names)'", f'{names}; and test -z "$(__platform_secrets_names)"\' -F']
    return _script("fish") + "\n".join(lines) + "\n"
