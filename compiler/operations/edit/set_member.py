"""Writes one member into the text of an input file, in the style of what stands around it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.operations.edit.scalar import scalar
from compiler.operations.edit.splice import lines_after, spliced
from compiler.operations.edit.text_lines import content_end, is_flow, line_break, line_start, next_line
from compiler.stages.emit import quote
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from compiler.model.document import Node

_KEY_LINE = regex(r"[ \t]*:[ \t]*(?:#[^\n]*|\r)?\n")
# What may stand in quotes of any kind, and in a block, as it is.
_BARE = regex(r"[A-Za-z0-9-]+", re.ASCII)
_EXTENDS = "extends"
# The keys of a setting of an entry, below the map of entries, and how far a new map is indented.
_ENTRY = 2
_STEP = "  "


def member_set(root: Node, path: Sequence[str], value: str) -> str | None:
    """The text of the file of `root` with `value` at `path`; None where something on the way is no map."""
    node = root
    for depth, key in enumerate(path):
        child = node.children.get(key)
        if child is None:
            return _with_member(node, path[depth:], value, is_root=node is root)
        if depth < len(path) - 1 and child.value is None:
            return _replaced(child, _braces(path[depth + 1 :], value, scalar))
        if depth < len(path) - 1 and not isinstance(child.value, dict):
            return None
        node = child
    return None if isinstance(node.value, dict | tuple) else _with_value(node, value)


def _with_value(node: Node, value: str) -> str:
    text, old = node.source.text, node.value
    written = text[node.start : node.end]
    is_bare = _BARE.fullmatch(value) and (not node.plain or scalar(value) == value)
    if isinstance(old, str) and old and written.count(old) == 1 and is_bare:
        # The word alone: quotes, a block's header and its comment stay.
        at = node.start + written.index(old)
        return text[:at] + value + text[at + len(old) :]
    return _replaced(node, scalar(value))


def _replaced(node: Node, new: str) -> str:
    text = node.source.text
    before, after = text[: node.start], text[node.end :]
    if node.is_empty:
        return f"{before} {new}{after}"
    is_block = text[node.end - 1 : node.end] == "\n"
    return f"{before}{new}{line_break(text, node.start) if is_block else ''}{after}"


def _with_member(mapping: Node, path: Sequence[str], value: str, *, is_root: bool) -> str:
    if is_flow(mapping):
        return _in_braces(mapping, path, value)
    text = mapping.source.text
    if len(path) > _ENTRY:
        # A map of entries has a line for each, so that the next one is a line of its own too.
        below = f"{' ' * _indent(mapping)}{_STEP}{scalar(path[1])}: {_braces(path[2:], value, scalar)}"
        entry = f"{scalar(path[0])}:{line_break(text, len(text))}{below}"
    else:
        entry = f"{scalar(path[0])}: {_braces(path[1:], value, scalar)}"
    if not mapping.children:
        at = len(text)
    elif len(path) > 1 and not _ends_open(mapping):
        at = _end_of_block(mapping)
    elif is_root:
        first = next(iter(mapping.children))
        if first != _EXTENDS:
            return _before(mapping, entry)
        at = next_line(text, content_end(mapping.children[first]))
    else:
        found = _KEY_LINE.match(text, mapping.key_end)
        if found is None:
            return _before(mapping, entry)
        at = found.end()
    return spliced(text, [lines_after(text, at, [f"{' ' * _indent(mapping)}{entry}"])])


def _ends_open(mapping: Node) -> bool:
    """Whether the file ends in a block of text without a line break: one more line would be part of that text."""
    text, end = mapping.source.text, content_end(mapping)
    is_block = any(each.end == end and not each.plain and text[each.start] in "|>" for each in mapping.walk())
    return is_block and end == len(text) and text[end - 1] != "\n"


def _before(mapping: Node, entry: str) -> str:
    """As the first member: on a line of its own, or where the map begins in the line of its key."""
    text, at = mapping.source.text, mapping.start
    end, indent = line_break(text, at), " " * _indent(mapping)
    if not text[line_start(text, at) : at].strip():
        at = line_start(text, at)
        return f"{text[:at]}{indent}{entry}{end}{text[at:]}"
    return f"{text[:at]}{entry}{end}{indent}{text[at:]}"


def _indent(mapping: Node) -> int:
    return mapping.span.column - 1 if mapping.children else 0


def _end_of_block(mapping: Node) -> int:
    """The offset below the last member and the comments that belong to it by their indentation."""
    text = mapping.source.text
    at, indent = next_line(text, content_end(mapping)), _indent(mapping)
    while found := re.compile(r"( *)#[^\n]*(?:\n|\Z)").match(text, at):
        if len(found[1]) <= indent:
            break
        at = found.end()
    return at


def _in_braces(mapping: Node, path: Sequence[str], value: str) -> str:
    text = mapping.source.text
    if not mapping.children:
        at, entry = mapping.start + 1, f"{scalar(path[0])}: {_braces(path[1:], value, scalar)}"
        if text[at : at + 2] == " }":
            return f"{text[:at]} {entry}{text[at:]}"
        return f"{text[:at]}{entry}{text[at:]}"
    last = list(mapping.children.values())[-1]
    style = quote if text[last.key_start] == '"' else scalar
    entry = f"{style(path[0])}: {_braces(path[1:], value, style)}"
    return f"{text[: last.end]}, {entry}{text[last.end :]}"


def _braces(path: Sequence[str], value: str, style: Callable[[str], str]) -> str:
    if not path:
        return style(value)
    return f"{{{style(path[0])}: {_braces(path[1:], value, style)}}}"
