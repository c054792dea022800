"""Reads the stores that found keys are read from: those of manifests, of the environment, and of `--store`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from compiler.model.document import Node, Span
from compiler.model.provider import Provider
from compiler.rules.api import Finding
from compiler.rules.unused_setting import RENDERED_ONLY
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import quote

OPERATOR = "external-secrets.io"
# A setting of a store; the pairs of a map.
Setting = str | bool | tuple[tuple[str, str], ...]
STORE_OPTION = "--store"
CLUSTER_STORE, OWN_STORE = "ClusterSecretStore", "SecretStore"
STORES = (CLUSTER_STORE, OWN_STORE)


@dataclass(frozen=True, slots=True)
class SourceStore:
    """A store that found keys are read from; equal for all that lead to one."""

    kind: str  # empty for a store of `--store`
    name: str  # of its object; empty for a form that names none
    provider: Provider
    # Those of an environment's store, as far as they are found; Vault's mount where a path says it.
    settings: tuple[tuple[str, Setting], ...] = ()
    at: Span | None = field(default=None, compare=False)

    @property
    def address(self) -> str | None:
        return self.text(self.provider.address)

    def text(self, name: str) -> str | None:
        """That setting, where it is a text."""
        found = dict(self.settings).get(name)
        return found if isinstance(found, str) else None

    def with_setting(self, name: str, value: str) -> SourceStore:
        return replace(self, settings=tuple({**dict(self.settings), name: value}.items()))


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores that objects name."""

    known: Mapping[tuple[str, str], SourceStore]  # those of the environment and `--store`, by kind and name
    found: dict[tuple[str, str, str], SourceStore | Finding] = field(default_factory=dict)  # those among the manifests

    def take(self, document: Node, namespace: str) -> None:
        """Add the document, where it is a ClusterSecretStore or SecretStore."""
        kind = document.text("kind") or ""
        if kind not in STORES or group_of(document) != OPERATOR:
            return
        name = document.text("metadata", "name") or ""
        fields, at = document.nearest("spec", "provider"), document.nearest("metadata", "name").span
        provider = next((each for each in PROVIDERS.values() if each.id in fields.children), None)
        found: SourceStore | Finding
        if provider is None:
            known = ", ".join(each.title for each in PROVIDERS.values())
            found = Finding(f"the store {quote(name)} is of another provider", fields.span, f"supported are {known}")
        else:
            written = {key: each.plain_data() for key, each in fields.members_at(provider.id).items()}
            found = SourceStore(kind, name, provider, _settings_of(provider, written), at)
            if provider.read_spec(written).version not in (None, "v2"):
                line = fields.nearest(provider.id, "version").span
                found = Finding(f"the store {quote(name)} has version 1 of the KV engine", line, "upgrade the engine")
        self.found[kind, namespace if kind == OWN_STORE else "", name] = found

    def store_named(self, reference: Node, namespace: str) -> SourceStore | Finding:
        """The store that a reference names."""
        kind, name = reference.text("kind") or OWN_STORE, reference.text("name") or ""
        own = self.found.get((kind, namespace if kind == OWN_STORE else "", name))
        found = own or self.known.get((kind, name)) or self.known.get(("", name))
        if isinstance(found, Finding):
            return found._replace(at=reference.nearest("name").span)
        if found is None:
            message = f"its store {quote(name)} is not among what was read"
            lines = (f"`{STORE_OPTION} {name}={each.id} {each.option} URL`" for each in PROVIDERS.values())
            return Finding(message, reference.span, f"add the store's manifest, or {' or '.join(lines)}")
        return found if own is not None else replace(found, kind=kind, name=name)

    def default_store(self, provider: Provider, settings: Mapping[str, str], at: Span) -> SourceStore:
        """The store of a form that names no object of the operator: the one of `--store`, where that has one."""
        given = next((each for (kind, _), each in self.known.items() if not kind and each.provider is provider), None)
        address = [(key, text) for key, text in given.settings if key == provider.address] if given is not None else []
        every = tuple((dict(address) | dict(settings)).items())
        return SourceStore(CLUSTER_STORE, given.name if given is not None else "", provider, every, at)


def group_of(document: Node) -> str:
    return (document.text("apiVersion") or "").partition("/")[0]


def setting_of(data: object) -> Setting | None:
    """What was read, as a setting."""
    if isinstance(data, Mapping):
        return tuple((name, text) for name, text in data.items() if isinstance(text, str))
    return data if isinstance(data, str | bool) else None


def _settings_of(provider: Provider, fields: Mapping[str, Any]) -> tuple[tuple[str, Setting], ...]:
    """The settings of an environment's store that the operator's fields of one mean, where it is not rendered."""
    spec = provider.read_spec(fields)
    found: dict[str, Setting | None] = {provider.address: spec.url.rstrip("/") if spec.url else None}
    if provider.has_mounts:
        found |= {"mount": spec.mount.strip("/") if spec.mount else None, "vaultNamespace": spec.namespace}
    found |= {name: setting_of(fields[name]) for name in provider.others if name in fields.keys() - RENDERED_ONLY}
    return tuple((name, value) for name, value in found.items() if value)
