"""Reads ExternalSecrets of the operator, v1 and v1beta1, and refuses by line what the chart does not make.

A template is followed only where it renames keys: any other text in one may be a value, and is never shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from compiler.imports.found import (
    CLUSTER_STORE,
    LEAVE,
    OWN_STORE,
    FoundKey,
    FoundObject,
    FoundSecret,
    Reason,
    SourceStore,
    departures,
    items_of,
    place_of,
    provider_in,
    settings_of,
    texts_of,
)
from compiler.model.document import Node, Span
from compiler.model.facts import parse_duration
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import quoted

GROUP, GENERATORS = "external-secrets.io", "generators.external-secrets.io"
STORES = (CLUSTER_STORE, OWN_STORE)
_SPEC, _TARGET, _TEMPLATE = ("spec",), ("spec", "target"), ("spec", "target", "template")
# What the chart's ExternalSecret has there, or means the same; anything else is refused.
_ONLY: Mapping[tuple[str, ...], tuple[object, ...]] = {
    (*_SPEC, "refreshPolicy"): ("Periodic",),
    (*_TARGET, "creationPolicy"): ("Owner", "Orphan"),
    (*_TARGET, "immutable"): (False,),
    (*_TARGET, "manifest", "kind"): ("Secret",),
    (*_TEMPLATE, "type"): ("Opaque",),
    (*_TEMPLATE, "engineVersion"): ("v2",),
    (*_TEMPLATE, "mergePolicy"): ("Replace",),
    (*_TEMPLATE, "templateFrom"): (),
}
_ONLY_OF_REFERENCE: Mapping[tuple[str, ...], tuple[object, ...]] = {
    ("version",): (),
    ("decodingStrategy",): ("None",),
    ("metadataPolicy",): ("None",),
}
# `{{ .name }}`, which gives a key another name and no other value.
_RENAMED = re.compile(r"\{\{-?\s*\.([A-Za-z0-9_]+)\s*(?:\|\s*toString\s*)?-?\}\}")
_UNSUPPORTED = {
    "ClusterExternalSecret": "list the secret in each environment, with its namespace",
    "PushSecret": "it writes to a store, which `put` and `migrate` do",
    "ClusterPushSecret": "it writes to a store, which `put` and `migrate` do",
}

# The names of the keys that a Secret has in the cluster, by its namespace and name; a reason where they are unknown.
KeyNames = Callable[[str, str, Span], "frozenset[str] | Reason"]


@dataclass(slots=True)
class StoreObjects:
    """The stores that objects name: those among the manifests, those of the environment, and those of `--store`."""

    known: Mapping[tuple[str, str], SourceStore]
    found: dict[tuple[str, str, str], SourceStore | Reason] = field(default_factory=dict)

    def take(self, document: Node, namespace: str) -> None:
        """Add a ClusterSecretStore or SecretStore."""
        kind, name = document.text("kind") or "", document.text("metadata", "name") or ""
        fields, at = document.nearest("spec", "provider"), document.nearest("metadata", "name").span
        provider = provider_in(fields)
        found: SourceStore | Reason
        if provider is None:
            known = ", ".join(each.title for each in PROVIDERS.values())
            found = Reason(fields.span, f"the store {quoted(name)} is of another provider", f"supported are {known}")
        else:
            plain = fields.nearest(provider.id).plain_data()
            written = plain if isinstance(plain, dict) else {}
            version = provider.read_spec(written).version
            found = SourceStore(kind, name, provider, settings_of(provider, written), at)
            if version not in (None, "v2"):
                line = fields.nearest(provider.id, "version").span
                found = Reason(line, f"the store {quoted(name)} has version 1 of the KV engine", "upgrade the engine")
        self.found[kind, _scope(kind, namespace), name] = found

    def named(self, reference: Node, namespace: str) -> SourceStore | Reason:
        kind, name = reference.text("kind") or OWN_STORE, reference.text("name") or ""
        own, known = self.found.get((kind, _scope(kind, namespace), name)), self.known.get((kind, name))
        found = own or known or self.known.get(("", name))
        if isinstance(found, Reason):
            return found._replace(at=reference.nearest("name").span)
        if found is None:
            message = f"its store {quoted(name)} is not among what was read"
            return Reason(reference.span, message, "add the store's manifest, or give --store NAME=PROVIDER")
        return found if own is not None else SourceStore(kind, name, found.provider, found.settings, found.at)


def _scope(kind: str, namespace: str) -> str:
    return namespace if kind == OWN_STORE else ""


def is_store(document: Node) -> bool:
    return document.text("kind") in STORES and _group(document) == GROUP


def is_of_operator(document: Node) -> bool:
    return _group(document) in (GROUP, GENERATORS) and document.text("kind") not in STORES


def _group(document: Node) -> str:
    return (document.text("apiVersion") or "").partition("/")[0]


def read_external_secret(document: Node, namespace: str, stores: StoreObjects, key_names: KeyNames) -> FoundObject:
    """An ExternalSecret, or an object of the operator that is refused as such."""
    kind, name = document.text("kind") or "", document.text("metadata", "name") or ""
    at = document.nearest("metadata", "name").span
    bare = FoundObject(kind, namespace, name, at)
    if kind != "ExternalSecret":
        kind_at = document.nearest("kind").span
        return bare.refused(Reason(kind_at, "it is not an ExternalSecret", _UNSUPPORTED.get(kind, LEAVE)))
    target = document.text(*_TARGET, "name") or name
    reasons = [*departures(document, _ONLY)]
    references, found = _references(document, namespace, stores)
    reasons += found
    keys, found = _keys(document, references, lambda: key_names(namespace, target, at))
    reasons += found
    if len({each.store for each in keys}) > 1:
        reasons.append(Reason(at, "its keys are in several stores", "make a Secret for each of them"))
    refresh = document.get(*_SPEC, "refreshInterval")
    if refresh is not None and parse_duration(str(refresh.value)) is None:
        reasons.append(Reason(refresh.span, "its `refreshInterval` never reads a value again", LEAVE))
    template = document.get(*_TEMPLATE, "metadata")
    secret = FoundSecret(
        namespace,
        target,
        tuple(keys),
        at,
        texts_of(template.get("labels") if template is not None else None),
        texts_of(template.get("annotations") if template is not None else None),
        str(refresh.value) if refresh is not None else None,
    )
    return FoundObject(kind, namespace, name, at, (secret,), tuple(reasons))


# What an ExternalSecret reads by name, and the whole remote secrets that it takes apart.
_References = tuple[dict[str, FoundKey], list[FoundKey]]


def _references(document: Node, namespace: str, stores: StoreObjects) -> tuple[_References, list[Reason]]:
    reasons: list[Reason] = []
    data: dict[str, FoundKey] = {}
    extracts: list[FoundKey] = []
    for item in items_of(document, *_SPEC, "data"):
        key, remote = item.text("secretKey"), item.nearest("remoteRef")
        found = _reference(document, item, remote, namespace, stores)
        if not key or key in data:
            reasons.append(Reason(item.nearest("secretKey").span, "a key has no name, or the same name as another"))
        elif isinstance(found, list):
            reasons += found
        else:
            data[key] = found._replace(name=key)
    for item in items_of(document, *_SPEC, "dataFrom"):
        extract = item.get("extract")
        if extract is None or item.get("rewrite") is not None:
            forms = [form for form in ("find", "rewrite", "sourceRef") if item.get(form) is not None]
            message = f"`dataFrom` with `{forms[0] if forms else 'extract'}` is not supported"
            reasons.append(Reason(item.span, message, "name each key under `data`"))
            continue
        found = _reference(document, item, extract, namespace, stores)
        if isinstance(found, list):
            reasons += found
        else:
            extracts.append(found)
    return (data, extracts), reasons


def _reference(
    document: Node, item: Node, remote: Node, namespace: str, stores: StoreObjects
) -> FoundKey | list[Reason]:
    reasons = [*departures(remote, _ONLY_OF_REFERENCE)]
    generator = item.get("sourceRef", "generatorRef")
    if generator is not None:
        return [Reason(generator.key_span, "generators are not supported", LEAVE)]
    named = item.get("sourceRef", "storeRef") or document.get(*_SPEC, "secretStoreRef")
    key = remote.text("key")
    if named is None or key is None:
        return [*reasons, Reason(item.span, "it lacks a store or a remote key")]
    store = stores.named(named, namespace)
    if isinstance(store, Reason):
        return [*reasons, store]
    place = place_of(store, key, remote.nearest("key").span)
    if isinstance(place, Reason):
        return [*reasons, place]
    return reasons or FoundKey("", *place, remote.text("property"), remote.nearest("key").span)


def _keys(
    document: Node, references: _References, names: Callable[[], frozenset[str] | Reason]
) -> tuple[list[FoundKey], list[Reason]]:
    template, (data, extracts) = document.get(*_TEMPLATE, "data"), references
    if template is not None:
        return _renamed(template, references)
    keys = [*data.values()]
    if not extracts:
        return keys, []
    if len(extracts) > 1:
        return keys, [Reason(extracts[1].at, "`dataFrom` has several sources", LEAVE)]
    known = names()
    if isinstance(known, Reason):
        return keys, [known._replace(at=extracts[0].at)]
    return [*keys, *(extracts[0]._replace(name=name, property=name) for name in sorted(known - data.keys()))], []


def _renamed(template: Node, references: _References) -> tuple[list[FoundKey], list[Reason]]:
    keys: list[FoundKey] = []
    reasons: list[Reason] = []
    data, extracts = references
    for name, node in template.children.items():
        renamed = _RENAMED.fullmatch(node.value.strip()) if isinstance(node.value, str) else None
        if renamed is None:
            message = f"the template writes text of its own into {quoted(name)}"
            reasons.append(Reason(node.key_span, message, "store the finished text as one value"))
        elif renamed[1] in data:
            keys.append(data[renamed[1]]._replace(name=name))
        elif len(extracts) == 1:
            keys.append(extracts[0]._replace(name=name, property=renamed[1]))
        else:
            reasons.append(Reason(node.key_span, f"nothing is read for the template's {quoted(name)}"))
    return keys, reasons
