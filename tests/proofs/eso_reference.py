"""What External Secrets Operator gives a pod: a reference and a store's raw answer in, the value out.

The tests' own reading of how the operator resolves references and of gjson's syntax page. It shares no code with the
compiler, whose answers it is compared with.
"""

import json
from typing import Final

# Anything but a name, a dot, or what a backslash makes part of a name.
_BEYOND: Final = "|*?#@!{["


class UnknownSyntaxError(Exception):
    """Wildcards, pipes, lists, queries and the like: what they give is not claimed to be known."""


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
        return as_text(dict(sorted(data.items())))
    if wanted in data:
        return as_text(data[wanted])
    return as_text(gjson(json.dumps(data, sort_keys=True), wanted))


def of_key_vault(value: str, wanted: str | None) -> str:
    """Paths come first; where one with dots leads nowhere, each dot is tried as part of a name."""
    if wanted is None:
        return value
    try:
        return as_text(gjson(value, wanted))
    except NotThereError:
        if "." not in wanted:
            raise
    return as_text(gjson(value, wanted.replace(".", r"\.")))


def gjson(document: str, path: str) -> object:
    """What gjson.Get finds at names with dots between them; NotThereError where its result does not exist."""
    names, characters = [""], iter(path)
    for each in characters:
        if each == ".":
            names.append("")
        elif each in _BEYOND:
            raise UnknownSyntaxError
        else:
            # A backslash at the end escapes nothing.
            names[-1] += next(characters, "\0") if each == "\\" else each
    if "" in names or names[-1].endswith("\0"):
        raise UnknownSyntaxError
    found: object = json.loads(document)
    for name in names:
        if isinstance(found, list):
            raise UnknownSyntaxError
        if not isinstance(found, dict) or name not in found:
            raise NotThereError
        found = found[name]
    return found


def as_text(value: object) -> str:
    """A string as it is; what is none as JSON, and a null as nothing: only strings are kept byte for byte."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
