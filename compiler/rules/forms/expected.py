"""Says what to write where a value has another type or form than the schema's, and which parts of it may be shown.

What stands where something else belongs may be a secret that somebody put in a wrong place. So only words that the
project knows already are shown, names of environment variables where keys belong, and words of truth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from compiler.model.duration import days_in_words, short_duration
from compiler.rules.forms.surroundings import of_setting
from compiler.text.credential import looks_like_credential
from compiler.text.regex import regex
from compiler.text.suggestion import closest

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from compiler.model.document import Node
    from compiler.model.source import Span
    from compiler.rules.forms.surroundings import Surroundings

_VARIABLE = regex(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", re.ASCII)
_INTEGER = regex(r"-?[0-9]{1,6}", re.ASCII)
_ID = regex(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_TRUTHS = {"yes": "true", "y": "true", "on": "true", "true": "true"}
_BOOLEANS = {**_TRUTHS, "no": "false", "n": "false", "off": "false", "false": "false"}
# What people name a value that they write where the catalogue describes its key.
_VALUE_KEYS = frozenset({"value", "default", "secret", "data", "stringData"})
_GLUED = regex(r"([A-Za-z]{1,30}):(\S.*)", re.ASCII | re.DOTALL)
_COLON_WITHOUT_SPACE = regex(r"([A-Za-z]{1,30}):[^\s:]")
# What an entry of the catalogue has, and the catalogue itself has not.
_OF_ENTRIES = frozenset({"target", "remote", "keys"})
# More names than this make an example that nobody reads.
_MOST_NAMES = 3
# A number below it is no number of seconds that anybody waits between two reads.
_FEW_SECONDS = 60
# Longer numbers are no settings.
_LONGEST_NUMBER = 20


class Place(NamedTuple):
    """Where a value stands: the schema's name, the path in the document, and what surrounds that."""

    schema: str
    path: tuple[str | int, ...]
    surroundings: Surroundings

    @property
    def key(self) -> str:
        """The key that the value stands under; empty for the whole document, an item of a list and a strange key."""
        key = self.path[-1] if self.path else ""
        return key if isinstance(key, str) and _is_key(key) else ""

    def knows(self, word: object) -> bool:
        """Whether `word` may be shown here."""
        if not isinstance(word, str):
            return False
        return word in self.surroundings.words or (self.path[-1:] == ("keys",) and _is_variable(word))


class Advice(NamedTuple):
    """The way out, None where the message says it all, and what must not be shown."""

    help: str | None
    conceals: tuple[Span, ...] = ()


def of_type(place: Place, node: Node, wanted: Sequence[str], schema: Mapping[str, Any]) -> Advice:
    """What to write in place of `node`, whose type is none of the `wanted` ones of its part of the schema."""
    if node.value is None:
        return Advice(_of_nothing(place, node, wanted))
    if "object" in wanted:
        return _of_map(place, node, schema)
    if "array" in wanted:
        return _of_list(place, node)
    if "boolean" in wanted and isinstance(node.value, str):
        word = _BOOLEANS.get(node.value.lower())
        if word is not None:
            return Advice(f"write `{place.key}: {word}`, without quotes")
    if "integer" in wanted and isinstance(node.value, str) and _INTEGER.fullmatch(node.value):
        return Advice(f"write `{place.key}: {int(node.value)}`, without quotes")
    if "string" in wanted and len(node.items) == 1 and place.knows(node.items[0].value):
        return Advice(f"write `{place.key}: {node.items[0].value}`")
    return Advice(None, _whole(node))


def of_number(place: Place, node: Node) -> tuple[str, str, str]:
    """The rule, message and way out for an unquoted number or boolean where a text belongs."""
    written = node.source.text[node.start : node.end]
    way_out = "put it in double quotes"
    if len(written) <= _LONGEST_NUMBER:
        read = isinstance(node.value, float) and written != str(node.value)
        way_out = f'write "{written}" in double quotes' + (f"; unquoted, it is read as {node.value}" if read else "")
    if place.key == "refreshInterval" and type(node.value) is int and node.value > 0:
        return "invalid-duration", "a duration needs a unit", duration_help(node.value)
    if place.key == "rotate" and type(node.value) is int and node.value > 0:
        return "invalid-value", "a number of days needs its unit", f"write `rotate: {node.value}d`"
    return "ambiguous-scalar", "expected a string; unquoted, YAML reads another type", way_out


