"""Reads each object of a cluster that belongs to ExternalSecrets once a run, as far as the caller may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.in_effect import Live
from compiler.operations.cluster.objects import ClusterError
from compiler.operations.cluster.store_access import selects_by_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from compiler.operations.cluster.objects import LiveCollections

    T = TypeVar("T")
    LiveObject = Mapping[str, Any]


class Look:
    """Reads each object once. Every method raises ClusterError; `refused` are those for lists of Secrets."""

    def __init__(self, cluster: LiveCollections) -> None:
        self.cluster = cluster
        self.refused: list[ClusterError] = []
        self._stores: dict[tuple[str, str, str], LiveObject | None] = {}
        self._external_secrets: dict[str, dict[str, LiveObject]] = {}
        self._secrets: dict[str, dict[str, LiveObject] | None] = {}
        self._namespaces: dict[str, LiveObject | None] = {}
        self._warnings: dict[str, Mapping[str, LiveObject]] = {}

    def store(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        asked = (kind, name, namespace if kind == "SecretStore" else "")
        if asked not in self._stores:
            self._stores[asked] = self.cluster.store_object(kind, name, namespace)
        return self._stores[asked]

    def external_secrets(self, namespace: str) -> Mapping[str, LiveObject]:
        """The ExternalSecrets of a namespace by name."""
        if namespace not in self._external_secrets:
            self._external_secrets[namespace] = _by_name(self.cluster.external_secret_objects(namespace))
        return self._external_secrets[namespace]

    def secret(self, namespace: str, name: str) -> tuple[LiveObject | None, bool]:
        """The metadata of a Secret, and whether it may be asked for."""
        if namespace not in self._secrets:
            found = _allowed(lambda: self.cluster.secret_metadata(namespace), self.refused.append)
            self._secrets[namespace] = _by_name(found) if found is not None else None
        secrets = self._secrets[namespace]
        return (secrets.get(name), True) if secrets is not None else (None, False)

    def labels_for(self, store: LiveObject | None, namespace: str) -> LiveObject | None:
        """The namespace's object where `store` selects by labels; None too where it may not be asked for."""
        if not selects_by_labels(store):
            return None
        if namespace not in self._namespaces:
            self._namespaces[namespace] = _allowed(lambda: self.cluster.namespace_object(namespace))
        return self._namespaces[namespace]

    def warning(self, external_secret: LiveObject) -> LiveObject | None:
        """The newest warning about an ExternalSecret; of an earlier one of its name there is none."""
        metadata = external_secret["metadata"]
        namespace = str(metadata.get("namespace"))
        if namespace not in self._warnings:
            self._warnings[namespace] = self.cluster.warnings(namespace)
        return self._warnings[namespace].get(str(metadata.get("uid")))

    def live(self, manifest: LiveObject) -> Live:
        """The live objects of one compiled ExternalSecret."""
        metadata, reference = manifest["metadata"], manifest["spec"]["secretStoreRef"]
        namespace, name = metadata["namespace"], metadata["name"]
        external_secret = self.external_secrets(namespace).get(name)
        secret, asked = self.secret(namespace, name)
        store = self.store(reference["kind"], reference["name"], namespace)
        return Live(external_secret, secret, store, self.labels_for(store, namespace), asked)


def _allowed(ask: Callable[[], T], on_refusal: Callable[[ClusterError], None] = lambda _: None) -> T | None:
    """What `ask` returns, None where the caller may not ask for it."""
    try:
        return ask()
    except ClusterError as error:
        if error.permission is None:
            raise
        on_refusal(error)
        return None


def _by_name(objects: Iterable[LiveObject]) -> dict[str, LiveObject]:
    return {str((each.get("metadata") or {}).get("name")): each for each in objects}
