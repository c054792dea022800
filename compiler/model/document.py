"""Holds the text and the tree of a YAML input, in which every node knows its place and the values that it replaced.

A diagnostic is a message to the user about it: the rule, the severity, the place and the remedy.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, eq=False)
class Source:
    """One input file as it was read; one without text stands for a file that could not be read."""

    path: str  # relative to the project's root with `/`, so that no output has a path of the machine
    text: str = field(default="", repr=False)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts, position = [0], self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        return starts

    @cached_property
    def _last(self) -> int:
        """The end of the last line, before its line break: no line follows that."""
        return len(self.text.removesuffix("\n").removesuffix("\r"))

    def place(self, offset: int) -> tuple[int, int]:
        """The 1-based line and column, in characters, at `offset`; behind the last line, its end."""
        at = min(offset, self._last)
        line = bisect_right(self._line_starts, at)
        return line, at - self._line_starts[line - 1] + 1

    def line_bounds(self, line: int) -> tuple[int, int]:
        """The offsets where the 1-based `line` begins and ends, without its line break."""
        start = self._line_starts[line - 1]
        end = self._line_starts[line] - 1 if line < len(self._line_starts) else len(self.text)
        if end > start and self.text[end - 1] == "\r":
            end -= 1
        return start, max(start, end)


class Span(NamedTuple):
    """Characters `start` up to `end` (not included) of a source, counted from 0."""

    source: Source
    start: int = 0
    end: int = 0

    @property
    def path(self) -> str:
        return self.source.path

    @property
    def line(self) -> int:
        return self.source.place(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.place(self.start)[1]

    @property
    def where(self) -> str:
        """`file:line:column`, the form that terminals and editors make a link of."""
        line, column = self.source.place(self.start)
        return f"{self.source.path}:{line}:{column}"


Scalar: TypeAlias = str | int | float | bool | None
PlainData: TypeAlias = "Scalar | list[PlainData] | dict[str, PlainData]"

_NOTHING: Mapping[str, Node] = {}
# Far more than the longest file, and the width in which Python keeps a number's digits.
_WIDTH = 30
_OFFSET = (1 << _WIDTH) - 1


def extent(start: int, end: int, key_start: int = -1, key_end: int = -1) -> int:
    """The four offsets of a node in one number: as four they would take a third of a large project's memory."""
    return start | end << _WIDTH | key_start + 1 << 2 * _WIDTH | key_end + 1 << 3 * _WIDTH


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One value of the input: a scalar, a mapping or a sequence."""

    # Not in its repr: it may be a secret in the clear.
    value: Scalar | dict[str, Node] | tuple[Node, ...] = field(repr=False)
    source: Source
    extent: int  # the value's offsets `start` and `end`, and its key's `key_start` and `key_end` (-1 without a key)
    plain: bool = False  # an unquoted scalar
    overrode: tuple[Node, ...] = ()  # after merging: the values that lower layers gave, latest first
    # the written nulls that took a key out of a mapping
    removed: Mapping[str, Node] = field(default_factory=lambda: _NOTHING)

    @property
    def start(self) -> int:
        return self.extent & _OFFSET

    @property
    def end(self) -> int:
        return self.extent >> _WIDTH & _OFFSET

    @property
    def key_start(self) -> int:
        return (self.extent >> 2 * _WIDTH & _OFFSET) - 1

    @property
    def key_end(self) -> int:
        return (self.extent >> 3 * _WIDTH) - 1

    @property
    def span(self) -> Span:
        return Span(self.source, self.start, self.end)

    @property
    def key_span(self) -> Span:
        """Where the key is written; the value's own span where there is no key."""
        return Span(self.source, self.key_start, self.key_end) if self.key_start >= 0 else self.span

    @property
    def rest_of_line(self) -> tuple[int, int]:
        """From where to where its line goes on behind it, without the line break."""
        line, _ = self.source.place(self.end)
        return self.end, max(self.end, self.source.line_bounds(line)[1])

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written after the key: `slack:` rather than `slack: null`."""
        return self.value is None and self.start == self.end

    @property
    def children(self) -> Mapping[str, Node]:
        """The members of a mapping; empty for any other node."""
        return self.value if isinstance(self.value, dict) else _NOTHING

    @property
    def items(self) -> tuple[Node, ...]:
        """The items of a sequence; empty for any other node."""
        return self.value if isinstance(self.value, tuple) else ()

    def get(self, *path: str) -> Node | None:
        """The node under `path`, or None where a part of it is missing."""
        node: Node | None = self
        for key in path:
            node = node.children.get(key) if node is not None else None
        return node

    def members_at(self, *path: str) -> Mapping[str, Node]:
        """The members of the map under `path`; empty where there is none."""
        node = self.get(*path)
        return node.children if node is not None else _NOTHING

    def items_at(self, *path: str) -> tuple[Node, ...]:
        """The items of the sequence under `path`; empty where there is none."""
        node = self.get(*path)
        return node.items if node is not None else ()

    def nearest(self, *path: str) -> Node:
        """The deepest node that exists on `path`: where a diagnostic about a missing part points."""
        node = self
        for key in path:
            child = node.children.get(key)
            if child is None:
                break
            node = child
        return node

    def text(self, *path: str) -> str | None:
        """The string under `path`; None where there is no value or it is not a string."""
        node = self.get(*path)
        return node.value if node is not None and isinstance(node.value, str) else None

    def texts_at(self, *path: str) -> tuple[str, ...]:
        """The strings in the sequence under `path`; empty where there is none."""
        return tuple(item.value for item in self.items_at(*path) if isinstance(item.value, str))

    def text_map(self, *path: str) -> dict[str, str]:
        """The strings in the map under `path`, by key; empty where there is none."""
        return {key: each.value for key, each in self.members_at(*path).items() if isinstance(each.value, str)}

    def plain_data(self) -> PlainData:
        """The bare value, as schema validation wants it."""
        value = self.value
        if isinstance(value, dict):
            return {key: child.plain_data() for key, child in value.items()}
        if isinstance(value, tuple):
            return [child.plain_data() for child in value]
        return value

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        value = self.value
        if isinstance(value, dict):
            for child in value.values():
                yield from child.walk()
        elif isinstance(value, tuple):
            for child in value:
                yield from child.walk()


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One input file, loaded."""

    source: Source
    root: Node
    ambiguous: tuple[Node, ...] = ()
    # Scalars that rules look at: unquoted ones that YAML 1.1 reads as another type than 1.2, and long ones that may be
    # credentials.
    suspects: tuple[Node, ...] = ()
    nulls: bool = False  # without a null a merge may share the tree
    damaged: bool = False  # parts with errors were taken out: conclude nothing from what is missing

    @property
    def is_blank(self) -> bool:
        """Whether the file has nothing but white space and comments."""
        return self.root.value == {} and self.root.start == self.root.end