def duration_help(number: int) -> str:
    """The durations that a number without a unit may have meant."""
    if number < _FEW_SECONDS:
        return f"write {number}h, {number}m or {number}s"
    return f"write {short_duration(number)}, if seconds are meant"


def of_form(place: Place, node: Node) -> Advice:
    """What to write in place of a text of another form: in place of what may be a secret, where a key is named."""
    match place.schema, place.path:
        case "catalogue", ("secrets", _, "keys", _, "from"):
            return Advice("write the id of an entry, a slash and one of its keys", _whole(node))
        case _, (*_, "rotate") if (days := days_in_words(str(node.value))) is not None:
            return Advice(f"write `rotate: {days}d`")
        case _:
            return Advice(None)


def of_unknown_key(place: Place, key: str, node: Node, known: Container[str] = ()) -> str | None:
    """The way out for a secret, a key of one, or its value, that stands beside the map that it belongs in.

    `node` is what stands under the key, and `known` are the keys that there may be.
    """
    if (glued := _GLUED.fullmatch(key)) is not None and glued[1] in known:
        value = glued[2] if place.knows(glued[2]) else "…"
        return f"write a space after the colon: `{glued[1]}: {value}`"
    match place.path:
        case ("secrets", "secrets") if key in place.surroundings.secrets:
            return of_setting("secrets")
        case () if key in place.surroundings.secrets or (place.schema == "catalogue" and _is_entry(node)):
            return "did you mean to indent it under `secrets:`?"
        case ("secrets", str() as secret, "keys", str() as own) if (
            key in _VALUE_KEYS and _is_id(secret) and _is_key(own)
        ):
            return f"values go into the store: `{place.surroundings.put(secret, own)}`; write `{own}: {{}}` here"
        case ("secrets", str() as secret) if _is_id(secret) and _is_variable(key):
            if place.schema == "catalogue":
                return f"keys stand under `keys:`: write `keys: {{{key}: {{}}}}`"
            command = place.surroundings.put(secret, key)
            return f"keys are listed in the catalogue, and values go into the store: `{command}`"
        case _:
            return None


def _is_entry(node: Node) -> bool:
    return not _OF_ENTRIES.isdisjoint(node.children)


def as_id(name: str) -> str | None:
    """`name` in the form of an id, lower case with hyphens, or None where that is no id or is `name` itself."""
    form = re.sub(r"[\s_.]+", "-", name).strip("-").lower()
    return form if form != name and _ID.fullmatch(form) and not looks_like_credential(name) else None


def _of_nothing(place: Place, node: Node, wanted: Sequence[str]) -> str | None:
    if not node.is_empty:
        return None
    if "object" in wanted:
        return f"write `{place.key}: {{}}` for an empty map" if place.key else "write `{}` for an empty map"
    return "write `[]` for an empty list" if "array" in wanted else None


def _of_map(place: Place, node: Node, schema: Mapping[str, Any]) -> Advice:
    glued = _without_space(node.value, schema)
    if glued is not None:
        return Advice(f"write a space after the colon: `{glued}: …`", _whole(node))
    if not place.path:
        return Advice("write a map, such as `secrets: {github: {}}`", _whole(node))
    if not isinstance(node.value, tuple):
        return Advice(_instead_of_value(place, node, schema), _whole(node))
    names = [name for item in node.items for name in _names_of(place, item)]
    hidden = tuple(_unknown(place, node))
    if not isinstance(schema.get("additionalProperties"), dict):
        return Advice(_of_properties(place, names, schema), hidden)
    content = "{}" if place.key in ("secrets", "keys") else "{…}" if place.key == "stores" else "…"
    shown = [f"{name}: {content}" for name in names[:_MOST_NAMES]] or [f"name: {content}"]
    more = ["…"] if len(node.items) > len(shown) else []
    return Advice(f"write a map, with the names as keys: `{place.key}: {{{', '.join(shown + more)}}}`", hidden)


