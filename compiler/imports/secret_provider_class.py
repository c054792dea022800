"""Reads SecretProviderClasses of the Secrets Store CSI driver: the Secrets that their `secretObjects` make.

`objects` is YAML in a text of its own, and for Azure each item of it is again. What pods mount as files alone makes no
Secret, and has no place in an environment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType

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
from compiler.model.document import Node, Span
from compiler.stages.load import load_manifests
from compiler.stores.registry import provider_called
from compiler.text.wording import quoted

GROUP = "secrets-store.csi.x-k8s.io"
# What of each object of the provider is known: its name, and the item itself.
_Items = Mapping[str, Node]


def read_secret_provider_class(document: Node, namespace: str, named: Mapping[str, SourceStore]) -> FoundObject:
    """A SecretProviderClass. `named` are stores by the names of their objects, which the class does not tell."""
    name = document.nearest("metadata", "name")
    bare = FoundObject("SecretProviderClass", namespace, document.text("metadata", "name") or "", name.span)
    provider = provider_called(document.text("spec", "provider") or "")
    if provider is None:
        return bare.refused(Reason(document.nearest("spec", "provider").span, "its provider is not supported"))
    made = [*items_of(document, "spec", "secretObjects")]
    if not made:
        help_text = "pods read it as files of a volume; add `secretObjects` to make a Secret of it"
        return bare.refused(Reason(name.span, "it has no `secretObjects`", help_text))
    csi, parameters = provider.load("csi"), document.nearest("spec", "parameters")
    store = unnamed_store(provider, csi.settings(texts_of(parameters)), named, parameters.span)
    items = {alias: item for item in _items(parameters) if (alias := _alias(item, csi)) is not None}
    secrets, reasons = list[FoundSecret](), list[Reason]()
    for each in made:
        secret, found = _secret(each, namespace, items, csi, store)
        secrets.append(secret)
        reasons += found
    return FoundObject(bare.kind, namespace, bare.name, bare.at, tuple(secrets), tuple(reasons))


def _items(parameters: Node) -> Iterator[Node]:
    """The objects of the provider, each with its place in the text; nothing of a text that is not YAML."""
    for root in _parsed(parameters.get("objects")):
        array = root.get("array")
        for item in (array if array is not None else root).items:
            yield from _parsed(item) if isinstance(item.value, str) else (item,)


def _parsed(node: Node | None) -> list[Node]:
    found: list[Node] = []
    if node is not None and isinstance(node.value, str):
        load_manifests(node.source.path, node.value, found.append)
    return found


def _alias(item: Node, csi: ModuleType) -> str | None:
    return next((text for name in csi.NAMES if (text := item.text(name))), None)


def _secret(
    made: Node, namespace: str, items: _Items, csi: ModuleType, store: SourceStore
) -> tuple[FoundSecret, list[Reason]]:
    reasons = [*departures(made, {("type",): ("Opaque",)})]
    keys: list[FoundKey] = []
    for data in items_of(made, "data"):
        key, wanted, at = data.text("key") or "", data.text("objectName") or "", data.nearest("objectName").span
        item = items.get(wanted)
        if item is None:
            reasons.append(Reason(at, f"`objects` has no {quoted(wanted)}"))
            continue
        # The item's own lines are those of a text in the text: the line that names it is shown.
        found = _key(key, item, csi, store, at)
        reasons += [found] if isinstance(found, Reason) else []
        keys += [found] if isinstance(found, FoundKey) else []
    labels, annotations = texts_of(made.get("labels")), texts_of(made.get("annotations"))
    at = made.nearest("secretName").span
    return FoundSecret(namespace, made.text("secretName") or "", tuple(keys), at, labels, annotations), reasons


def _key(name: str, item: Node, csi: ModuleType, store: SourceStore, at: Span) -> FoundKey | Reason:
    only: dict[tuple[str, ...], tuple[object, ...]] = {(member,): allowed for member, allowed in csi.ONLY.items()}
    for reason in departures(item, only):
        return reason._replace(at=at)
    place = api_place_of(store, item.text(csi.KEY) or "", at)
    if isinstance(place, Reason):
        return place
    wanted = item.text(csi.PROPERTY) if csi.PROPERTY is not None else None
    if csi.PROPERTY is not None and wanted is None:
        return Reason(at, f"its object has no `{csi.PROPERTY}`: it would be the whole reply of the API")
    return FoundKey(name, *place, wanted, at)