# Nobody reads more of one kind in one file; a file of 100,000 mistakes must not take minutes or gigabytes to report.
MOST_OF_A_KIND = 100
# Findings of one rule that one run shows as text: after these, people know what the others say.
MOST_OF_A_RULE = 20


class Severity(Enum):
    """An error stops the writing of values; a warning does not; a note never changes the exit code, strict or not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Related(NamedTuple):
    """Another place that explains a diagnostic, such as an earlier definition."""

    message: str
    span: Span
    about: str = ""  # places of keys have this in common and a `key` each: text for people shows them in one line
    key: str = ""


class Diagnostic(NamedTuple):
    """One finding."""

    rule: str
    severity: Severity
    # Like `help`: lower case, no full stop, quotes only keys, known words and names, never what may be a secret.
    message: str
    span: Span
    help: str | None = None
    related: tuple[Related, ...] = ()
    # Spans whose text no output may show, whichever diagnostic's source line they stand on: values under unknown keys,
    # what looks like a credential, lines that could not be parsed.
    conceals: tuple[Span, ...] = ()
    # The path in the merged environment or catalogue that a waiver must cover (`secrets`, `github`).
    scope: tuple[str, ...] = ()
    brief: bool = False  # the source line explains nothing, so text for people does not show it


def file_error(rule: str, path: str, message: str, way_out: str | None = None) -> Diagnostic:
    """An error of a file as a whole, at its first line: none of its text is known."""
    return Diagnostic(rule, Severity.ERROR, message, Span(Source(path)), help=way_out)


def first_of_a_kind(found: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """The first MOST_OF_A_KIND of `found`, and where there are more, one that says so."""
    for count, diagnostic in enumerate(found):
        if count == MOST_OF_A_KIND:
            yield and_more(diagnostic)
            return
        yield diagnostic


def and_more(last: Diagnostic) -> Diagnostic:
    """The diagnostic that stands for all further ones of its kind, at the place of the first one left off."""
    message = f"there are more like the {MOST_OF_A_KIND} before; they are not listed"
    return last._replace(message=message, help=None, related=())
