"""Connects to a cluster, reads its objects in pages, and caches what a round has read and what it may not read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from compiler.cluster.objects import FORCE_SYNC, LiveObject, checked, child, kept, selects_by_labels, slim_spec
from compiler.model.values import Manifest
from compiler.refusal import Refusal
from compiler.text.wording import install_line

if TYPE_CHECKING:
    # It imports this module, and takes 0.6 s.
    from compiler.cluster.client import KubernetesCluster

Objects = tuple[LiveObject, ...]
T = TypeVar("T")

EXTERNAL_SECRETS, SECRETS, PODS, EVENTS, NAMESPACES = "externalsecrets", "secrets", "pods", "events", "namespaces"
STORES = {"ClusterSecretStore": "clustersecretstores", "SecretStore": "secretstores"}


class ClusterError(Exception):
    """The cluster cannot be asked, or refuses. `permission` is the missing one, None for any other cause."""

    def __init__(self, reason: str, remedy: str, permission: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.permission = permission


class AnswerTooLargeError(ClusterError):
    """The answer is larger than any that is read; a list is asked for again with fewer objects."""


class ExpiredError(Exception):
    """The mark of a list's next page is too old; the list begins again."""


_GROUP, _ALPHA = "external-secrets.io/v1", "external-secrets.io/v1alpha1"
_GENERATORS = "generators.external-secrets.io/v1alpha1"
# The API and the kind of each collection. A list is taken only where it is one of that kind: any other JSON with status
# 200 would be read as "there are none".
_TYPES = {
    "externalsecrets": (_GROUP, "ExternalSecret"),
    "clusterexternalsecrets": (_GROUP, "ClusterExternalSecret"),
    "secretstores": (_GROUP, "SecretStore"),
    "clustersecretstores": (_GROUP, "ClusterSecretStore"),
    "pushsecrets": (_ALPHA, "PushSecret"),
    "clusterpushsecrets": (_ALPHA, "ClusterPushSecret"),
    "vaultdynamicsecrets": (_GENERATORS, "VaultDynamicSecret"),
    "clustergenerators": (_GENERATORS, "ClusterGenerator"),
    "deployments": ("apps/v1", "Deployment"),
    "statefulsets": ("apps/v1", "StatefulSet"),
    "daemonsets": ("apps/v1", "DaemonSet"),
    "jobs": ("batch/v1", "Job"),
    "cronjobs": ("batch/v1", "CronJob"),
    "rollouts": ("argoproj.io/v1alpha1", "Rollout"),
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "secrets": ("v1", "Secret"),
    "configmaps": ("v1", "ConfigMap"),
}
_PAGE = 500
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,252}", re.ASCII)
_JSON = "application/json"
# Of Secrets and ConfigMaps nothing but this is ever accepted: no value of one reaches this program.
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METADATA_ALONE = frozenset({"secrets", "configmaps"})
# Of one list. A cluster that has more ExternalSecrets than these has none that a person looks after.
_MOST_OBJECTS = 100_000
CHECK_SERVER = "check the kubeconfig's server, and what is before it"


