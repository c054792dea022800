"""Finds which ExternalSecrets of a cluster read a store, in every namespace, by the address of their store objects.

A store object counts as the store where its address is that, or its kind and name are: whatever may read a remote
secret keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compiler.model.store_address import Provider, StoreAddress
from compiler.operations.cluster.objects import ClusterError
from compiler.operations.live.identity import folded, identity, server
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from compiler.model.environment import Store
    from compiler.operations.cluster.objects import LiveObjects
    from compiler.operations.retire.readers import Readers

    LiveObject = Mapping[str, Any]

_UNKNOWN = "who reads the store in the cluster is not known"
_OBJECT_TYPES = ("secret/", "key/", "cert/")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The store that is asked about, and the stores of the cluster that are it or may be: kind, namespace and name."""

    store: Store
    found: frozenset[tuple[str, str, str]]

    def is_meant(self, kind: str, namespace: str | None, name: str) -> bool:
        """Whether a reference means it; a template without a namespace may come to any."""
        if (kind, name) == (self.store.kind, self.store.name):
            return True
        if kind == "ClusterSecretStore":
            return (kind, "", name) in self.found
        return any((kind, name) == (each, called) and namespace in {None, where} for each, where, called in self.found)


def in_cluster(cluster: LiveObjects, store: Store, own: frozenset[str], readers: Readers) -> None:
    """Add to `readers` whoever reads `store`, which has the identities `own`, in the cluster. Raises Refusal."""
    try:
        stores = [
            (kind, each)
            for kind, plural in (("ClusterSecretStore", "clustersecretstores"), ("SecretStore", "secretstores"))
            for each in cluster.every_object(plural) or ()
        ]
        secrets, templates = cluster.every_object("externalsecrets"), cluster.every_object("clusterexternalsecrets")
    except ClusterError as error:
        failure = Refusal("cannot run", f"{_UNKNOWN}: {error}", error.remedy)
    else:
        if secrets is None:
            message = f"{_UNKNOWN}: it does not serve external-secrets.io/v1"
            raise Refusal("cannot run", message, "choose the cluster with --context")
        wanted = _Wanted(store, frozenset(_key(kind, each) for kind, each in stores if _is_at(each, store, own)))
        for each in secrets:
            namespace, name = _named(each)
            _add(readers, wanted, each.get("spec") or {}, namespace, f"ExternalSecret {namespace}/{name}")
        for each in templates or ():
            spec = (each.get("spec") or {}).get("externalSecretSpec") or {}
            _add(readers, wanted, spec, None, f"ClusterExternalSecret {_named(each)[1]}")
        return
    raise failure


def _named(each: LiveObject) -> tuple[str, str]:
    metadata = each.get("metadata") or {}
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _key(kind: str, each: LiveObject) -> tuple[str, str, str]:
    return kind, *_named(each)


def _is_at(each: LiveObject, store: Store, own: frozenset[str]) -> bool:
    """Whether a store object of the cluster leads to one of the addresses `own`."""
    provider = (each.get("spec") or {}).get("provider") or {}
    if store.provider == Provider.AZURE_KEY_VAULT:
        url = str((provider.get("azurekv") or {}).get("vaultUrl") or "")
        return bool(url) and identity(StoreAddress(Provider.AZURE_KEY_VAULT, url)) in own
    vault = provider.get("vault") or {}
    url, namespace = str(vault.get("server") or ""), vault.get("namespace")
    if not url:
        return False
    if path := str(vault.get("path") or ""):
        return identity(StoreAddress(Provider.VAULT, url, path, namespace)) in own
    # Without a path each name begins with the mount.
    return any(each.startswith(server(Provider.VAULT, url, namespace)) for each in own)


def _add(readers: Readers, wanted: _Wanted, spec: LiveObject, namespace: str | None, reader: str) -> None:
    for reference, name, is_path in _reads(spec):
        kind, called = str(reference.get("kind") or "SecretStore"), str(reference.get("name") or "")
        if not wanted.is_meant(kind, namespace, called):
            continue
        for form in _forms(name, wanted.store):
            if is_path:
                readers.below.append((form, reader))
            else:
                readers.add(form, reader)


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


def _forms(name: str, store: Store) -> Iterable[str]:
    """The names that the operator may take `name` for: with the mount or an object type before it, or without."""
    found = {name}
    if store.provider == Provider.AZURE_KEY_VAULT:
        found |= {name.removeprefix(kind) for kind in _OBJECT_TYPES}
    else:
        rest = name.removeprefix("/")
        found |= {rest, rest.removeprefix("data/")}
        inside = rest.removeprefix(f"{store.mount.strip('/')}/")
        found |= {inside, inside.removeprefix("data/")}
    return sorted(folded(each, store.provider) for each in found)
