"""A JSON Secret and a gjson path in, the value that External Secrets Operator's gjson finds there out, or nothing.

Written from gjson's documented path syntax (https://github.com/tidwall/gjson/blob/master/SYNTAX.md), not from its code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.stores.members import array_items, object_members
from compiler.stores.secret import JsonKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.stores.secret import Secret

_THIS = "@this"
# gjson's own modifiers; any other word after @ is a plain key.
_MODIFIERS = frozenset(
    "pretty ugly reverse flatten join valid keys values tostr fromstr group dig".split()  # noqa: SIM905 - a list of words
)
_OTHER_SYNTAX = ("{", "[", "!")


class UnprovenPathError(Exception):
    """The path uses a part of gjson that is not evaluated here: queries, modifiers, several paths, JSON lines."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One component; `pattern` where it has a wildcard, `name` is then not used. `rest` is the path after it."""

    name: str
    pattern: re.Pattern[str] | None
    rest: str | None


def find(document: Secret, path: str) -> Secret | None:
    """The value at `path` of `document`; a null is a value too. Raises UnprovenPathError."""
    if path.startswith(".."):
        raise UnprovenPathError
    part = _first(path)
    if part.pattern is None and part.name == _THIS and path.startswith(_THIS):
        return document if part.rest is None else find(document, part.rest)
    _refuse_other_syntax(path)
    if document.kind is JsonKind.ARRAY:
        return _found_in_array(document, part)
    for name, value in object_members(document).items():
        if part.pattern.fullmatch(name) if part.pattern is not None else name == part.name:
            found = _further(value, part.rest)
            if found is not None:
                return found
    return None


def _found_in_array(document: Secret, part: _Part) -> Secret | None:
    if part.name.startswith("#"):
        raise UnprovenPathError
    if part.pattern is not None or not (part.name.isascii() and part.name.isdigit()):
        return None
    items, index = array_items(document), int(part.name[:9])
    return _further(items[index], part.rest) if index < len(items) else None


def _further(value: Secret, rest: str | None) -> Secret | None:
    return value if rest is None else find(value, rest)


def _refuse_other_syntax(path: str) -> None:
    if path.startswith(_OTHER_SYNTAX):
        raise UnprovenPathError
    modifier = re.match(r"@([A-Za-z]+)", path)
    if modifier is not None and (modifier[1] in _MODIFIERS or path.startswith(f"{_THIS}:")):
        raise UnprovenPathError


def _first(path: str) -> _Part:
    """The path's first component. A dot and a pipe both end it: they differ for arrays of results only."""
    characters, is_wild, is_escaped, end = list[str](), False, False, len(path)
    for index, character, escaped in _characters(path):
        if not escaped and character in ".|":
            end = index
            break
        is_wild = is_wild or (not escaped and character in "*?")
        is_escaped = is_escaped or escaped
        characters.append(character)
    if is_wild and is_escaped:
        # gjson's matching of an escaped wildcard beside a wildcard has changed between its versions.
        raise UnprovenPathError
    name = "".join(characters)
    return _Part(name, _pattern(name) if is_wild else None, path[end + 1 :] if end < len(path) else None)


def _characters(path: str) -> Iterator[tuple[int, str, bool]]:
    index = 0
    while index < len(path):
        escaped = path[index] == "\\"
        index += escaped
        if index < len(path):
            yield index, path[index], escaped
        index += 1


def _pattern(name: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(character) or re.escape(character) for character in name), re.DOTALL)
