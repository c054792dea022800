"""Defines what a renderer hands over to be printed: lines, data, XML or workflow commands.

All text in it is as it was found. What it becomes on its way out (without what may be a secret, escaped, coloured) is
decided by the outlet alone, so that no renderer has to remember it, and none can forget it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


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


@dataclass(frozen=True, slots=True)
class Painted:
    """A piece of a line in a style."""

    text: str
    style: Style


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of a line of Markdown that is shown as code."""

    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of a line of Markdown, in a table too, in which no character is a mark."""

    text: str


Piece = str | Painted | Code | Words
# One line without its end. Each piece is looked at on its own, so that a name beside a colon is no password's.
Line = str | tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """Text for people. A line break inside a piece is shown as an escape: no name can make a line of its own."""

    lines: Iterable[Line]


@dataclass(frozen=True, slots=True)
class Data:
    """One object for programs, printed as JSON; a Fingerprint may stand in it wherever a text may."""

    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A short hash of what is shown of `parts`, which is no hash of a secret; the second of two equal ones differs."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """An XML element with lines of text, or else with children. As the top of an output it is a whole document."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: Sequence[Element] = ()
    text: Sequence[Line] | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A workflow command of GitHub: `::name key=value,…::message`, where the message is of the lines `lines`."""

    name: str
    properties: Mapping[str, str]
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Commands:
    """Workflow commands, one a line."""

    commands: Iterable[Command]


Content = Lines | Data | Element | Commands
