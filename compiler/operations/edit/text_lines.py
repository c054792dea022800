"""Finds the lines around a place in the text of an input file, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.model.document import Node


def line_start(text: str, offset: int) -> int:
    """Where the line of `offset` begins."""
    return text.rfind("\n", 0, offset) + 1


def next_line(text: str, offset: int) -> int:
    """Where the line after `offset` begins, the end of the text where there is none.

    A literal block ends at the beginning of the next line already.
    """
    if text[offset - 1 : offset] == "\n":
        return offset
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def rest_of_line(node: Node) -> tuple[int, int]:
    """From where to where the line of a node goes on behind it, without the line break."""
    text = node.source.text
    end = text.find("\n", node.end)
    end = len(text) if end < 0 else end
    return node.end, end - 1 if text[node.end : end].endswith("\r") else end


def line_break(text: str, offset: int) -> str:
    """The line break to write at `offset`: that of the line there, else that of the line before."""
    at = text.find("\n", offset)
    if at < 0:
        at = text.rfind("\n", 0, offset)
    return "\r\n" if text[max(at - 1, 0) : at + 1] == "\r\n" else "\n"


def is_flow(node: Node) -> bool:
    """Whether a map is written in braces."""
    return node.source.text[node.start : node.start + 1] == "{"


def content_end(node: Node) -> int:
    """Where the last thing written in a node ends; the parser ends a block only where the next one begins."""
    return max(_end(each) for each in node.walk())


def _end(node: Node) -> int:
    braced = node.source.text[node.start : node.start + 1] in ("{", "[")
    return node.end if braced or not isinstance(node.value, dict | tuple) else -1
