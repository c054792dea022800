"""Corrects what habit typed: names in another order, a name for an option, and options of other programs.

A line is proposed only where it parses and the project has each name in it. `…` replaces what may be a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.cli.commands import COMMANDS
from compiler.cli.exposed import _is_file
from compiler.cli.invocation import known_project, parser_of
from compiler.cli.parser import UnknownArgumentError
from compiler.project_files import ProjectNames
from compiler.refusal import Refusal
from compiler.text.credential import looks_like_credential
from compiler.text.wording import BLANK, PROGRAM, closest, command_line, name_project, quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compiler.cli.parser import Parser

# Behind whose keys somebody may have typed a value.
_TAKES_VALUES = frozenset({"put", "rotate"})
_NEEDS_SECRET = _TAKES_VALUES | {"cutover"}
_DRY = frozenset({"--dry-run", "--dryrun", "--plan", "--what-if"})
_YES = frozenset({"--yes", "-y", "--auto-approve", "--confirm", "--no-confirm"})
_ENVIRONMENT = frozenset({"-e", "--env", "--environment"})
_STORE_OPTIONS = ("--store", "--from", "--to")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_KEY = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)


def of_command(name: str, arguments: Sequence[str]) -> str:
    """The way out for a command that there is not."""
    first = arguments[0] if arguments else ""
    if name == "help":
        return f"`{command_line(*([first] if first in COMMANDS else []), '--help')}` prints it"
    if name == "version":
        return f"`{PROGRAM} --version` prints it"
    if name == "undo":
        return _of_undo()
    project = ProjectNames(known_project())
    if first in COMMANDS and name in project.environments:
        parser = parser_of(first, COMMANDS[first][0])
        names, own = _split_words(arguments[1:], parser.takes_value())
        if (line := _rearrange_words(parser, [name, *names], own, project)) is not None:
            return f"did you mean {line}?"
    match = closest(name, COMMANDS)
    return f'did you mean "{match}"?' if match else f"`{PROGRAM} --help` lists them"


def _of_undo() -> str:
    return f"`{command_line('runs')}` lists the runs, each with the line that undoes it"


def correct_refusal(refusal: Refusal, command: str, arguments: Sequence[str]) -> Refusal:
    """The refusal of a command with these arguments, or one that says what is meant, where a mistake is known."""
    parser = parser_of(command, COMMANDS[command][0])
    if not isinstance(refusal, UnknownArgumentError):
        return _of_names(parser, arguments) or refusal
    if refusal.root is not None:
        name_project(refusal.root)
    return Refusal(refusal.kind, refusal.message, _of_argument(parser, arguments, refusal.word) or refusal.help)


def _of_argument(parser: Parser, arguments: Sequence[str], unknown: str) -> str | None:
    """The way out for an `unknown` one among the arguments of a command; None where nothing is known."""
    command, options = parser.command, parser.takes_value()
    word, _, value = unknown.partition("=")
    if word in _DRY:
        if "--apply" in options:
            asks = " and asks" if command in _TAKES_VALUES else ", and writes nothing"
            return f"leave it out: without --apply `{command}` shows its plan{asks}"
        return "did you mean `--check`?" if "--check" in options else f"leave it out: `{command}` writes to no store"
    if word in _YES:
        return "did you mean `--apply`?" if "--apply" in options else f"leave it out: `{command}` asks nothing"
    if word == "--undo":
        return _of_undo()
    if word.startswith("-") and word not in _ENVIRONMENT:
        return None
    names, own = _split_words(arguments, options)
    if word in _ENVIRONMENT and value:
        names = [value, *names]
    project = ProjectNames(known_project())
    if command == "diff":
        pairs = [_line_of(command, [names[0], other, *own], project) for other in names[1:]]
        lines = ", then ".join(filter(None, pairs))
        return f"it compares two environments: {lines}" if lines else "it compares two environments"
    if (line := _rearrange_words(parser, names, own, project)) is not None:
        return f"did you mean {line}?"
    is_option, takes_one = word in _ENVIRONMENT, _takes_environment(parser)
    if is_option and (takes_one or parser.kinds):
        return f"write the environment's name without {word}" if takes_one else None
    is_environment = is_option or word in project.environments
    return f"`{command}` takes {'one' if takes_one else 'no'} environment" if is_environment else None


def _of_names(parser: Parser, arguments: Sequence[str]) -> Refusal | None:
    """What is wrong with names that a command refused; None where no name belongs elsewhere."""
    names, own = _split_words(arguments, parser.takes_value())
    if not names or not _takes_environment(parser) or any("=" in word for word in names):
        return None
    project, (first, *others) = ProjectNames(known_project()), names
    secrets, stores = project.ids(first, "secrets"), project.ids(first, "stores")
    other = next((each for each in others if each in project.environments and each not in secrets), None)
    store = next((each for each in others if each in stores and each not in secrets), None)
    is_environment = first in project.environments
    if is_environment and parser.command in _TAKES_VALUES and others[:1] not in ([other], [store]):
        return None
    if is_environment and other is not None and "SECRET" in parser.arguments() and parser.command != "status":
        message = f"{quote(other)} is an environment, and `{parser.command}` takes one, and secrets of it"
        words = [other, *(each for each in others if each != other), *own]
        # Of a command that writes, no line for an environment that may have been named by mistake.
        line = _line_of(parser.command, words, project) if "--apply" not in parser.arguments() else None
        return Refusal("usage", message, f"for that one, run {line}" if line else "name one of the environments")
    line = _rearrange_words(parser, names, own, project)
    typed = _line_of(parser.command, [*_conceal_words(names, parser.command), *own], project)
    if line in (None, typed) or (is_environment and store is None):
        return None
    said = quote(first) if _conceal_words([first], parser.command) == [first] else "the first name"
    message = f"{said} is not an environment" + (f", and {quote(other)} is" if other is not None else "")
    return Refusal("usage", f"{quote(store)} is a store, not a secret" if store else message, f"did you mean {line}?")


def _rearrange_words(parser: Parser, names: Sequence[str], own: Sequence[str], project: ProjectNames) -> str | None:
    """The line with each of the `names` in the place of its kind; None where there is no such line."""
    if not _takes_environment(parser):
        return None
    command, options = parser.command, parser.takes_value()
    environment = next((each for each in names if each in project.environments), BLANK)
    if environment == BLANK and not any(map(_is_file, names)):
        return None
    secrets, stores = project.ids(environment, "secrets"), project.ids(environment, "stores")
    ids = [each for each in names if each in stores and each not in secrets]
    ends = [each for each in _STORE_OPTIONS if each in options and each not in own][-len(ids) :]
    words, moved = [environment], list[str]()
    for each in names:
        if each in ids and ends:
            moved += [ends.pop(0), each]
        elif "--manifests" in options and _is_file(each):
            moved += ["--manifests", each]
        elif each != environment:
            words.append(each)
    if moved and len(words) == 1 and command in _NEEDS_SECRET:
        words.append(BLANK)
    return _line_of(command, [*_conceal_words(words, command), *moved, *own], project)


def _line_of(command: str, words: Sequence[str], project: ProjectNames) -> str | None:
    """The line in backquotes, where it parses and each of its names is one of the project, of its kind; else None."""
    parser = parser_of(command, COMMANDS[command][0])
    try:
        parsed = parser.parse(words)
    except Refusal:
        return None
    given = {shown: getattr(parsed, member) for shown, member in parser.arguments().items()}

    def values_of(*shown: str) -> list[str]:
        values = (given.get(each) or [] for each in shown)
        words = [each for value in values for each in (value if isinstance(value, list) else [value])]
        return [each for each in words if each != BLANK]

    environments = values_of("ENV", "OTHER")
    secrets, stores = (project.ids(next(iter(environments), BLANK), what) for what in ("secrets", "stores"))
    is_right = (
        all(each in project.environments or (command == "status" and each in secrets) for each in environments)
        and all(
            each in secrets or (command, each) == ("cutover", "all") for each in values_of("SECRET", "--only", "PATH")
        )
        and all(each in stores for each in values_of(*_STORE_OPTIONS))
        and all(each in project.keys(secret) for secret in values_of("SECRET")[:1] for each in values_of("KEY"))
        and (command == "backup" or all(map(_is_file, values_of("FILE"))))
    )
    return f"`{command_line(command, *words)}`" if is_right else None


def _takes_environment(parser: Parser) -> bool:
    return "ENV" in parser.arguments()


def _split_words(arguments: Sequence[str], options: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """The names among the arguments, and the options that the command has, with their values where these are names."""
    names: list[str] = []
    own: list[str] = []
    words: Iterator[str] = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word)
        elif option in options and option != "--root":
            own.append(option)
            if options[option]:
                own += _conceal_words([value if equals else next(words, BLANK)], command="")
        elif options.get(option, False) and not equals:
            next(words, None)
    return names, own


def _conceal_words(words: Sequence[str], command: str) -> list[str]:
    """The words that are names or files; others, which may be passwords, become `…`."""
    shown: list[str] = []
    for position, word in enumerate(words):
        is_id = _NAME.fullmatch(word) is not None or _is_file(word)
        is_id = is_id and (command not in _TAKES_VALUES or position < 2)  # noqa: PLR2004
        is_name = (is_id or _KEY.fullmatch(word) is not None) and not looks_like_credential(word)
        shown.append(word if is_name else BLANK)
    return shown
