"""Takes one member out of the text of an input file, with its line but not with the comments around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.edit.text_lines import content_end, is_flow, line_start, next_line
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.document import Node

_COLON = regex(r"[ \t]*:")
# White space and comments, up to what the parser would read next.
_PASSED_OVER = regex(r"(?:\s|(?<=\s)#[^\n]*)*")
_SAME_LINE = regex(r"[ \t]*")
_COMMENT = regex(r"\s*+(?:#.*\n?)?")


def dropped(root: Node, path: Sequence[str]) -> str | None:
    """The text of the file of `root` without the member at `path`; None where it cannot be taken out alone."""
    mapping = root.get(*path[:-1])
    member = root.get(*path)
    if mapping is None or member is None:
        return None
    if is_flow(mapping):
        return _from_braces(mapping, member)
    text = mapping.source.text
    start, end = line_start(text, member.key_start), next_line(text, content_end(member))
    if text[start : member.key_start].strip(" ?"):
        return None
    kept = text[:start] + _comments(text[start:end]) + text[end:]
    if len(mapping.children) > 1 or mapping is root:
        return kept
    colon = _COLON.match(text, mapping.key_end)
    return f"{kept[: colon.end()]} {{}}{kept[colon.end() :]}" if colon is not None else None


def _comments(lines: str) -> str:
    """The lines of comments and blank lines below the first one."""
    _, *below = lines.splitlines(keepends=True)
    return "".join(line for line in below if _COMMENT.fullmatch(line))


def _from_braces(mapping: Node, member: Node) -> str | None:
    text = mapping.source.text
    members = list(mapping.children.values())
    at = members.index(member)
    start, end = member.key_start, member.end
    if len(members) == 1:
        comma = _comma(text, end)
        return text[:start] + (text[end:comma] + text[comma + 1 :] if comma is not None else text[end:])
    if at + 1 < len(members):
        comma = _comma(text, end)
        if comma is None:
            return None
        rest = _SAME_LINE.match(text, comma + 1)
        return text[:start] + text[end:comma] + text[rest.end() if rest is not None else comma + 1 :]
    comma = _comma(text, members[at - 1].end)
    if comma is None:
        return None
    between = text[comma + 1 : start]
    return text[:comma] + (between if between.strip() or "\n" in between else "") + text[end:]


def _comma(text: str, offset: int) -> int | None:
    """Where the comma after a member stands, None where there is none."""
    passed = _PASSED_OVER.match(text, offset)
    at = passed.end() if passed is not None else offset
    return at if text[at : at + 1] == "," else None
