"""Finds what reads or writes a store in the cluster.

A store object that may be the store counts as it, and so does one of its kind and name: whatever may read a remote
secret keeps it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from compiler.cluster.view import ClusterError, ClusterView
from compiler.live.readers import ReadIndex
from compiler.live.stores import LiveStores
from compiler.model.address import StoreIdentity, found_below, remote_places, written_identity
from compiler.model.environment import Environment, Store
from compiler.model.provider import unknown_provider
from compiler.refusal import Refusal
from compiler.stores.registry import PROVIDERS, live_identity

LiveObject = Mapping[str, Any]

_UNKNOWN = "who reads the store in the cluster is not known"
_CLUSTER_STORE, _STORE = "ClusterSecretStore", "SecretStore"
_READERS = ("externalsecrets", "clusterexternalsecrets", "pushsecrets", "clusterpushsecrets")
_GENERATORS = ("vaultdynamicsecrets", "clustergenerators")
_GENERATOR = "VaultDynamicSecret"
# Every kind that is asked for; one that the cluster does not have is none.
KINDS = ("clustersecretstores", "secretstores", *_READERS, *_GENERATORS)


def readers_of(
    store: Store,
    environments: Iterable[Environment],
    stores: LiveStores,
    view: ClusterView | None,
    not_the_same: Collection[str] = (),
) -> ReadIndex:
    """Who reads `store` in `environments`, and in the cluster where one is given. Raises AddressError and Refusal."""
    readers = ReadIndex(stores.identities(store), not_the_same).add_environments(environments)
    if view is not None:
        in_cluster(view, store, readers)
    return readers


def in_cluster(view: ClusterView, store: Store, readers: ReadIndex) -> None:
    """Add to `readers` whatever reads or writes `store` in the cluster. Raises Refusal."""
    try:
        found = {plural: view.every_object(plural) for plural in KINDS}
        if found["externalsecrets"] is not None:
            _Search(store, readers, {plural: each or () for plural, each in found.items()}).run()
            return
        message = f"{_UNKNOWN}: it does not serve external-secrets.io/v1"
        failure = Refusal("cannot run", message, "choose the cluster with --context")
    except ClusterError as error:
        failure = Refusal("cannot run", f"{_UNKNOWN}: {error}", error.remedy)
    raise failure


class _Search:
    """Looks through the objects of a cluster."""

    def __init__(self, store: Store, readers: ReadIndex, objects: Mapping[str, tuple[LiveObject, ...]]) -> None:
        self._readers = readers
        self._objects = objects
        self._own = (store.kind, store.name)
        self._written = written_identity(store)
        # By kind, namespace and name: the store objects that count, with what their names may mean.
        self._stores: dict[tuple[str, str, str], tuple[StoreIdentity, ...]] = {}

    def run(self) -> None:
        for kind, plural in ((_CLUSTER_STORE, "clustersecretstores"), (_STORE, "secretstores")):
            for each in self._objects[plural]:
                self._meet(kind, *_named(each), live_identity(each))
        for each in self._objects["externalsecrets"]:
            namespace, name = _named(each)
            self._external_secret(each.get("spec") or {}, namespace, f"ExternalSecret {namespace}/{name}")
        for each in self._objects["clusterexternalsecrets"]:
            spec = (each.get("spec") or {}).get("externalSecretSpec") or {}
            self._external_secret(spec, None, f"ClusterExternalSecret {_named(each)[1]}")
        for each in self._objects["pushsecrets"]:
            namespace, name = _named(each)
            self._push_secret(each.get("spec") or {}, namespace, f"PushSecret {namespace}/{name}, which writes it")
        for each in self._objects["clusterpushsecrets"]:
            spec = (each.get("spec") or {}).get("pushSecretSpec") or {}
            self._push_secret(spec, None, f"ClusterPushSecret {_named(each)[1]}, which writes it")
        for each in self._objects["vaultdynamicsecrets"]:
            namespace, name = _named(each)
            self._generator(each.get("spec") or {}, f"{_GENERATOR} {namespace}/{name}")
        for each in self._objects["clustergenerators"]:
            spec = ((each.get("spec") or {}).get("generator") or {}).get("vaultDynamicSecretSpec")
            if spec is not None:
                self._generator(spec, f"ClusterGenerator {_named(each)[1]}")

    def _meet(self, kind: str, namespace: str, name: str, identity: StoreIdentity) -> None:
        is_named = (kind, name) == self._own
        if self._readers.meet(_label(kind, namespace, name), identity, is_named=is_named):
            self._stores[kind, namespace, name] = (identity, self._written) if is_named else (identity,)

    def _meant(self, reference: LiveObject, namespace: str | None) -> Iterator[tuple[str, StoreIdentity]]:
        """The stores that a reference may mean, by their labels; a template without a namespace may come to any."""
        kind, name = str(reference.get("kind") or _STORE), reference.get("name")
        if (kind, name) == self._own and not any((each, called) == self._own for each, _, called in self._stores):
            # Its object is gone or was never there.
            self._meet(kind, "", str(name), StoreIdentity(unknown_provider(""), None))
        for (each, where, called), identities in self._stores.items():
            # Without a name a selector chooses by labels.
            if each == kind and name in (None, called) and (namespace is None or where in ("", namespace)):
                yield from ((_label(each, where, called), identity) for identity in identities)

    def _external_secret(self, spec: LiveObject, namespace: str | None, reader: str) -> None:
        for reference, name, is_path in _reads(spec):
            for label, identity in self._meant(reference, namespace):
                if is_path:
                    self._readers.add_below(found_below(identity, name), reader, label)
                else:
                    self._readers.add(remote_places(identity, name), reader, label)

    def _push_secret(self, spec: LiveObject, namespace: str | None, writer: str) -> None:
        for reference in spec.get("secretStoreRefs") or ():
            for label, identity in self._meant(reference, namespace):
                for each in spec.get("data") or ():
                    name = str(((each.get("match") or {}).get("remoteRef") or {}).get("remoteKey") or "")
                    self._readers.add(remote_places(identity, name), writer, label)
                if spec.get("dataTo"):
                    # It names what it writes by the keys of a Secret.
                    self._readers.add_below({""}, writer, label)

    def _generator(self, spec: LiveObject, reader: str) -> None:
        """What the store answers to a request of its own path."""
        provider = next(each for each in PROVIDERS.values() if each.generator == _GENERATOR)
        identity = replace(provider.live_identity(spec.get("provider") or {}), mount=None, version="v1")
        label = reader.replace(" ", "/")
        if self._readers.meet(label, identity):
            self._readers.add(remote_places(identity, str(spec.get("path") or "")), reader, label)


def _named(each: LiveObject) -> tuple[str, str]:
    metadata = each.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _label(kind: str, namespace: str, name: str) -> str:
    return "/".join(part for part in (kind, namespace, name) if part)


def _reads(spec: LiveObject) -> Iterator[tuple[LiveObject, str, bool]]:
    """The reference, the name and whether it is the beginning of names, of everything that a spec reads of stores."""
    default = spec.get("secretStoreRef") or {}
    for each in spec.get("data") or ():
        yield _reference(each, default), str((each.get("remoteRef") or {}).get("key") or ""), False
    for each in spec.get("dataFrom") or ():
        extract, find = each.get("extract"), each.get("find")
        if extract is not None:
            yield _reference(each, default), str(extract.get("key") or ""), False
        if find is not None:
            # By a pattern or by tags, which cannot be judged here: it may read any.
            yield _reference(each, default), str(find.get("path") or ""), True


def _reference(each: LiveObject, default: LiveObject) -> LiveObject:
    return (each.get("sourceRef") or {}).get("storeRef") or default