def _without_space(value: object, schema: Mapping[str, Any]) -> str | None:
    """The key that a text begins with, where the colon after it has no space, which would make a map of both."""
    written = _COLON_WITHOUT_SPACE.match(value) if isinstance(value, str) else None
    return written[1] if written is not None and written[1] in schema.get("properties", ()) else None


def _instead_of_value(place: Place, node: Node, schema: Mapping[str, Any]) -> str | None:
    match place.schema, place.path:
        case "catalogue", ("secrets", str() as secret, "keys", str() as key) if _is_id(secret) and _is_key(key):
            return f"values go into the store: `{place.surroundings.put(secret, key)}`; write `{key}: {{}}` here"
        case "environment", ("secrets", str() as secret) if place.surroundings.is_setting(secret):
            return of_setting(secret)
        case "environment", ("secrets", str() as secret) if _is_id(secret) and isinstance(node.value, bool):
            return f"write `{secret}: {{{'' if node.value else 'enabled: false'}}}`"
        case "environment", ("secrets", str() as secret) if _is_id(secret) and place.surroundings.is_store(node.value):
            return f"write `{secret}: {{store: {node.value}}}`"
        case "environment", ("secrets", str() as secret) if _is_id(secret):
            return f"values go into the store: `{place.surroundings.put(secret)}`; write `{secret}: {{}}` here"
        case _:
            return _of_properties(place, [], schema)


def _of_properties(place: Place, names: Sequence[str], schema: Mapping[str, Any]) -> str | None:
    known = list(schema.get("properties", ()))
    if known == ["namespaces"]:
        return f"write `{place.key}: {{namespaces: [{', '.join(names) or '…'}]}}`"
    if known:
        return f"write a map of {', '.join(f'`{each}:`' for each in known)}"
    return f"write a map, such as `{place.key}: {{name: …}}`" if place.key else None


def _of_list(place: Place, node: Node) -> Advice:
    if isinstance(node.value, dict):
        names = [key for key in node.value if place.knows(key)]
        is_known = len(names) == len(node.value)
        hidden = tuple(span for child in node.value.values() for span in _whole(child))
        return Advice(_as_list(place, names[:_MOST_NAMES]), hidden if is_known else _whole(node))
    if place.key == "extends" and isinstance(node.value, str):
        meant = closest(node.value, sorted(place.surroundings.words))
        if meant is not None:
            return Advice(f"did you mean `extends: [{meant}]`?" if meant != node.value else _as_list(place, [meant]))
    if place.knows(node.value):
        return Advice(_as_list(place, [str(node.value)]))
    return Advice(_as_list(place, []), _whole(node))


def _as_list(place: Place, names: Sequence[str]) -> str:
    return f"write a list: `{place.key or 'key'}: [{', '.join(names) or 'name'}]`"


def _names_of(place: Place, item: Node) -> Iterator[str]:
    """The name that an item of a list has, if it may be shown: a text, a map's only key, or what is its `name`."""
    for name in (item.value, item.children["name"].value if "name" in item.children else None, *item.children):
        if place.knows(name) and (name != "name" or len(item.children) == 1):
            yield str(name)
            return


def _unknown(place: Place, node: Node) -> Iterator[Span]:
    """What is not shown of a list: every value that is no known word, and maps with another key."""
    if isinstance(node.value, tuple) or (node.children and all(map(place.knows, node.children))):
        for child in (*node.items, *node.children.values()):
            yield from _unknown(place, child)
    elif not place.knows(node.value):
        yield from _whole(node)


def _is_id(name: str) -> bool:
    return bool(_ID.fullmatch(name)) and not looks_like_credential(name)


def _is_variable(name: str) -> bool:
    return bool(_VARIABLE.fullmatch(name)) and not looks_like_credential(name)


def _is_key(name: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", name, re.ASCII)) and not looks_like_credential(name)


def _whole(node: Node) -> tuple[Span, ...]:
    return () if node.value is None or isinstance(node.value, bool) else (node.span,)
