"""Holds what is known of the cluster in one run: each collection listed once a namespace, then changed by watches."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.freshness import moment_of, sign_of
from compiler.operations.cluster.in_effect import Live
from compiler.operations.cluster.objects import ClusterError
from compiler.operations.cluster.slim import child, ready_of
from compiler.operations.cluster.store_access import selects_by_labels
from compiler.operations.status.pods import Pod, pod_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime
    from typing import TypeVar

    from compiler.operations.cluster.objects import LiveCollections

    T = TypeVar("T")
    LiveObject = Mapping[str, Any]

EXTERNAL_SECRETS, SECRETS, PODS = "externalsecrets", "secrets", "pods"
_PLURALS = (EXTERNAL_SECRETS, SECRETS, PODS)
# Without these nobody can say that a secret is in effect; pods, events and labels only add to it.
_NEEDED = frozenset({SECRETS, "clustersecretstores", "secretstores"})


class LiveState:
    """The objects that belong to `manifests`, the compiled ExternalSecrets by the id of their secret.

    No Secret is asked for unless `with_secrets`.
    """

    def __init__(
        self, cluster: LiveCollections, manifests: Mapping[str, LiveObject], *, with_secrets: bool = True
    ) -> None:
        self._cluster = cluster
        self.manifests = manifests
        names = {_place(each) for each in manifests.values()}
        self.namespaces = tuple(dict.fromkeys(namespace for namespace, _ in names))
        self._plurals = tuple(plural for plural in _PLURALS if with_secrets or plural != SECRETS)
        self._with_secrets = with_secrets
        self._titles = {f"{space}/{name}" for space, name in names}
        self._wanted = {space: {name for at, name in names if at == space} for space in self.namespaces}
        self._objects: dict[tuple[str, str], dict[str, LiveObject]] = {}
        # By the Secret that they read, then by their uid: looking through all pods for each secret would take minutes.
        self._pods: dict[tuple[str, str], dict[str, Pod]] = {}
        self._reading: dict[tuple[str, str], set[str]] = {}
        self._stores: dict[tuple[str, str, str], tuple[LiveObject | None, bool]] = {}
        self._spaces: dict[str, LiveObject | None] = {}
        self._warnings: dict[str, Mapping[str, LiveObject]] = {}
        # The newest version that was seen of each object: after a list a watch may still tell of what was before it.
        self._versions: dict[tuple[str, str, str], int] = {}
        # What may not be asked, by plural and namespace, with the permission that it takes.
        self.refused: dict[tuple[str, str], str] = {}
        # What the cluster has been asked and has not answered, as the permission that it takes; empty for nothing.
        self.unanswered = ""
        # Of every ExternalSecret of the namespaces: whether one was dealt with shows whether the operator runs.
        self.newest_sign: datetime | None = None
        # By kind, name and namespace of the store, for every ExternalSecret of the namespaces.
        self._failing: dict[tuple[str, str, str], dict[str, None]] = {}

    @contextmanager
    def asks(self, what: str, namespace: str) -> Iterator[None]:
        """While the block runs, the cluster is asked for so much."""
        self.unanswered = f"{what} in {namespace}"
        try:
            yield
        finally:
            self.unanswered = ""

    def read(self) -> dict[tuple[str, str], str]:
        """List everything; returns the version of each collection to watch from. Raises ClusterError.

        Without Secrets or pods, whoever may not list them gets the rest; without ExternalSecrets, the error names every
        permission that is missing.
        """
        versions: dict[tuple[str, str], str] = {}
        for space in self.namespaces:
            for plural in self._plurals:
                try:
                    with self.asks(f"list {plural}", space):
                        found, versions[plural, space] = self._cluster.collection(plural, space)
                except ClusterError as error:
                    if error.permission is None:
                        raise
                    self.refused[plural, space] = error.permission
                    continue
                self.refused.pop((plural, space), None)
                self.replace(plural, space, found)
        if any(plural == EXTERNAL_SECRETS for plural, _ in self.refused):
            missing = "; ".join(dict.fromkeys(self.refused.values()))
            raise ClusterError(
                f"you are not allowed to {missing}", "get roles that allow it: --rbac prints them", missing
            )
        return versions

    def replace(self, plural: str, namespace: str, found: Iterable[LiveObject]) -> None:
        """Take a whole collection as it is now."""
        if plural == PODS:
            self._pods = {at: pods for at, pods in self._pods.items() if at[0] != namespace}
            self._reading = {at: names for at, names in self._reading.items() if at[0] != namespace}
        else:
            self._objects[plural, namespace] = {}
        for each in found:
            self.change(plural, namespace, "ADDED", each)

    def change(self, plural: str, namespace: str, kind: str, found: LiveObject) -> None:
        """Take one event of a watch, if it is not older than what is known."""
        metadata = found.get("metadata") or {}
        if self._is_old((plural, namespace, str(metadata.get("uid"))), str(metadata.get("resourceVersion"))):
            return
        if plural == PODS:
            self._change_pod(namespace, found, is_gone=kind == "DELETED")
            return
        if plural == EXTERNAL_SECRETS:
            self._note_sign(sign_of(found))
            self._note_failure(namespace, str(metadata.get("name")), None if kind == "DELETED" else found)
        here, name = self._objects.setdefault((plural, namespace), {}), str(metadata.get("name"))
        if kind == "DELETED":
            here.pop(name, None)
        elif plural == SECRETS or name in self._wanted[namespace]:
            here[name] = found

    def _note_failure(self, namespace: str, name: str, found: LiveObject | None) -> None:
        """Remember which ExternalSecrets fail on each store."""
        title = f"{namespace}/{name}"
        for titles in self._failing.values():
            titles.pop(title, None)
        if found is not None and ready_of(found).get("status") == "False":
            self._failing.setdefault(_store_of(found, namespace), {})[title] = None

    def failing_on(self, manifest: LiveObject) -> str | None:
        """An ExternalSecret beside those of this run that fails on the same store, as namespace/name; None for none."""
        titles = self._failing.get(_store_of(manifest, _place(manifest)[0]), {})
        return next((each for each in titles if each not in self._titles), None)

    def _note_sign(self, sign: datetime | None) -> None:
        if sign is not None:
            self.newest_sign = max(sign, self.newest_sign or sign)

    def _is_old(self, at: tuple[str, str, str], version: str) -> bool:
        if not version.isdecimal():
            return False
        known = self._versions.get(at, 0)
        self._versions[at] = max(known, int(version))
        return int(version) < known

    def _change_pod(self, namespace: str, found: LiveObject, *, is_gone: bool) -> None:
        uid = str(found["metadata"].get("uid"))
        for name in self._reading.pop((namespace, uid), ()):
            self._pods[namespace, name].pop(uid, None)
        pod = None if is_gone else pod_of(found, self._wanted[namespace])
        if pod is None:
            return
        names = {each.secret for each in pod.reads} & self._wanted[namespace]
        self._reading[namespace, uid] = names
        for name in names:
            self._pods.setdefault((namespace, name), {})[uid] = pod

    def again(self) -> None:
        """Ask anew for stores, namespaces and events when they are next wanted: nothing watches them."""
        self._stores.clear()
        self._spaces.clear()
        self._warnings.clear()

    def live(self, manifest: LiveObject) -> Live:
        """The live objects of one ExternalSecret. Raises ClusterError."""
        namespace, name = _place(manifest)
        reference = manifest["spec"]["secretStoreRef"]
        store, has_store = self._store(reference["kind"], reference["name"], namespace)
        return Live(
            self._objects.get((EXTERNAL_SECRETS, namespace), {}).get(name),
            self._objects.get((SECRETS, namespace), {}).get(name),
            store,
            self._space(namespace) if selects_by_labels(store) else None,
            self._has_secrets(namespace),
            has_store,
        )

    def secrets(self, namespace: str) -> Mapping[str, LiveObject] | None:
        """The Secrets of a namespace by name, None where they may not be asked for."""
        return self._objects.get((SECRETS, namespace), {}) if self._has_secrets(namespace) else None

    def _has_secrets(self, namespace: str) -> bool:
        return self._with_secrets and (SECRETS, namespace) not in self.refused

    def has_refused(self, what: str, namespace: str) -> bool:
        """Whether so much may not be asked in a namespace."""
        return (what, namespace) in self.refused

    @property
    def is_whole(self) -> bool:
        """Whether all was allowed that tells a secret in effect; `--without-secrets` says that no Secret is needed."""
        return not any(what in _NEEDED for what, _ in self.refused)

    def not_asked(self, namespace: str) -> tuple[str, ...]:
        """What was not asked in a namespace, and why, in words."""
        left_out = () if self._with_secrets else (f"{_ABOUT[SECRETS]}: --without-secrets",)
        refused = (
            f"{_ABOUT[what]}: you are not allowed to {permission}"
            for (what, space), permission in self.refused.items()
            if space == namespace
        )
        return (*left_out, *refused)

    def pods(self, namespace: str, secret: str) -> tuple[Pod, ...] | None:
        """The pods that read a Secret, None where pods may not be asked for."""
        if (PODS, namespace) in self.refused:
            return None
        return tuple(self._pods.get((namespace, secret), {}).values())

    def warning(self, external_secret: LiveObject) -> LiveObject | None:
        """The newest warning about an ExternalSecret; None where there is none, or events may not be asked for."""
        namespace = str(external_secret["metadata"].get("namespace"))
        if namespace not in self._warnings:
            found = self._or_refused("events", namespace, self._cluster.warnings, namespace) or {}
            self._warnings[namespace] = found
            for each in found.values():
                self._note_sign(moment_of(each["moment"]))
        return self._warnings[namespace].get(str(external_secret["metadata"].get("uid")))

    def _store(self, kind: str, name: str, namespace: str) -> tuple[LiveObject | None, bool]:
        at = (kind, name, namespace if kind == "SecretStore" else "")
        if at not in self._stores:
            plural = f"{kind.lower()}s"
            found = self._or_refused(plural, namespace, self._cluster.store_object, kind, name, namespace)
            self._stores[at] = found, (plural, namespace) not in self.refused
        return self._stores[at]

    def _space(self, name: str) -> LiveObject | None:
        if name not in self._spaces:
            self._spaces[name] = self._or_refused("namespaces", name, self._cluster.namespace_object, name)
        return self._spaces[name]

    def _or_refused(self, what: str, namespace: str, ask: Callable[..., T | None], *given: str) -> T | None:
        try:
            with self.asks(f"read {what}", namespace):
                return ask(*given)
        except ClusterError as error:
            if error.permission is None:
                raise
            self.refused[what, namespace] = error.permission
            return None


def _store_of(found: LiveObject, namespace: str) -> tuple[str, str, str]:
    """The store that an ExternalSecret names: a SecretStore is another one in each namespace."""
    reference = child(found, "spec", "secretStoreRef")
    kind = str(reference.get("kind") or "SecretStore")
    return kind, str(reference.get("name")), namespace if kind == "SecretStore" else ""


def _place(manifest: LiveObject) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return str(metadata["namespace"]), str(metadata["name"])


_ABOUT = {
    SECRETS: "keys and UID of the Secret",
    PODS: "pods",
    "events": "the operator's warnings",
    "namespaces": "the namespace's labels",
    "clustersecretstores": "the store",
    "secretstores": "the store",
}
