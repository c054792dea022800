"""Reads ExternalSecrets of kubernetes-external-secrets (`kubernetes-client.io/v1`), which nobody maintains any more."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.imports.found import (
    FoundKey,
    FoundObject,
    FoundSecret,
    Reason,
    SourceStore,
    api_place_of,
    departures,
    items_of,
    texts_of,
    unnamed_store,
)
from compiler.model.document import Node
from compiler.stores.registry import provider_called

GROUP = "kubernetes-client.io"
_ONLY: Mapping[tuple[str, ...], tuple[object, ...]] = {
    ("type",): ("Opaque",),
    ("kvVersion",): ("2",),
    ("dataFrom",): (),
    ("dataFromWithOptions",): (),
    **{("template", member): () for member in ("type", "data", "stringData")},
}
_ONLY_OF_ITEM: Mapping[tuple[str, ...], tuple[object, ...]] = {
    ("version",): (),
    ("isBinary",): (False,),
    ("path",): (),
    ("recursive",): (False,),
}


def read_kubernetes_external_secret(document: Node, namespace: str, named: Mapping[str, SourceStore]) -> FoundObject:
    """One of them, also in the older form with `secretDescriptor`. `named` are stores by the names of their objects."""
    name = document.nearest("metadata", "name")
    bare = FoundObject("ExternalSecret", namespace, document.text("metadata", "name") or "", name.span)
    spec = document.nearest("spec" if document.get("spec") is not None else "secretDescriptor")
    provider = provider_called(spec.text("backendType") or "")
    if provider is None:
        return bare.refused(Reason(spec.nearest("backendType").span, "its back end is not supported"))
    vault = spec.text("keyVaultName")
    settings = {provider.address: provider.url_of(vault, lambda _: None)} if vault and not provider.has_mounts else {}
    store = unnamed_store(provider, settings, named, spec.nearest("backendType").span)
    reasons, keys = [*departures(spec, _ONLY)], list[FoundKey]()
    for item in items_of(spec, "data"):
        reasons += departures(item, _ONLY_OF_ITEM)
        key, at = item.text("name"), item.nearest("key").span
        place = api_place_of(store, item.text("key") or "", at)
        if isinstance(place, Reason):
            reasons.append(place)
        elif not key:
            reasons.append(Reason(item.span, "a key has no `name`", "write it beside `key`"))
        else:
            keys.append(FoundKey(key, *place, item.text("property"), at))
    labels = texts_of(spec.get("template", "metadata", "labels"))
    annotations = texts_of(spec.get("template", "metadata", "annotations"))
    secret = FoundSecret(namespace, bare.name, tuple(keys), name.span, labels, annotations)
    return FoundObject(bare.kind, namespace, bare.name, bare.at, (secret,), tuple(reasons))
