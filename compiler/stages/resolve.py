"""Resolves a merged tree with the catalogue into an environment: the store of each secret, the place of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.address import DEFAULT_MOUNT
from compiler.model.catalogue import AZURE_KEY_VAULT, PROVIDERS, Catalogue, Entry
from compiler.model.duration import Duration, parse_duration
from compiler.model.environment import PER_KEY, Environment, Secret, SecretKey, Store
from compiler.model.limits import MAX_BYTES, MAX_RESOLVED, most_values
from compiler.model.part_of import PART_OF
from compiler.model.place import place_in, remote_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.document import Document, Node

_DEFAULT_KIND = "ClusterSecretStore"
_TEXTS = frozenset({"labels", "annotations", "secretLabels", "secretAnnotations"})
# Its name, its store and the like.
_VALUES_A_SECRET = 10


class Resolver:
    """Resolves the environments of one run. What many of them say alike is resolved once: durations and places."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._durations: dict[str, Duration | None] = {}
        self._keys: dict[tuple[object, ...], tuple[SecretKey, ...]] = {}
        self._left = MAX_RESOLVED

    def excess(self, root: Node) -> tuple[str, str] | None:
        """What is too much in the environment of `root`, worded to follow its name, and a way out; None for most.

        Asked before anything is built: 3,000 annotations of 3,000 secrets are half a megabyte of input, and gigabytes
        of values.
        """
        count = self._count(root)
        self._left -= count
        if count > (most := most_values(MAX_BYTES)):
            return f"has more than {most} labels, annotations and keys in all of its secrets", "split it into several"
        if self._left < 0:
            what = f"and the environments before it have more than {MAX_RESOLVED} labels, annotations and keys"
            return what, "name fewer environments on the command line, or split the project"
        return None

    def _count(self, root: Node) -> int:
        """How many values the environment's secrets have, those that they share counted for each."""
        shared = {name: root.children[name].children for name in _TEXTS if name in root.children}
        # `labels` are the Secret's too.
        shared_count = sum(len(texts) * (1 + (name == "labels")) for name, texts in shared.items())
        count = 0
        for secret_id, node in _maps(root.get("secrets")):
            entry, enabled = self._catalogue.entries.get(secret_id), node.children.get("enabled")
            if entry is None or (enabled is not None and enabled.value is False):
                continue
            count += _VALUES_A_SECRET + shared_count + len(entry.keys)
            for name in _TEXTS & node.children.keys():
                known = shared.get(name, {})
                own = sum(text not in known for text in node.children[name].children)
                count += own * (1 + (name == "labels"))
        return count

    def environment(self, name: str, root: Node, layers: Sequence[Document]) -> Environment:
        """The environment `name`, as far as `root` allows: unknown secrets are left out, unknown stores are None."""
        stores = {store_id: store_of(store_id, node, name) for store_id, node in _maps(root.get("stores"))}
        shared, listed = _Shared(root), root.get("secrets")
        secrets: dict[str, Secret] = {}
        disabled: list[str] = []
        for secret_id, node in _maps(listed):
            enabled = node.children.get("enabled")
            if enabled is not None and enabled.value is False:
                disabled.append(secret_id)
            elif secret_id in self._catalogue.entries:
                entry = self._catalogue.entries[secret_id]
                secrets[secret_id] = self._secret(entry, node, shared, stores, listed)
        return Environment(
            name=name,
            root=root,
            layers=tuple(layers),
            catalogue=self._catalogue,
            stores=stores,
            default_store=stores.get(root.text("store") or ""),
            secrets=secrets,
            disabled=tuple(disabled),
            operator=root.text("externalSecretsOperator"),
            part_of=root.text("partOf") or PART_OF,
            subchart=root.text("subchart"),
            damaged=any(layer.damaged for layer in layers) or self._catalogue.document.damaged,
        )

    def _secret(
        self, entry: Entry, node: Node, shared: _Shared, stores: Mapping[str, Store], listed: Node | None
    ) -> Secret:
        own = node.children
        store_node = own.get("store") or shared.store
        store = stores.get(_text(store_node) or "")
        refresh_node = own.get("refreshInterval") or shared.refresh
        variants = self._variants(entry, own.get("use"))
        remote = remote_of(entry, store.provider, node) if store is not None else None
        labels = _over(shared.labels, own.get("labels"))
        return Secret(
            id=entry.id,
            entry=entry,
            store=store,
            store_node=store_node,
            namespace=_text(own.get("namespace") or shared.namespace),
            refresh=self._duration(_text(refresh_node)),
            refresh_node=refresh_node,
            fetch=_text(own.get("fetch") or shared.fetch) or PER_KEY,
            remote=store.prefix + remote if store is not None and remote is not None else None,
            labels=labels,
            annotations=_over(shared.annotations, own.get("annotations")),
            secret_labels=_joined(labels, _over(shared.secret_labels, own.get("secretLabels"))),
            secret_annotations=_over(shared.secret_annotations, own.get("secretAnnotations")),
            variants=variants,
            keys=self._secret_keys(entry, variants, store, remote, listed) if store is not None else (),
            node=node,
        )

    @staticmethod
    def _variants(entry: Entry, use: Node | None) -> tuple[str, ...]:
        if use is not None:
            return tuple(
                item.value for item in use.items if isinstance(item.value, str) and item.value in entry.variants
            )
        return entry.variants if entry.default_variants is None else entry.default_variants

    def _secret_keys(
        self, entry: Entry, variants: tuple[str, ...], store: Store, remote: str | None, listed: Node | None
    ) -> tuple[SecretKey, ...]:
        cached: tuple[object, ...] = (entry.id, variants, store.provider, remote, store.prefix)
        of_origins: dict[str, tuple[str, ...]] = {}
        for origin in self._catalogue.origins.get(entry.id, ()):
            said = listed.children.get(origin.id) if listed is not None else None
            of_origins[origin.id] = self._variants(origin, said.children.get("use") if said is not None else None)
            cached += (of_origins[origin.id], remote_of(origin, store.provider, said))
        keys = self._keys.get(cached)
        if keys is None:
            keys = self._keys[cached] = tuple(
                SecretKey(key, place_in(store, entry, key, listed)) for key in entry.keys_of(variants, of_origins)
            )
        return keys

    def _duration(self, text: str | None) -> Duration | None:
        if text is None:
            return None
        if text not in self._durations:
            self._durations[text] = parse_duration(text)
        return self._durations[text]


