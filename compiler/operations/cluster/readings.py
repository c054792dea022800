"""Asks an API server for the objects that belong to secrets: lists in pages, Secrets as metadata, watches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from compiler.operations.cluster.objects import (
    AnswerTooLargeError,
    ClusterError,
    WatchEndedError,
)
from compiler.operations.cluster.slim import (
    checked,
    slim_event,
    slim_external_secret,
    slim_pod,
    slim_secret,
    slim_spec,
    slim_workload,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from compiler.operations.cluster.objects import Collected

    LiveObject = Mapping[str, Any]

T = TypeVar("T")
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
_PLURALS = {"ClusterSecretStore": "clustersecretstores", "SecretStore": "secretstores"}
_PAGE = 500
_JSON = "application/json"
# Of Secrets and ConfigMaps nothing but this is ever accepted: no value of one reaches this program.
_METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_SLIM: dict[str, Callable[[LiveObject], LiveObject]] = {
    "externalsecrets": slim_external_secret,
    "secrets": slim_secret,
    "pods": slim_pod,
    "events": slim_event,
    "configmaps": slim_secret,
    **dict.fromkeys(("deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "rollouts"), slim_workload),
}
_METADATA_ALONE = frozenset({"secrets", "configmaps"})
# Of one list. A cluster that has more ExternalSecrets than these has none that a person looks after.
_MOST_OBJECTS = 100_000
CHECK_SERVER = "check the kubeconfig's server, and what is before it"


class Readings(ABC):
    """Implements LiveObjects and LiveCollections on three requests, which a subclass sends."""

    @abstractmethod
    def _got(
        self, permission: str, path: str, accepted: str = _JSON, query: Sequence[tuple[str, str]] = ()
    ) -> LiveObject | None:
        """One object of the API as it is, or None where there is none. Raises ClusterError."""

    @abstractmethod
    def _watched(
        self, permission: str, path: str, accepted: str, query: Sequence[tuple[str, str]], seconds: int
    ) -> Iterator[LiveObject]:
        """The events of a watch until it ends. Raises ClusterError, and WatchEndedError where one has to list again."""

    @abstractmethod
    def _patched(self, permission: str, path: str, change: LiveObject) -> bool:
        """Whether there was an object to change. Raises ClusterError."""

    def store_object(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        plural, is_namespaced = _PLURALS[kind], kind == "SecretStore"
        scope = f"/namespaces/{namespace}" if is_namespaced else ""
        permission = f"get {plural} in {namespace}" if is_namespaced else f"get {plural}"
        return self._one(permission, f"/apis/{_GROUP}{scope}/{plural}/{name}", plural)

    def external_secret_objects(self, namespace: str) -> tuple[LiveObject, ...]:
        return self.collection("externalsecrets", namespace)[0]

    def secret_metadata(self, namespace: str) -> tuple[LiveObject, ...]:
        return self.collection("secrets", namespace)[0]

    def namespace_object(self, namespace: str) -> LiveObject | None:
        return self._one("get namespaces", f"/api/v1/namespaces/{namespace}", "namespaces")

    def _one(self, permission: str, path: str, plural: str) -> LiveObject | None:
        found = self._got(permission, path)
        return None if found is None else _formed(lambda: checked(plural, found))

    def warnings(self, namespace: str) -> Mapping[str, LiveObject]:
        wanted = [("fieldSelector", "involvedObject.kind=ExternalSecret,type=Warning")]
        found = sorted(self._collected("events", namespace, wanted)[0], key=lambda each: str(each["moment"]))
        return {str(each["uid"]): each for each in found}

    def collection(self, plural: str, namespace: str) -> Collected:
        return self._collected(plural, namespace, ())

    def every_object(self, plural: str) -> tuple[LiveObject, ...] | None:
        """The specs of all objects of a kind of the operator, of every namespace; None for one not served.

        Of the rest names and namespaces are kept.
        """
        found = self._paged(f"list {plural}", plural, "", (), lambda each: slim_spec(checked(plural, each)))
        return None if found is None else found[0]

    def _collected(self, plural: str, namespace: str, selected: Sequence[tuple[str, str]]) -> Collected:
        found = self._paged(f"list {plural} in {namespace}", plural, namespace, selected, partial(_kept, plural))
        if found is not None:
            return found
        if plural == "externalsecrets":
            raise ClusterError(f"it does not serve {_GROUP}", "install External Secrets Operator 0.16 or newer")
        return (), ""

    def _paged(
        self,
        permission: str,
        plural: str,
        namespace: str,
        selected: Sequence[tuple[str, str]],
        take: Callable[[object], LiveObject],
    ) -> Collected | None:
        """Every object of a list and the version of the last page; None for a kind that the cluster does not serve."""
        path, accepted, limit = _path(plural, namespace), _accepted(plural, "List"), _PAGE
        kept, marks, is_second = list[Any](), [""], False
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
            except WatchEndedError:
                if is_second or not following:
                    raise ClusterError("its lists expire while they are read", "run the same command again") from None
                # The mark of the next page has expired: all over again.
                kept, marks, is_second = [], [""], True
                continue
            if page is None:
                return None
            items, mark, version = _formed(partial(_content, page, plural, take))
            kept += items
            if not mark:
                return tuple(kept), version
            if mark in marks or len(kept) > _MOST_OBJECTS:
                why = "begins again in the middle" if mark in marks else f"has more than {_MOST_OBJECTS} objects"
                raise ClusterError(f"its list of {plural} {why}", CHECK_SERVER)
            marks.append(mark)

    def watch(self, plural: str, namespace: str, version: str, seconds: int) -> Iterator[tuple[str, LiveObject]]:
        events = self._watched(
            f"watch {plural} in {namespace}",
            _path(plural, namespace),
            _accepted(plural, ""),
            [("resourceVersion", version)],
            seconds,
        )
        for event in events:
            # Of a bookmark only the version counts, which it has in common with every object.
            yield _formed(partial(_change, event, plural))

    def force_sync(self, namespace: str, name: str, mark: str) -> bool:
        change = {"metadata": {"annotations": {"force-sync": mark}}}
        path = f"{_path('externalsecrets', namespace)}/{name}"
        return self._patched(f"patch externalsecrets in {namespace}", path, change)


def _formed(take: Callable[[], T]) -> T:
    """What `take` finds in an answer. Raises ClusterError where it has not the form that the API gives it."""
    try:
        return take()
    except (AttributeError, LookupError, TypeError, ValueError):
        pass
    raise ClusterError("its answer is not in the form of the API", CHECK_SERVER)


def _kept(plural: str, found: object) -> LiveObject:
    return _SLIM[plural](checked(plural, found))


def _content(page: LiveObject, plural: str, take: Callable[[object], LiveObject]) -> tuple[list[LiveObject], str, str]:
    """The objects of a page, the mark of the next one, empty for none, and the version of the list."""
    _require_kind(page, plural, "List")
    metadata, found = page.get("metadata") or {}, page["items"]
    # An API server's empty list of metadata is null (kubernetes/apiserver, handlers/response.go); no other one is.
    if found is None and plural in _METADATA_ALONE:
        found = []
    if not isinstance(found, list):
        raise TypeError
    return list(map(take, found)), str(metadata.get("continue") or ""), str(metadata.get("resourceVersion") or "")


def _change(event: LiveObject, plural: str) -> tuple[str, LiveObject]:
    found = event.get("object") or {}
    _require_kind(found, plural, "")
    return str(event.get("type")), _kept(plural, found)


def _require_kind(found: LiveObject, plural: str, form: str) -> None:
    """Raises ClusterError for what is not of the kind asked for: an object, or with the form "List" a list of them."""
    wanted = ("meta.k8s.io/v1", "PartialObjectMetadata") if plural in _METADATA_ALONE else _TYPES[plural]
    if (found.get("apiVersion"), found.get("kind")) != (wanted[0], f"{wanted[1]}{form}"):
        raise ClusterError(f'its answer is not the "{wanted[1]}{form}" that was asked for', CHECK_SERVER)


def _path(plural: str, namespace: str) -> str:
    """Where a collection is listed; with an empty namespace, that of all of them."""
    version = _TYPES[plural][0]
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"/{'apis' if '/' in version else 'api'}/{version}{within}/{plural}"


def _accepted(plural: str, form: str) -> str:
    return _METADATA.format(form) if plural in _METADATA_ALONE else _JSON
