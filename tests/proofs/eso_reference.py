"""What External Secrets Operator gives a pod: a reference and a store's raw answer in, the value out.

The tests' own reading of how the operator resolves references and of gjson's syntax page. It shares no code with the
compiler, whose answers it is compared with, and is itself held against answers recorded from gjson.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# A component of a path with what ends it; a backslash takes the next character along.
_COMPONENT: Final = re.compile(r"((?:\\.|[^\\.|])*\\?)([.|]?)", re.DOTALL)
_BEYOND: Final = re.compile(
    r"[{\[!]|@(?:pretty|ugly|reverse|flatten|join|valid|keys|values|tostr|fromstr|group|dig)(?![a-z])|@this:"
)


class UnknownSyntaxError(Exception):
    """Queries, modifiers, several paths and JSON lines: what they give is not claimed to be known."""


class NotThereError(Exception):
    """The operator reports an error: the property is not there, or the reference is none."""


def vault_path(mount: str, key: str) -> str:
    """The API path of a KV version 2 secret: the mount is cut from the key's front, and `data/` is put in."""
    if key.startswith(f"{mount}/"):
        key = key[len(mount) + 1 :]
        key = key.removeprefix("data/")
    return f"{mount}/data/{key}"


def key_vault_name(key: str) -> str:
    """`secret/name/rest` is the secret `name`; another first part than `secret` is no secret."""
    parts = key.split("/")
    if len(parts) == 1:
        return key
    if parts[0] != "secret":
        raise NotThereError
    return parts[1]


def of_vault(data: dict[str, object], wanted: str | None) -> str:
    """Literal names come first, then paths; Go prints the data with sorted names before either."""
    if wanted is None:
        return _text(dict(sorted(data.items())))
    if wanted in data:
        return _text(data[wanted])
    return _text(gjson(json.dumps(data, sort_keys=True), wanted))


def of_key_vault(value: str, wanted: str | None) -> str:
    """Paths come first; where one with dots leads nowhere, each dot is tried as part of a name."""
    if wanted is None:
        return value
    try:
        return _text(gjson(value, wanted))
    except NotThereError:
        if "." not in wanted:
            raise
    return _text(gjson(value, wanted.replace(".", r"\.")))


def gjson(document: str, path: str) -> object:
    """What gjson.Get finds; NotThereError where its result does not exist."""
    found: object = json.loads(document)
    for section in _sections(path):
        # Only the first hit of a section counts, whatever the next one makes of it.
        for hit in _hits(found, section):
            found = hit
            break
        else:
            raise NotThereError
    return found


def _sections(path: str) -> list[list[str]]:
    sections: list[list[str]] = [[]]
    is_start, position = True, 0
    while True:
        match = _COMPONENT.match(path, position)
        assert match is not None
        raw, end = match.groups()
        if _BEYOND.match(raw) or (is_start and path.startswith("..", position)):
            raise UnknownSyntaxError
        if raw != "@this":
            sections[-1].append(raw)
        is_start = raw == "@this" or end == "|"
        if is_start:
            sections.append([])
        if not end:
            return sections
        position = match.end()


def _hits(value: object, components: list[str]) -> Iterator[object]:
    """All values that the components lead to, in the document's order."""
    if not components:
        yield value
        return
    raw, rest = components[0], components[1:]
    if isinstance(value, list):
        if "\\" in raw or raw.startswith("#"):
            raise UnknownSyntaxError
        if re.fullmatch("[0-9]+", raw, re.ASCII) and int(raw) < len(value):
            yield from _hits(value[int(raw)], rest)
    elif isinstance(value, dict):
        for name, member in value.items():
            if _is_named(name, raw):
                yield from _hits(member, rest)


def _is_named(name: str, raw: str) -> bool:
    plain = re.sub(r"\\(.?)", r"\1", raw, flags=re.DOTALL)
    if not re.search(r"[*?]", re.sub(r"\\.", "", raw, flags=re.DOTALL)):
        return name == plain
    if re.search(r"\\[*?\\]", raw):
        # Versions of gjson differ on whether such a wildcard still is one.
        raise UnknownSyntaxError
    return _matches(name, plain)


def _matches(name: str, pattern: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return _matches(name, pattern[1:]) or (bool(name) and _matches(name[1:], pattern))
    return bool(name) and pattern[0] in ("?", name[0]) and _matches(name[1:], pattern[1:])


def _text(value: object) -> str:
    """A string as it is; what is none as JSON, and a null as nothing: only strings are kept byte for byte."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
