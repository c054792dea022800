"""Reads and writes the JSON of Vault's API so that a secret's values pass through as the text that is stored.

A Vault returns what it keeps. Made into Python's numbers and back, `1.10` would become `1.1`, `0.00001` `1e-05` and
`1e400` `Infinity`: so a property that is no string is its raw JSON token, on the way in and on the way out.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from compiler.model.limits import has_more_values
from compiler.stores.sending.bounded_reply import MOST_VALUES
from compiler.stores.values.document import NotAnObjectError, read_object
from compiler.stores.values.secret import SecretValue

# A number in a Vault's own fields, a version or a lease, is shorter; Python refuses to make an int of thousands.
_MOST_DIGITS: Final = 20


def read_reply(content: bytes) -> dict[str, Any] | None:
    """Return a reply's JSON object, None for every other content and where readers disagree on it (a name twice).

    None also for more than MOST_VALUES values, which are counted before they take memory. Where it holds a version of a
    secret, `["data"]["data"]` is a mapping of its properties as Secrets.
    """
    try:
        text = content.decode()
        body = None if has_more_values(text, MOST_VALUES) else _DECODER.decode(text)
    except (ValueError, RecursionError):
        # Either error may hold the reply.
        return None
    if not isinstance(body, dict):
        return None
    data = body.get("data")
    if isinstance(data, dict) and isinstance(data.get("data"), dict):
        data["data"] = _properties(data["data"], text)
    return body


def write_body(body: Mapping[str, Any]) -> bytes:
    """Return the JSON to send, with each Secret in the clear, a number with the digits that it was read with."""
    return _token(body).encode()


def _properties(parsed: Mapping[str, Any], text: str) -> dict[str, SecretValue]:
    if all(type(value) is str for value in parsed.values()):
        return {name: SecretValue(value) for name, value in parsed.items()}
    # Slower, and only where there is a token to keep.
    return read_object(read_object(read_object(text)["data"].reveal())["data"].reveal())


def _token(value: object) -> str:
    if isinstance(value, SecretValue):
        # A string in ASCII: half of a surrogate pair has no bytes of its own.
        return json.dumps(value.reveal()) if value.is_string else value.reveal()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(name)}: {_token(member)}" for name, member in value.items()) + "}"
    return json.dumps(value)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _MOST_DIGITS else float(text)


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) != len(members):
        raise NotAnObjectError
    return found


def _refuse(_token: str) -> None:
    raise NotAnObjectError


_DECODER: Final = json.JSONDecoder(parse_int=_integer, parse_constant=_refuse, object_pairs_hook=_once_each)