class _Shared:
    """What an environment says for all its secrets."""

    __slots__ = (
        "annotations",
        "fetch",
        "labels",
        "namespace",
        "refresh",
        "secret_annotations",
        "secret_labels",
        "store",
    )

    def __init__(self, root: Node) -> None:
        top = root.children
        self.store = top.get("store")
        self.namespace = top.get("namespace")
        self.refresh = top.get("refreshInterval")
        self.fetch = top.get("fetch")
        self.labels = _text_map(top.get("labels"))
        self.annotations = _text_map(top.get("annotations"))
        self.secret_labels = _text_map(top.get("secretLabels"))
        self.secret_annotations = _text_map(top.get("secretAnnotations"))


def store_of(store_id: str, node: Node, environment: str = "") -> Store:
    """The store that the merged mapping `node` describes; what it leaves out has its default or is None."""
    provider = node.text("provider") or ""
    is_key_vault = provider == AZURE_KEY_VAULT
    render = node.get("render")
    return Store(
        id=store_id,
        provider=provider if provider in PROVIDERS else "",
        name=node.text("name") or "",
        kind=node.text("kind") or _DEFAULT_KIND,
        prefix=node.text("prefix") or "",
        address=node.text("vaultUrl" if is_key_vault else "server"),
        mount="" if is_key_vault else node.text("mount") or DEFAULT_MOUNT,
        vault_namespace=None if is_key_vault else node.text("vaultNamespace"),
        rendered=render is not None and render.value is True,
        node=node,
        reachable_at=None if is_key_vault else node.text("reachableAt"),
        cluster_id=None if is_key_vault else node.text("clusterId"),
        environment=environment,
    )


def _maps(node: Node | None) -> list[tuple[str, Node]]:
    children = node.children if node is not None else {}
    return [(key, child) for key, child in children.items() if isinstance(child.value, dict)]


def _text(node: Node | None) -> str | None:
    return node.value if node is not None and isinstance(node.value, str) else None


def _over(shared: Mapping[str, str], own: Node | None) -> Mapping[str, str]:
    return shared if own is None else {**shared, **_text_map(own)}


def _joined(lower: Mapping[str, str], upper: Mapping[str, str]) -> Mapping[str, str]:
    return {**lower, **upper} if upper else lower


def _text_map(node: Node | None) -> dict[str, str]:
    if node is None:
        return {}
    return {key: child.value for key, child in node.children.items() if isinstance(child.value, str)}