class ApiReader(ABC):
    """Reads objects in checked shapes, by two requests that a subclass sends. Its methods raise ClusterError."""

    @abstractmethod
    def _got(
        self, permission: str, path: str, accepted: str = _JSON, query: Sequence[tuple[str, str]] = ()
    ) -> LiveObject | None:
        """One object of the API as it is, or None where there is none. Raises ClusterError, and ExpiredError."""

    @abstractmethod
    def _patched(self, permission: str, path: str, change: LiveObject) -> bool:
        """Whether there was an object to change. Raises ClusterError."""

    def renew(self) -> None:  # noqa: B027 - only what counts time and size has something to do
        """Give the requests from now on the time and the size that those of one command have."""

    def collection(self, plural: str, namespace: str) -> Objects:
        """The objects of a kind in a namespace, read in pages; of Secrets and ConfigMaps the metadata alone."""
        return self._collected(plural, namespace, ())

    def store_object(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        if not _NAME.fullmatch(name):
            # It may come from a live object, and one with a slash would lead to another, such as a whole Secret.
            return None
        plural, is_namespaced = STORES[kind], kind == "SecretStore"
        scope = f"/namespaces/{namespace}" if is_namespaced else ""
        permission = f"get {plural} in {namespace}" if is_namespaced else f"get {plural}"
        return self._one(permission, f"/apis/{_GROUP}{scope}/{plural}/{name}", plural)

    def namespace_object(self, namespace: str) -> LiveObject | None:
        return self._one("get namespaces", f"/api/v1/namespaces/{namespace}", NAMESPACES)

    def _one(self, permission: str, path: str, plural: str) -> LiveObject | None:
        found = self._got(permission, path)
        return None if found is None else _formed(lambda: checked(plural, found))

    def warnings(self, namespace: str) -> Mapping[str, LiveObject]:
        """The newest warning of the events about each ExternalSecret, by its UID: a name may be an earlier object's."""
        wanted = [("fieldSelector", "involvedObject.kind=ExternalSecret,type=Warning")]
        found = sorted(self._collected(EVENTS, namespace, wanted), key=lambda each: str(each["moment"]))
        return {str(each["uid"]): each for each in found}

    def every_object(self, plural: str) -> Objects | None:
        """Names and specs of all objects of a kind of the operator, in every namespace; None for a kind not served."""
        return self._paged(f"list {plural}", plural, "", (), lambda each: slim_spec(checked(plural, each)))

    def force_sync(self, namespace: str, name: str, mark: str) -> bool:
        """Set the annotation that makes the operator synchronise at once; false where there is no such object."""
        change = {"metadata": {"annotations": {FORCE_SYNC: mark}}}
        path = f"{_path(EXTERNAL_SECRETS, namespace)}/{name}"
        return self._patched(f"patch externalsecrets in {namespace}", path, change)

    def _collected(self, plural: str, namespace: str, selected: Sequence[tuple[str, str]]) -> Objects:
        found = self._paged(f"list {plural} in {namespace}", plural, namespace, selected, partial(kept, plural))
        if found is not None:
            return found
        if plural == EXTERNAL_SECRETS:
            raise ClusterError(f"it does not serve {_GROUP}", "install External Secrets Operator 0.16 or newer")
        return ()

    def _paged(
        self,
        permission: str,
        plural: str,
        namespace: str,
        selected: Sequence[tuple[str, str]],
        take: Callable[[object], LiveObject],
    ) -> Objects | None:
        """Every object of a list; None for a kind that the cluster does not serve."""
        path, limit = _path(plural, namespace), _PAGE
        accepted = _accepted(plural)
        items, marks, is_second = list[Any](), [""], False
        while True:
            following = [("continue", marks[-1])] if marks[-1] else []
            try:
                page = self._got(permission, path, accepted, [*selected, ("limit", str(limit)), *following])
            except AnswerTooLargeError:
                if limit == 1:
                    raise
                # The same page again. Those after it are as large, and are asked for like this at once.
                limit = max(1, limit // 10)
                continue
            except ExpiredError:
                if is_second or not following:
                    raise ClusterError("its lists expire while they are read", "run the same command again") from None
                # The mark of the next page has expired: all over again.
                items, marks, is_second = [], [""], True
                continue
            if page is None:
                return None
            page_items, mark = _formed(partial(_content, page, plural, take))
            items += page_items
            if not mark:
                return tuple(items)
            if mark in marks or len(items) > _MOST_OBJECTS:
                why = "begins again in the middle" if mark in marks else f"has more than {_MOST_OBJECTS} objects"
                raise ClusterError(f"its list of {plural} {why}", CHECK_SERVER)
            marks.append(mark)


def _formed(take: Callable[[], T]) -> T:
    """What `take` finds in an answer. Raises ClusterError where it has not the form that the API gives it."""
    try:
        return take()
    except (AttributeError, LookupError, TypeError, ValueError):
        pass
    raise ClusterError("its answer is not in the form of the API", CHECK_SERVER)


def _content(page: LiveObject, plural: str, take: Callable[[object], LiveObject]) -> tuple[list[LiveObject], str]:
    """The objects of a page, and the mark of the next one, empty for none."""
    _require_kind(page, plural)
    metadata, found = page.get("metadata") or {}, page["items"]
    # An API server's empty list of metadata is null (kubernetes/apiserver, handlers/response.go); no other one is.
    if found is None and plural in _METADATA_ALONE:
        found = []
    if not isinstance(found, list):
        raise TypeError
    return list(map(take, found)), str(metadata.get("continue") or "")


def _require_kind(found: LiveObject, plural: str) -> None:
    """Raises ClusterError for what is no list of the kind that was asked for."""
    wanted = ("meta.k8s.io/v1", "PartialObjectMetadata") if plural in _METADATA_ALONE else _TYPES[plural]
    if (found.get("apiVersion"), found.get("kind")) != (wanted[0], f"{wanted[1]}List"):
        raise ClusterError(f'its answer is not the "{wanted[1]}List" that was asked for', CHECK_SERVER)


def _accepted(plural: str) -> str:
    return _METADATA_LIST if plural in _METADATA_ALONE else _JSON


def _path(plural: str, namespace: str) -> str:
    """Where a collection is listed; with an empty namespace, that of all of them."""
    version = _TYPES[plural][0]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{within}/{plural}"


@dataclass(frozen=True, slots=True)
class Live:
    """The live objects of one ExternalSecret, as the API returns them; None for what does not exist.

    `secret` is the metadata of the Secret, and `has_secrets` false where nobody asked for it: then nothing is said of
    it; `has_store` alike. `namespace` is the namespace's object, for stores that select by its labels.
    """

    external_secret: LiveObject | None
    secret: LiveObject | None
    store: LiveObject | None
    namespace: LiveObject | None = None
    has_secrets: bool = True
    has_store: bool = True


class ClusterView:
    """A cluster as one look at it finds it: each list and object is read once. Its methods raise ClusterError.

    What may not be read is an error, but for the plurals of `optional`: of those nothing is there, and `refused` has
    the reason by plural and namespace, empty for what lies in none. The plurals of `left_out` are never asked for.
    """

    def __init__(self, reader: ApiReader, optional: Collection[str] = (), left_out: Collection[str] = ()) -> None:
        self._reader = reader
        self._optional = optional
        self.left_out = left_out
        self._found: dict[tuple[str, str, str], Any] = {}
        self.refused: dict[tuple[str, str], ClusterError] = {}
        # What the cluster has been asked and has not answered; empty for nothing.
        self.unanswered = ""

    def fresh(self) -> ClusterView:
        """A view that has read nothing yet."""
        self._reader.renew()
        return ClusterView(self._reader, self._optional, self.left_out)

    @contextmanager
    def asks(self, what: str) -> Iterator[None]:
        """While the block runs, the cluster is asked for so much."""
        self.unanswered = what
        try:
            yield
        finally:
            self.unanswered = ""

    def _once(self, at: tuple[str, str, str], what: str, ask: Callable[[], T]) -> T | None:
        """What `ask` returned the first time; `at` are the plural, the namespace and the name."""
        if at not in self._found:
            self._found[at] = self._allowed(at[0], at[1], what, ask)
        found: T | None = self._found[at]
        return found

    def _allowed(self, plural: str, namespace: str, what: str, ask: Callable[[], T]) -> T | None:
        if plural in self.left_out or self.has_refused(plural, namespace):
            return None
        try:
            with self.asks(what):
                return ask()
        except ClusterError as error:
            if error.permission is None or plural not in self._optional:
                raise
            self.refused[plural, namespace] = error
            return None

    def objects(self, plural: str, namespace: str) -> Objects | None:
        """The objects of a kind in a namespace, None where they may not be read; not kept for another call."""
        return self._allowed(
            plural, namespace, f"list {plural} in {namespace}", lambda: self._reader.collection(plural, namespace)
        )

    def by_name(self, plural: str, namespace: str) -> Mapping[str, LiveObject] | None:
        """The objects of a kind in a namespace by name, None where they may not be read."""

        def ask() -> Mapping[str, LiveObject]:
            found = self._reader.collection(plural, namespace)
            return {str(child(each, "metadata").get("name")): each for each in found}

        return self._once((plural, namespace, ""), f"list {plural} in {namespace}", ask)

    def external_secrets(self, namespace: str) -> Mapping[str, LiveObject]:
        """The ExternalSecrets of a namespace by name."""
        return self.by_name(EXTERNAL_SECRETS, namespace) or {}

    def every_object(self, plural: str) -> Objects | None:
        """Names and specs of all objects of a kind of the operator; None for a kind that the cluster does not serve."""
        return self._once((plural, "", ""), f"list {plural}", lambda: self._reader.every_object(plural))

    def store(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        """A store object; one of the cluster is the same for each namespace."""
        plural, scope = STORES[kind], namespace if kind == "SecretStore" else ""
        return self._once(
            (plural, scope, name),
            f"read {plural} in {namespace}",
            lambda: self._reader.store_object(kind, name, namespace),
        )

    def labels_for(self, store: LiveObject | None, namespace: str) -> LiveObject | None:
        """The namespace's object where `store` selects by labels; None too where it may not be read."""
        if not selects_by_labels(store):
            return None
        what = f"read namespaces in {namespace}"
        return self._once((NAMESPACES, namespace, ""), what, lambda: self._reader.namespace_object(namespace))

    def warning(self, external_secret: LiveObject) -> LiveObject | None:
        """The newest warning about an ExternalSecret; None where there is none, or events may not be read."""
        metadata = external_secret["metadata"]
        namespace = str(metadata.get("namespace"))
        return self.warnings(namespace).get(str(metadata.get("uid")))

    def warnings(self, namespace: str) -> Mapping[str, LiveObject]:
        """The newest warning about each ExternalSecret of a namespace, by UID."""
        what = f"read events in {namespace}"
        return self._once((EVENTS, namespace, ""), what, lambda: self._reader.warnings(namespace)) or {}

    def live(self, manifest: Manifest) -> Live:
        """The live objects of one ExternalSecret."""
        namespace, reference = manifest.namespace, manifest.object["spec"]["secretStoreRef"]
        kind, name = reference["kind"], reference["name"]
        external_secret = self.external_secrets(namespace).get(manifest.name)
        secrets = self.by_name(SECRETS, namespace)
        store = self.store(kind, name, namespace)
        return Live(
            external_secret,
            (secrets or {}).get(manifest.name),
            store,
            self.labels_for(store, namespace),
            secrets is not None,
            store is not None or not self.has_refused(STORES[kind], namespace if kind == "SecretStore" else ""),
        )

    def has_refused(self, plural: str, namespace: str) -> bool:
        return (plural, namespace) in self.refused

    def force_sync(self, namespace: str, name: str, mark: str) -> bool:
        """Have the operator synchronise an ExternalSecret at once; false where there is none."""
        return self._reader.force_sync(namespace, name, mark)


def opened(environ: Mapping[str, str], context: str | None) -> KubernetesCluster:
    """The cluster of the kubeconfig's `context`, the current one for None; nothing is asked of it yet.

    Raises Refusal where the client is not installed, and ClusterError where no kubeconfig can be used.
    """
    try:
        # 0.6 s of import that only this needs.
        from compiler.cluster.client import KubernetesCluster  # noqa: PLC0415
    except ModuleNotFoundError:
        message = "--cluster needs the Kubernetes client"
        raise Refusal("cannot run", message, f"run: {install_line('cluster')}") from None
    return KubernetesCluster(environ, context)


def connected(
    environ: Mapping[str, str], context: str | None, optional: Collection[str] = (), left_out: Collection[str] = ()
) -> ClusterView:
    """A view of that cluster, for those who can do nothing without it: raises Refusal alone."""
    try:
        return ClusterView(opened(environ, context), optional, left_out)
    except ClusterError as error:
        failure = Refusal("cannot run", str(error), error.remedy)
    raise failure
