"""Defines what an import finds: objects that make Secrets, each taken whole or refused, and the stores they read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from compiler.model.document import Node, Span
from compiler.model.provider import InvalidReferenceError, Provider, UnprovenReferenceError
from compiler.rules.api import Finding
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import quoted

CLUSTER_STORE, OWN_STORE = "ClusterSecretStore", "SecretStore"
LEAVE = "leave the object as it is, and list its Secret under `madeElsewhere` of the environment"
_WORD = re.compile(r"[A-Za-z0-9]{1,24}")


class Reason(NamedTuple):
    """Why an object is not taken, with the line that decides, and the way out."""

    at: Span
    message: str
    help: str | None = None


@dataclass(frozen=True, slots=True)
class SourceStore:
    """A store that found keys are read from; equal for all that lead to one.

    `name` is that of its object, empty for a form that names none. `settings` are those of an environment's store, as
    far as they are found: for Vault the mount too, where a path says it.
    """

    kind: str
    name: str
    provider: Provider
    settings: tuple[tuple[str, str], ...] = ()
    at: Span | None = field(default=None, compare=False)

    def with_setting(self, name: str, value: str) -> SourceStore:
        settings = tuple({**dict(self.settings), name: value}.items())
        return SourceStore(self.kind, self.name, self.provider, settings, self.at)


class FoundKey(NamedTuple):
    """A key of a Secret and its place; `remote_key` is without the mount, and a property of None means the whole."""

    name: str
    store: SourceStore
    remote_key: str
    property: str | None
    at: Span


@dataclass(frozen=True, slots=True, eq=False)
class FoundSecret:
    """A Secret that an object makes. `refresh` is how often its values are read again, None where that is not said."""

    namespace: str
    name: str
    keys: tuple[FoundKey, ...]
    at: Span
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    refresh: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FoundObject:
    """An object that an import understands, or refuses for its `reasons`; with one of them, none of it is taken.

    `counted` is how many keys its Secrets get by the reader of `consumers`, None where nothing names them.
    """

    kind: str
    namespace: str
    name: str
    at: Span
    secrets: tuple[FoundSecret, ...] = ()
    reasons: tuple[Reason, ...] = ()
    counted: int | None = None

    @property
    def title(self) -> str:
        return f"{self.kind} {quoted(self.name)}"

    def finding(self, reason: Reason) -> Finding:
        return Finding(f"{self.title} is refused: {reason.message}", reason.at, help=reason.help, brief=True)

    def refused(self, *reasons: Reason) -> FoundObject:
        """The same object, not taken for these reasons too."""
        return replace(self, reasons=(*self.reasons, *reasons))


def place_of(store: SourceStore, key: str, at: Span) -> tuple[SourceStore, str] | Reason:
    """The store and the name that the operator asks it for; a Vault without a mount has it in front of the key."""
    mount = dict(store.settings).get("mount", "")
    if store.provider.has_mounts and not mount:
        mount, slash, key = key.partition("/data/") if "/data/" in key else key.partition("/")
        if not slash:
            return Reason(at, "its key has no mount in front, and the store has no `path`")
        return store.with_setting("mount", mount), key
    try:
        name = store.provider.asked_name(mount, key)
        # `/team/db` is the path `team/db`; a name without paths keeps its capitals.
        return store, store.provider.remote_name(name) if store.provider.has_paths else name
    except (InvalidReferenceError, UnprovenReferenceError) as error:
        return Reason(at, str(error))


def api_place_of(store: SourceStore, path: str, at: Span) -> tuple[SourceStore, str] | Reason:
    """The same of a path of Vault's API, `MOUNT/data/NAME`, or of the name of a Key Vault's secret."""
    path = path.strip("/")
    if store.provider.has_mounts and "/data/" not in path:
        return Reason(
            at, f"{quoted(path)} is not a path of version 2 of the KV engine", "only MOUNT/data/NAME is supported"
        )
    return place_of(store, path, at)


def unnamed_store(
    provider: Provider, settings: Mapping[str, str], named: Mapping[str, SourceStore], at: Span
) -> SourceStore:
    """The store of a form that names no object of the operator: the one of `--store` of that provider, where given."""
    name, given = next(((key, each) for key, each in named.items() if each.provider is provider), ("", None))
    known = {key: text for key, text in given.settings if key == provider.address} if given is not None else {}
    return SourceStore(CLUSTER_STORE, name, provider, tuple((known | dict(settings)).items()), at)


def departures(node: Node, only: Mapping[tuple[str, ...], tuple[object, ...]]) -> Iterator[Reason]:
    """What `node` says at the paths of `only` and is not among the values allowed there."""
    for path, allowed in only.items():
        found = node.get(*path)
        if found is None or found.value in (None, *allowed):
            continue
        # A word of a closed set; any other text may be anything.
        is_word = isinstance(found.value, str) and _WORD.fullmatch(found.value)
        shown = f": {found.value}" if is_word and allowed else ""
        words = path[1:] if path[0] == "spec" else path
        yield Reason(found.key_span, f"`{'.'.join(words)}{shown}` is not supported", LEAVE)


def settings_of(provider: Provider, fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The settings of an environment's store that the operator's fields of one mean."""
    spec = provider.read_spec(fields)
    found = {provider.address: spec.url.rstrip("/") if spec.url else None}
    if provider.has_mounts:
        found |= {"mount": spec.mount.strip("/") if spec.mount else None, "vaultNamespace": spec.namespace}
    found |= {name: text for name in provider.others if isinstance(text := fields.get(name), str)}
    return tuple((name, text) for name, text in found.items() if text)


def provider_in(fields: Node) -> Provider | None:
    """The provider of a store object, None for one that is not supported."""
    return next((each for each in PROVIDERS.values() if each.id in fields.children), None)


def texts_of(node: Node | None) -> dict[str, str]:
    """The texts of a map of labels or annotations."""
    return {key: child.value for key, child in (node.children if node else {}).items() if isinstance(child.value, str)}


def items_of(node: Node, *path: str) -> Iterator[Node]:
    found = node.get(*path)
    yield from found.items if found is not None else ()
