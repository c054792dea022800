"""Defines what a renderer returns to be printed: lines, data, XML or workflow commands.

All text in it is raw. The outlet alone conceals, escapes and colours it on the way out, so that no renderer can forget
to. The classes are named tuples because every command pays for creating them, and that takes a third of a dataclass's
time.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any


class Style(Enum):
    """How a piece of a line looks where the stream may colour; the values are parameters of a terminal's SGR."""

    STRONG = "1"
    ERROR = "1;31"
    WARNING = "1;33"
    HELP = "1;36"
    GUTTER = "1;34"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"


class Painted(NamedTuple):
    """A piece of a line in a style."""

    text: str
    style: Style


class Code(NamedTuple):
    """A piece of a line of Markdown that is shown as code."""

    text: str


class Words(NamedTuple):
    """A piece of a line of Markdown, in a table too, in which no character is a mark."""

    text: str


Piece = str | Painted | Code | Words


class Wrapped(NamedTuple):
    """Text that is broken at spaces into lines of at most 80 characters, each behind `indent` spaces.

    The first stands behind `head`, which is at most as wide, where there is one: HANGING lets it begin further left.
    """

    pieces: tuple[str, ...]
    indent: int
    head: tuple[Piece, ...] = ()


HANGING: tuple[Piece, ...] = ("",)

# One line without its end. Each piece is looked at on its own, so that a name beside a colon is no password's.
Line = str | tuple[Piece, ...] | Wrapped


class Lines(NamedTuple):
    """Text for people. A line break inside a piece is shown as an escape: no name can make a line of its own."""

    lines: Iterable[Line]


class Data(NamedTuple):
    """One object for programs, printed as JSON; a Fingerprint may stand in it wherever a text may."""

    content: Mapping[str, Any]


class Fingerprint(NamedTuple):
    """A short hash of `parts` after concealing, so never of a secret; a repeated one gets another number."""

    parts: tuple[str, ...]


class Element(NamedTuple):
    """An XML element with lines of text, or else with children. As the top of an output it is a whole document."""

    name: str
    attributes: Mapping[str, str]
    children: Sequence[Element] = ()
    text: Sequence[Line] | None = None


class Command(NamedTuple):
    """A workflow command of GitHub: `::name key=value,…::message`, where the message is of the lines `lines`."""

    name: str
    properties: Mapping[str, str]
    lines: Sequence[str]


class Commands(NamedTuple):
    """Workflow commands, one a line."""

    commands: Iterable[Command]


Content = Lines | Data | Element | Commands
