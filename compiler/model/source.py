"""Holds the text of one input file, and turns offsets in it into 1-based lines and columns."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import field
from functools import cached_property

from compiler.model.record import dataclass


@dataclass(frozen=True, eq=False)
class Source:
    """One input file as it was read.

    `path` is shown to people and always relative to the project's root with `/` between parts, so that no output
    carries the path of a machine. A source without text stands for a file that could not be read.
    """

    path: str
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
        """The 1-based line and column of the character at `offset`; columns count characters, not bytes.

        What ends or lies behind the last line is at its end: a place is always one that an editor can go to.
        """
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


@dataclass(frozen=True, slots=True)
class Span:
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
