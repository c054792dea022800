"""Encodes a backup's values and manifest as the text to encrypt, and decodes and checks that text again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compiler.model.limits import has_more_values
from compiler.refusal import Refusal
from compiler.stores.values.document import NotAnObjectError, read_object, write_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.stores.values.secret import SecretValue

FORMAT = "platform-secrets backup"
# Raised when an older program could not restore the file correctly; a new field of the manifest raises it too.
VERSION = 1

# A name takes 0.1 KB in memory, and other JSON 0.1 KB for each of its values: `[],` is three bytes of a file.
_LONGEST_MANIFEST = 16 * 1024 * 1024
_MOST_VALUES = 1_000_000

# Secret id, key: both by the catalogue's names, so that any store can take the values.
KeyName = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Backup:
    """The values of one environment at one time (ISO 8601, UTC).

    `missing` are keys in use that could not be read when the backup was made.
    """

    environment: str
    time: str
    values: Mapping[KeyName, SecretValue]
    missing: tuple[KeyName, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(secret for secret, _ in self.values))


def encode(backup: Backup) -> bytes:
    """Two lines of JSON: the manifest, and one object of the values by `secret/KEY`; see docs/reference/backup.md."""
    ordered = sorted(backup.values)
    content = write_object({f"{secret}/{key}": backup.values[secret, key] for secret, key in ordered})
    body = content.encode("utf-8", "surrogatepass")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "environment": backup.environment,
        "time": backup.time,
        "secrets": _grouped(ordered),
        "missing": _grouped(sorted(backup.missing)),
        "counts": {"secrets": len(backup.secrets), "keys": len(ordered)},
        "digest": _digest(body),
    }
    return json.dumps(manifest).encode() + b"\n" + body + b"\n"


def decode(data: bytes) -> Backup:
    """The backup in `data`. Raises Refusal where a part does not fit the others."""
    head, _, rest = data.partition(b"\n")
    if len(head) > _LONGEST_MANIFEST:
        raise _unusable("its manifest is too large")
    manifest = _manifest(head)
    body = rest.removesuffix(b"\n")
    if manifest["digest"] != _digest(body):
        raise _unusable("its content does not match the digest in its manifest")
    values = _values(body)
    ordered = sorted(values)
    counts = {"secrets": len({secret for secret, _ in ordered}), "keys": len(ordered)}
    if manifest["secrets"] != _grouped(ordered) or manifest["counts"] != counts:
        raise _unusable("its manifest does not list the keys that it holds")
    missing = tuple((secret, key) for secret, keys in manifest["missing"].items() for key in keys)
    return Backup(manifest["environment"], manifest["time"], values, missing)


def _manifest(head: bytes) -> dict[str, Any]:
    try:
        text = _bounded(head.decode())
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _unusable("it is not a backup of platform-secrets")
    if manifest.get("version") != VERSION:
        raise _unusable(f"its format is not version {VERSION}, the only one that this program reads")
    fields = {"environment": str, "time": str, "secrets": dict, "missing": dict, "counts": dict, "digest": str}
    if manifest.keys() != fields.keys() | {"format", "version"} or not all(
        isinstance(manifest[name], kind) for name, kind in fields.items()
    ):
        raise _unusable("its manifest is damaged")
    for keys in (*manifest["secrets"].values(), *manifest["missing"].values()):
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise _unusable("its manifest is damaged")
    return manifest


def _values(body: bytes) -> dict[KeyName, SecretValue]:
    try:
        found = read_object(_bounded(body.decode("utf-8", "surrogatepass")))
    except (NotAnObjectError, UnicodeDecodeError):
        # Either error may hold the content.
        found = None
    if found is None:
        raise _unusable("its content is damaged")
    values: dict[KeyName, SecretValue] = {}
    for name, value in found.items():
        secret, slash, key = name.partition("/")
        if not (secret and slash and key and value.is_string):
            raise _unusable("its content is damaged")
        values[secret, key] = value
    return values


def _bounded(text: str) -> str:
    """The text itself. Raises Refusal where it has so many values that it is none that `encode` made."""
    if has_more_values(text, _MOST_VALUES):
        raise _unusable(f"it has more than {_MOST_VALUES} values")
    return text


def _grouped(names: list[KeyName]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for secret, key in names:
        grouped.setdefault(secret, []).append(key)
    return grouped


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _unusable(why: str) -> Refusal:
    return Refusal("cannot run", f"the backup cannot be used: {why}", "use another backup")
