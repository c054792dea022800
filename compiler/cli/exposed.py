"""Refuses values among a command's arguments, in the forms that people know from other programs.

No name of anything has an equals sign. What stands behind one is not shown: a message may be logged.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from compiler.refusal import Refusal
from compiler.text.wording import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.cli.parser import Parser

# Of a value on the command line, in whatever form.
EXPOSED = "a value cannot be an argument: the shell's history and the process list would show it"
IF_EXPOSED = "if it is a value, replace that: it is exposed"
# Behind whose keys somebody may have typed a value.
_TAKES_VALUES = frozenset({"put", "rotate"})
# Of other programs, in front of a value.
_VALUE_OPTIONS = frozenset({"--value", "--password", "--token", "--secret", "--data", "--set", "--from-literal"})
_KEY = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)


def refuse_exposed_values(parser: Parser, arguments: Sequence[str]) -> None:
    """Raises Refusal for a value among the arguments of the parser's command."""
    if any(_find_values(parser, arguments)):
        raise value_refusal(parser.command)


def value_refusal(command: str) -> Refusal:
    """The refusal of a value on the command line."""
    if command in _TAKES_VALUES:
        return Refusal("usage", EXPOSED, "give only the key's name, and replace that value: it is exposed")
    put = command_line("put", "ENV", "SECRET")
    return Refusal("usage", EXPOSED, f"replace that value: it is exposed; `{put}` asks for values, and shows none")


def _find_values(parser: Parser, arguments: Sequence[str]) -> Iterator[bool]:
    """Whether a value is in each argument."""
    options, pairs = parser.takes_value(), parser.pairs()
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            yield bool(equals) and not _is_file(word)
        elif option not in options:
            yield option in _VALUE_OPTIONS and parser.command in _TAKES_VALUES
            yield bool(equals) and (_KEY.fullmatch(option.lstrip("-")) is not None or "=" in value)
        elif options[option]:
            given = value if equals else next(words, "")
            key, assigned, behind = given.partition("=")
            # As kubectl has it, a file may stand behind the sign.
            is_value = bool(assigned) and not any(map(_is_file, (given, behind)))
            yield is_value and option not in pairs and (option == "--from-file" or _KEY.fullmatch(key) is not None)


def _is_file(name: str) -> bool:
    # Not by Path: a name that is longer than a file's may be is an error to it.
    return os.path.isfile(name)  # noqa: PTH113
