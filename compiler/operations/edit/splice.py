"""Replaces parts of a file's text, keeps every other byte, and knows where what is kept stood before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.edit.text_lines import line_break, next_line

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Splice:
    """`text` in place of what stands from `start` up to `end` (not included) of the old text."""

    start: int
    end: int
    text: str


def spliced(text: str, splices: Sequence[Splice]) -> str:
    """`text` with each of `splices`, which are in the order of their places and do not overlap."""
    parts, at = [], 0
    for splice in splices:
        parts += [text[at : splice.start], splice.text]
        at = splice.end
    return "".join((*parts, text[at:]))


def lines_after(text: str, offset: int, lines: Sequence[str]) -> Splice:
    """The splice that puts `lines` below the line of `offset`, broken as that one is."""
    at = next_line(text, offset)
    end = line_break(text, at)
    opened = end if at and text[at - 1] != "\n" else ""
    return Splice(at, at, opened + "".join(line + end for line in lines))


def offset_before(splices: Sequence[Splice], offset: int) -> int | None:
    """Where in the old text stood what is at `offset` of the new one; None in what was put in."""
    grown = 0
    for splice in splices:
        start = splice.start + grown
        if offset < start:
            break
        if offset < start + len(splice.text):
            return None
        grown += len(splice.text) - (splice.end - splice.start)
    return offset - grown
