"""Corrects command lines typed by habit: words of other programs, and names in the wrong order.

Imported only where an argument was refused. What may be a value is not shown: `…` stands in its place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.refusal import Refusal
from compiler.text.command_line import BLANK, command_line
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Container, Iterator, Mapping, Sequence
    from pathlib import Path

# What other programs call a command of this one, or what comes before it.
_COMMANDS = {
    **dict.fromkeys(("set", "write", "update", "edit", "store"), ("put",)),
    **dict.fromkeys(("get", "show", "describe"), ("explain",)),
    **dict.fromkeys(("list", "ls"), ("status",)),
    **dict.fromkeys(("check", "lint", "validate", "plan"), ("compile", "--check")),
    **dict.fromkeys(("build", "generate-values", "values", "apply"), ("compile",)),
    **dict.fromkeys(("copy", "cp", "move", "sync", "push"), ("migrate",)),
    **dict.fromkeys(("switch", "promote"), ("cutover",)),
    **dict.fromkeys(("delete", "remove", "rm", "prune"), ("retire",)),
    **dict.fromkeys(("create", "add"), ("new", "secret")),
    "init": ("new", "project"),
    "template": ("render",),
    "test": ("verify",),
}
# Behind whose keys somebody may have typed a value.
_TAKES_VALUES = frozenset({"put", "rotate"})
_DRY = frozenset({"--dry-run", "--dryrun", "--plan", "--what-if"})
_YES = frozenset({"--yes", "-y", "--auto-approve", "--confirm", "--no-confirm"})
_ENVIRONMENT = frozenset({"-e", "--env", "--environment"})
# `command_line` names the project by itself.
_ELSEWHERE = frozenset({"--root"})
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_KEY = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)


def of_command(name: str, arguments: Sequence[str], commands: Container[str]) -> str | None:
    """The way out for a command that there is not, from what other programs call it; None where nothing is known."""
    if name == "help":
        known = arguments[0] if arguments and arguments[0] in commands else None
        return f"`{command_line(*([known] if known is not None else []), '--help')}` prints it"
    if name not in _COMMANDS:
        return None
    own = _COMMANDS[name]
    return f"did you mean `{command_line(*own, *_shown(arguments, own[0]))}`?"


def of_argument(
    command: str, options: Mapping[str, bool], arguments: Sequence[str], unknown: Sequence[str]
) -> str | None:
    """The way out for `unknown` ones among the arguments of `command`; None where nothing is known.

    `options` are those of the command, and whether each takes a value.
    """
    word, _, value = unknown[0].partition("=")
    if word in _DRY:
        if "--apply" in options:
            asks = " and asks" if command in _TAKES_VALUES else ", and writes nothing"
            return f"leave it out: without --apply `{command}` shows its plan{asks}"
        return "did you mean `--check`?" if "--check" in options else f"leave it out: `{command}` writes to no store"
    if word in _YES:
        return "did you mean `--apply`?" if "--apply" in options else f"leave it out: `{command}` asks nothing"
    names, own = _parted(arguments, options)
    if word in _ENVIRONMENT:
        line = command_line(command, *_shown([value, *names] if value else names, command), *own)
        return f"did you mean `{line}`?"
    return None if word.startswith("-") else _of_name(command, _shown(names, command), own)


def _of_name(command: str, names: Sequence[str], options: Sequence[str]) -> str | None:
    """The way out for more names than the command takes."""
    if command == "migrate" and len(names) in (2, 3):
        ends = ("--to",) if len(names) == 2 else ("--from", "--to")  # noqa: PLR2004
        words = [each for pair in zip(ends, names[1:], strict=True) for each in pair]
        return f"did you mean `{command_line(command, names[0], *words, *options)}`?"
    if command == "diff":
        pairs = [f"`{command_line(command, names[0], other, *options)}`" for other in names[1:]]
        return f"it compares two environments: {', then '.join(pairs)}"
    return f"`{command}` takes one environment" if command in ("render", "consumers", "migrate") else None


def swapped_environment(
    command: str, parsed: Namespace, options: Mapping[str, bool], arguments: Sequence[str], root: Path
) -> Refusal | None:
    """Why the environment that the arguments name is none, where another of them is one; None where none is.

    A word with an equals sign may be a secret, which the command says itself.
    """
    names, own = _parted(arguments, options)
    others = names[1:]
    found = next((other for other in others if _is_environment(root, other)), None)
    if found is None or hasattr(parsed, "other") or any("=" in word for word in names):
        return None
    others.remove(found)
    line = command_line(command, found, *_shown([names[0], *others], command, first=1), *own)
    said = quoted(names[0]) if _shown(names[:1], command) == names[:1] else "the first name"
    return Refusal("usage", f"{said} is not an environment, and {quoted(found)} is", f"did you mean `{line}`?")


def _is_environment(root: Path, name: str) -> bool:
    return _NAME.fullmatch(name) is not None and (root / "environments" / f"{name}.yaml").is_file()


def _parted(arguments: Sequence[str], options: Mapping[str, bool]) -> tuple[list[str], list[str]]:
    """The names among the arguments, and the options that the command has, with their values where these are names."""
    names: list[str] = []
    own: list[str] = []
    words: Iterator[str] = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            names.append(word)
        elif option in options and option not in _ELSEWHERE:
            own.append(option)
            if options[option]:
                own += _shown([value if equals else next(words, BLANK)], command="")
        elif options.get(option, False) and not equals:
            next(words, None)
    return names, own


def _shown(words: Sequence[str], command: str, first: int = 0) -> list[str]:
    """The words that are names, from the one at position `first` on; a password may have the form of one.

    An id stands only where no value can: of `put` and `rotate`, before the keys.
    """
    shown: list[str] = []
    for position, word in enumerate(words, first):
        if word.startswith("-"):
            break
        is_id = _NAME.fullmatch(word) is not None and (command not in _TAKES_VALUES or position < 2)  # noqa: PLR2004
        is_name = (is_id or _KEY.fullmatch(word) is not None) and not looks_like_credential(word)
        shown.append(word if is_name else BLANK)
    return shown
