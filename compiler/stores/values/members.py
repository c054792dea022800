"""Splits a Secret that is a JSON object or array into its members, as Secrets; the caller sees no value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from compiler.stores.values.document import NotAnObjectError, read_object
from compiler.stores.values.secret import JsonKind, SecretValue

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRAPPER = '{{"items": {}}}'
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)
_SPACE = " \t\n\r"


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
    position = _skip(text, text.index("[") + 1)
    while text[position] != "]":
        _, end = _DECODER.raw_decode(text, position)
        found.append(text[position:end])
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return found


def _skip(text: str, position: int) -> int:
    while text[position] in _SPACE:
        position += 1
    return position
