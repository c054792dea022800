"""Resolves an ExternalSecret's reference as External Secrets Operator does: to a remote name, then to a value.

Of a property's path only names with dots between them are followed, by gjson's documented syntax
(https://github.com/tidwall/gjson/blob/master/SYNTAX.md), not its code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

from compiler.model.provider import Provider, UnprovenReferenceError
from compiler.stores.interface import RemoteSecret
from compiler.stores.secret_value.document import object_members, write_object
from compiler.stores.secret_value.secret import JsonKind, SecretValue
from compiler.text.wording import quoted

# Names of these characters mean the same to gjson and to a look-up by name.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# Names with dots between them. A backslash takes the next character as it is; other signs are syntax to gjson.
_NAME = r"(?:[^\\.|*?#@!{\[]|\\.)+"
_NAMES, _PATH = re.compile(_NAME, re.DOTALL), re.compile(rf"{_NAME}(?:\.{_NAME})*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# Of the name of a Secret's key, in bytes.
_LONGEST = 253


class Absence(Enum):
    """Why there is no value although the remote secret was read."""

    NO_PROPERTY = "no-property"
    NOT_JSON = "not-json"


class UnextractedError(Exception):
    """The operator refuses to make a bundle of the remote secret, whichever keys are wanted. The text says why."""


def resolve(
    provider: Provider, remote: RemoteSecret, wanted: str | None, *, by_name: bool = False
) -> SecretValue | Absence:
    """The value that the operator writes for the property `wanted`; None means the whole value.

    `by_name` is how a template finds it in what is `extracted`: by the property's name only. The operator looks a
    path up with gjson: after a look-up by name, or before one that takes dots as part of a name.
    Raises UnprovenReferenceError.
    """
    if wanted is None:
        return remote.whole if remote.whole is not None else _document(provider, remote)
    if not remote.is_object:
        return Absence.NOT_JSON
    named = remote.properties.get(wanted)
    if by_name or _PLAIN.fullmatch(wanted) or (provider.by_name_first and named is not None):
        return named if named is not None else Absence.NO_PROPERTY
    found = _find(remote.properties, wanted)
    if found is None and not provider.by_name_first and "." in wanted:
        # The operator's second try: every dot is part of a name.
        found = _find(remote.properties, wanted.replace(".", "\\."))
    return found if found is not None else Absence.NO_PROPERTY


def _find(properties: Mapping[str, SecretValue], path: str) -> SecretValue | None:
    """The value at a path of names; a null is a value too. Raises UnprovenReferenceError for any other gjson."""
    if not _PATH.fullmatch(path):
        raise UnprovenReferenceError("its property uses gjson syntax that this program does not evaluate")
    *above, last = (_ESCAPED.sub(r"\1", name) for name in _NAMES.findall(path))
    members = properties
    for name in above:
        found = members.get(name)
        if found is None:
            return None
        if found.kind is JsonKind.ARRAY:
            raise UnprovenReferenceError("its property leads into a list, which this program does not evaluate")
        members = object_members(found)
    return members.get(last)


def extracted(remote: RemoteSecret) -> RemoteSecret:
    """What `dataFrom.extract` makes of it: in a property's name, what no Secret's key can have becomes `_`.

    Raises UnextractedError where the operator then refuses all of it, whichever keys are wanted.
    """
    found: dict[str, SecretValue] = {}
    names: dict[str, str] = {}
    for name, value in remote.properties.items():
        key = "".join(each if each in "-._" or unicodedata.category(each)[0] in "LN" else "_" for each in name)
        if key in found:
            raise UnextractedError(f"its properties {quoted(names[key])} and {quoted(name)} become one key")
        if len(key.encode()) > _LONGEST:
            raise UnextractedError(f"the name of a property is longer than {_LONGEST} bytes")
        found[key], names[key] = value, name
    return replace(remote, properties=found)


def _document(provider: Provider, remote: RemoteSecret) -> SecretValue:
    # What the operator serialises again has sorted names.
    ordered = sorted(remote.properties) if provider.sorts_names else list(remote.properties)
    return SecretValue(write_object({name: remote.properties[name] for name in ordered}), JsonKind.OBJECT)
