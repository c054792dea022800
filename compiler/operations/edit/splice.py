"""Replaces parts of a file's text, keeps every other byte, and knows where what is kept stood before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.stages.emit import quote, read_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.document import Node

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*", re.ASCII)


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


def newline_of(text: str) -> str:
    """The line break that the file has."""
    return "\r\n" if "\r\n" in text else "\n"


def after_line(text: str, offset: int) -> tuple[int, str]:
    """The beginning of the line after the one of `offset`, and the line break that is missing there."""
    # A literal block ends where the next line begins.
    end = offset - 1 if text[offset - 1 : offset] == "\n" else text.find("\n", offset)
    at = len(text) if end < 0 else end + 1
    return at, "" if at == 0 or text[at - 1] == "\n" else newline_of(text)


def end_of_block(node: Node) -> int:
    """Where the text of a block ends; of what ends no line by itself, only what is in it tells."""
    return max(map(_end, node.walk()))


def is_flow(node: Node) -> bool:
    """Whether a map or list is written in braces or brackets."""
    return node.source.text[node.start : node.start + 1] in ("{", "[")


def scalar(text: str) -> str:
    """`text` as every YAML parser reads it: quoted where one would take it for something else."""
    # PyYAML takes `y` and `n` for text, other readers of YAML 1.1 do not.
    is_text = text.lower() not in ("y", "n") and read_values(text) == text
    return text if _PLAIN.fullmatch(text) and is_text else quote(text)


def _end(node: Node) -> int:
    return node.end if is_flow(node) or not isinstance(node.value, dict | tuple) else -1
