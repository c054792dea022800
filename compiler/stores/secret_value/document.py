"""Reads a remote secret's JSON object as Secrets, and changes properties of it with every other byte kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Never

from compiler.stores.secret_value.secret import JsonKind, SecretValue

RULE = (
    "a number or a boolean becomes its JSON token, an object or an array its JSON text, as the source returns it; "
    "null has no text and is refused"
)


def stringified(value: SecretValue) -> SecretValue | None:
    """Return the value as a string by RULE, itself when it is one, None when it has no text."""
    if value.is_string:
        return value
    return None if value.kind is JsonKind.NULL else SecretValue(value.reveal())


_WRAPPER = '{{"items": {}}}'
_MEMBER_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
_JSON_SPACE = " \t\n\r"


def object_members(secret: SecretValue) -> Mapping[str, SecretValue]:
    """The members of a JSON object in its order; empty for any other value, and where a name occurs twice."""
    if secret.kind is not JsonKind.OBJECT:
        return {}
    try:
        return read_object(secret.reveal())
    except NotAnObjectError:
        return {}


def array_items(secret: SecretValue) -> tuple[SecretValue, ...]:
    """The items of a JSON array; empty for any other value."""
    if secret.kind is not JsonKind.ARRAY:
        return ()
    # Each item becomes the only member of an object, which the one reader of documents then turns into a Secret.
    return tuple(read_object(_WRAPPER.format(item))["items"] for item in _tokens(secret.reveal()))


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    position = _skip_space(text, text.index("[") + 1)
    while text[position] != "]":
        _, end = _MEMBER_DECODER.raw_decode(text, position)
        found.append(text[position:end])
        position = _skip_space(text, end)
        if text[position] == ",":
            position = _skip_space(text, position + 1)
    return found


def _skip_space(text: str, position: int) -> int:
    while text[position] in _JSON_SPACE:
        position += 1
    return position


_SPACE: Final = re.compile(r"[ \t\n\r]*")
_KINDS: Final = {
    '"': JsonKind.STRING,
    "{": JsonKind.OBJECT,
    "[": JsonKind.ARRAY,
    "t": JsonKind.BOOLEAN,
    "f": JsonKind.BOOLEAN,
    "n": JsonKind.NULL,
}
# Numbers stay text. Python's default would also take NaN and Infinity, which no other reader of the vault does.
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=lambda _token: _refuse())


class NotAnObjectError(ValueError):
    """The text is no JSON object, or one that readers disagree on (a name twice). It carries no part of the text."""


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    value: SecretValue
    start: int
    end: int


def read_object(text: str) -> dict[str, SecretValue]:
    """Return the top level of a JSON object in its order; raise NotAnObjectError for anything else."""
    return {member.name: member.value for member in _members(text)}


def change_object(text: str, changes: Mapping[str, SecretValue]) -> str:
    """Return `text` with the values of `changes` in place of the old ones, and new properties before the last brace.

    Every other byte stays, white space and order and number forms included. Raises NotAnObjectError.
    """
    left = dict(changes)
    pieces: list[str] = []
    position = 0
    for member in _members(text):
        if (value := left.pop(member.name, None)) is not None:
            pieces += (text[position : member.start], token(value))
            position = member.end
    rest = text[position:]
    if left:
        brace = rest.rindex("}")
        body = rest[:brace].rstrip(" \t\n\r")
        is_empty = not pieces and body.lstrip(" \t\n\r") == "{"
        added = ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {token(value)}" for name, value in left.items())
        rest = f"{body}{'' if is_empty else ', '}{added}{rest[len(body) :]}"
    pieces.append(rest)
    return "".join(pieces)


def write_object(properties: Mapping[str, SecretValue]) -> str:
    """Return a new JSON object of the properties, in their order."""
    return change_object("{}", properties)


def token(value: SecretValue) -> str:
    """Return a property as a JSON token: a string with as few escapes as JSON allows, another kind as it was read."""
    return json.dumps(value.reveal(), ensure_ascii=False) if value.is_string else value.reveal()


def _members(text: str) -> Iterator[_Member]:
    try:
        yield from list(_parse(text))
    except (ValueError, IndexError, RecursionError):
        # The decoder's own error holds the document.
        raise NotAnObjectError from None


def _parse(text: str) -> Iterator[_Member]:
    position = _expect(text, 0, "{")
    seen: set[str] = set()
    if text[position] != "}":
        while True:
            name_start = _skip(text, position)
            if text[name_start] != '"':
                _refuse()
            name, position = _DECODER.raw_decode(text, name_start)
            if name in seen:
                _refuse()
            seen.add(name)
            start = _expect(text, position, ":")
            value, position = _DECODER.raw_decode(text, start)
            kind = _KINDS.get(text[start], JsonKind.NUMBER)
            yield _Member(
                name, SecretValue(value if kind is JsonKind.STRING else text[start:position], kind), start, position
            )
            position = _skip(text, position)
            if text[position] == "}":
                break
            position = _expect(text, position, ",")
    if _skip(text, position + 1) != len(text):
        _refuse()


def _expect(text: str, position: int, mark: str) -> int:
    position = _skip(text, position)
    if text[position] != mark:
        _refuse()
    return _skip(text, position + 1)


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _refuse() -> Never:
    raise NotAnObjectError
