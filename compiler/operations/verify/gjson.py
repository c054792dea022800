"""Finds the value at a gjson path in a JSON Secret, as External Secrets Operator's gjson does.

Written from gjson's documented path syntax (https://github.com/tidwall/gjson/blob/master/SYNTAX.md), not from its code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from compiler.model.record import dataclass
from compiler.stores.values.members import array_items, object_members
from compiler.stores.values.secret import JsonKind
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.stores.values.secret import SecretValue

_THIS = "@this"
# gjson's own modifiers; any other word after @ is a plain key.
_MODIFIERS = frozenset(
    "pretty ugly reverse flatten join valid keys values tostr fromstr group dig".split()  # noqa: SIM905 - a list of words
)
_MODIFIER = regex(r"@([A-Za-z]+)")
_WILD = frozenset("*?\\")
# Several paths in one, and literals.
_OTHER_SYNTAX = ("{", "[", "!")


class UnprovenPathError(Exception):
    """The path uses a part of gjson that is not evaluated here: queries, modifiers, several paths, JSON lines."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One component; `pattern` where it has a wildcard, `name` is then not used."""

    name: str
    pattern: re.Pattern[str] | None
    is_escaped: bool


def find(document: SecretValue, path: str) -> SecretValue | None:
    """The value at `path` of `document`; a null is a value too. Raises UnprovenPathError."""
    found: SecretValue | None = document
    # All of the path first: other syntax has a result of its own where what stands before it leads nowhere.
    for section in tuple(_sections(path)):
        # A pipe takes what stands before it as decided: a wildcard does not go on when the rest leads nowhere.
        found = _reached(found, section) if found is not None else None
    return found


def _reached(document: SecretValue, section: Sequence[_Part]) -> SecretValue | None:
    if not section:
        return document
    part, rest = section[0], section[1:]
    if document.kind is JsonKind.ARRAY:
        return _reached_in_array(document, part, rest)
    for name, value in object_members(document).items():
        if part.pattern.fullmatch(name) if part.pattern is not None else name == part.name:
            found = _reached(value, rest)
            if found is not None:
                return found
    return None


def _reached_in_array(document: SecretValue, part: _Part, rest: Sequence[_Part]) -> SecretValue | None:
    # gjson knows no escapes in an array's part of the path: a dot behind a backslash ends it there.
    if part.name.startswith("#") or part.is_escaped:
        raise UnprovenPathError
    if part.pattern is not None or not (part.name.isascii() and part.name.isdigit()):
        return None
    items, index = array_items(document), int(part.name[:9])
    return _reached(items[index], rest) if index < len(items) else None


def _sections(path: str) -> Iterator[tuple[_Part, ...]]:
    """What stands between pipes, as components. A dot beside `@this` is a pipe too, and `@this` itself no component."""
    section: list[_Part] = []
    start, is_first = 0, True
    for end in _ends(path):
        _refuse_other_syntax(path, start, is_first=is_first)
        text = path[start:end]
        if text != _THIS:
            section.append(_part(text))
        is_first = text == _THIS or path[end : end + 1] == "|"
        if is_first:
            yield tuple(section)
            section = []
        start = end + 1
    yield tuple(section)


def _ends(path: str) -> Iterator[int]:
    """Where each component ends: at a dot or a pipe without a backslash before it, and at the path's end."""
    index = 0
    while index < len(path):
        if path[index] in ".|":
            yield index
        index += 2 if path[index] == "\\" else 1
    yield len(path)


def _refuse_other_syntax(path: str, start: int, *, is_first: bool) -> None:
    if path.startswith(_OTHER_SYNTAX, start) or (is_first and path.startswith("..", start)):
        raise UnprovenPathError
    modifier = _MODIFIER.match(path, start)
    if modifier is not None and (modifier[1] in _MODIFIERS or path.startswith(f"{_THIS}:", start)):
        raise UnprovenPathError


def _part(text: str) -> _Part:
    characters, is_wild, escaped = list[str](), False, list[str]()
    index = 0
    while index < len(text):
        escapes = text[index] == "\\"
        index += escapes
        if index < len(text):
            escaped += text[index] * escapes
            is_wild = is_wild or (not escapes and text[index] in "*?")
            characters.append(text[index])
        index += 1
    if is_wild and not _WILD.isdisjoint(escaped):
        # gjson's matching of an escaped wildcard beside a wildcard has changed between its versions.
        raise UnprovenPathError
    name = "".join(characters)
    return _Part(name, _pattern(name) if is_wild else None, "\\" in text)


def _pattern(name: str) -> re.Pattern[str]:
    first, *others = (re.escape(piece).replace(r"\?", ".") for piece in name.split("*"))
    # Atomic: the first place of each piece is as good as any later one, and a name costs no power of its length.
    last = [f".*{others.pop()}"] if others else []
    return re.compile("".join([first, *(f"(?>.*?{piece})" for piece in others), *last]), re.DOTALL)
