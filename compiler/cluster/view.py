"""Reads a cluster's objects, in checked shapes and without values, in pages and by watches.

A pod's variables and a Secret's other annotations may be credentials in the clear; neither gets any further.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

LiveObject = Mapping[str, Any]
# Objects of a list, and the version of the collection from which a watch goes on.
Collected = tuple[tuple[LiveObject, ...], str]


class ClusterError(Exception):
    """The cluster cannot be asked, or refuses. `permission` is the missing one, None for any other cause."""

    def __init__(self, reason: str, remedy: str, permission: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy
        self.permission = permission


class AnswerTooLargeError(ClusterError):
    """The answer is larger than any that is read; a list is asked for again with fewer objects."""


class WatchEndedError(Exception):
    """A watch cannot go on from where it was; whoever follows lists again."""


class LiveObjects(Protocol):
    """Reads one cluster's objects as its API returns them. Every method raises ClusterError."""

    def store_object(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        """The store as the API returns it."""

    def external_secret_objects(self, namespace: str) -> tuple[LiveObject, ...]:
        """The ExternalSecrets of a namespace as the API returns them, read in pages."""

    def secret_metadata(self, namespace: str) -> tuple[LiveObject, ...]:
        """The metadata of each Secret of a namespace, read in pages; no value is asked for."""

    def namespace_object(self, namespace: str) -> LiveObject | None:
        """The namespace as the API returns it."""

    def every_object(self, plural: str) -> tuple[LiveObject, ...] | None:
        """The objects of a kind of the operator in every namespace, read in pages; None for a kind it does not have."""


class LiveCollections(LiveObjects, Protocol):
    """Reads and follows whole collections of a namespace, in the form that cluster/slim.py keeps of their objects.

    A `plural` is `externalsecrets`, `secrets` or `configmaps` (metadata alone), `pods`, `deployments`, `statefulsets`,
    `daemonsets`, `jobs`, `cronjobs` or `rollouts`.
    """

    def collection(self, plural: str, namespace: str) -> Collected:
        """Every object, read in pages."""

    def watch(self, plural: str, namespace: str, version: str, seconds: int) -> Iterator[tuple[str, LiveObject]]:
        """Each change after `version` as its type (ADDED, MODIFIED, DELETED, BOOKMARK) and the object.

        Ends after about `seconds`. Raises WatchEndedError where one has to list again.
        """

    def warnings(self, namespace: str) -> Mapping[str, LiveObject]:
        """The newest warning of the events about each ExternalSecret, by its UID: a name may be an earlier object's."""

    def force_sync(self, namespace: str, name: str, mark: str) -> bool:
        """Set the annotation that makes the operator synchronise at once; false where there is no such object."""


_OPERATORS_OWN = "reconcile.external-secrets.io/"
# By this annotation the operator is asked to synchronise at once.
FORCE_SYNC = "force-sync"
_APPLIED = (
    "argocd.argoproj.io/hook",
    "argocd.argoproj.io/sync-wave",
    "helm.sh/hook",
    "helm.sh/hook-weight",
)
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
_IDENTITY = ("name", "namespace", "uid", "resourceVersion", "generation", "labels", "deletionTimestamp")

# The fields that are read of an object, with their types: `_ANY` is each key of a map, a list has one type of items.
# A field that is absent or null has every type.
_Shape = type | list["_Shape"] | Mapping[str, "_Shape"]
_ANY = "*"
_TEXTS: _Shape = {_ANY: str}
_METADATA: _Shape = {
    **dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"), str),
    "generation": int,
    "labels": _TEXTS,
    "annotations": _TEXTS,
    "ownerReferences": [{"apiVersion": str, "kind": str, "name": str, "controller": bool}],
    "managedFields": [{"manager": str, "time": str, "fieldsV1": {}}],
}
_CONDITIONS: _Shape = [dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), str)]
_OBJECT: dict[str, _Shape] = {"metadata": _METADATA, "spec": {}, "status": {"conditions": _CONDITIONS}}
_SELECTOR: _Shape = {"matchLabels": _TEXTS, "matchExpressions": [{"key": str, "operator": str, "values": [str]}]}
_STORE: _Shape = {
    **_OBJECT,
    "kind": str,
    "spec": {
        "controller": str,
        "conditions": [{"namespaces": [str], "namespaceRegexes": [str], "namespaceSelector": _SELECTOR}],
        "provider": {
            "azurekv": {"vaultUrl": str},
            "vault": {**dict.fromkeys(("server", "path", "namespace", "version"), str), "headers": _TEXTS},
            _ANY: {},
        },
    },
}
_REFERENCE: _Shape = {"name": str, "kind": str}
_SOURCE: _Shape = {"storeRef": _REFERENCE}
_REMOTE: _Shape = {"key": str, "property": str, "version": str}
_EXTERNAL_SECRET: _Shape = {
    "secretStoreRef": _REFERENCE,
    "refreshInterval": str,
    "data": [{"secretKey": str, "remoteRef": _REMOTE, "sourceRef": _SOURCE}],
    "dataFrom": [{"extract": _REMOTE, "find": {"path": str}, "sourceRef": _SOURCE}],
    "target": {"name": str, "creationPolicy": str, "manifest": {"kind": str}, "template": {"data": _TEXTS}},
}
_PUSH_SECRET: _Shape = {
    "secretStoreRefs": [_REFERENCE],
    "data": [{"match": {"remoteRef": {"remoteKey": str}}}],
    "dataTo": [{}],
}
_GENERATOR: _Shape = {"path": str, "provider": {"server": str, "namespace": str, "headers": _TEXTS}}
_SYNCED: _Shape = {"conditions": _CONDITIONS, "refreshTime": str, "syncedResourceVersion": str}
_CONTAINERS_NOW: _Shape = [{"name": str, "restartCount": int, "state": {"waiting": {"reason": str}}}]
_SHAPES: dict[str, _Shape] = {
    "externalsecrets": {**_OBJECT, "spec": _EXTERNAL_SECRET, "status": _SYNCED},
    "clusterexternalsecrets": {**_OBJECT, "spec": {"externalSecretSpec": _EXTERNAL_SECRET}},
    "pushsecrets": {**_OBJECT, "spec": _PUSH_SECRET},
    "clusterpushsecrets": {**_OBJECT, "spec": {"pushSecretSpec": _PUSH_SECRET}},
    "vaultdynamicsecrets": {**_OBJECT, "spec": _GENERATOR},
    "clustergenerators": {**_OBJECT, "spec": {"generator": {"vaultDynamicSecretSpec": _GENERATOR}}},
    "secretstores": _STORE,
    "clustersecretstores": _STORE,
    "pods": {
        **_OBJECT,
        "status": {
            "phase": str,
            "conditions": _CONDITIONS,
            "initContainerStatuses": _CONTAINERS_NOW,
            "containerStatuses": _CONTAINERS_NOW,
        },
    },
    "events": {
        **_OBJECT,
        **dict.fromkeys(("message", "lastTimestamp", "eventTime", "firstTimestamp"), str),
        "count": int,
        "involvedObject": {"name": str, "uid": str},
        "series": {"count": int, "lastObservedTime": str},
    },
}


def checked(plural: str, found: object) -> LiveObject:
    """The object of that kind itself. Raises TypeError where a field that is read of it has another type."""
    whole: Any = found
    _check(whole, _SHAPES.get(plural, _OBJECT))
    return whole  # type: ignore[no-any-return]


def _check(found: object, shape: _Shape) -> None:
    if isinstance(shape, type):
        if not isinstance(found, shape):
            raise TypeError
    elif isinstance(shape, list):
        if not isinstance(found, list):
            raise TypeError
        for each in found:
            _check(each, shape[0])
    elif not isinstance(found, dict):
        raise TypeError
    else:
        for name, of in shape.items():
            for value in found.values() if name == _ANY else (found.get(name),):
                if value is not None:
                    _check(value, of)


def slim_external_secret(found: LiveObject) -> LiveObject:
    """Identity, spec and status, who wrote the spec, and when the operator was asked to synchronise."""
    status, metadata = found.get("status"), child(found, "metadata")
    kept: dict[str, Any] = {"metadata": _picked(metadata, (*_IDENTITY, "creationTimestamp")), "spec": found.get("spec")}
    if (mark := child(metadata, "annotations").get(FORCE_SYNC)) is not None:
        kept["metadata"]["annotations"] = {FORCE_SYNC: mark}
    kept["metadata"]["managedFields"] = [
        {**_picked(each, ("manager", "time")), "fieldsV1": fields}
        for each in metadata.get("managedFields") or ()
        if (fields := _written(child(each, "fieldsV1")))
    ]
    return kept if status is None else {**kept, "status": status}


def _written(fields: LiveObject) -> dict[str, Any]:
    """Of the fields that a manager wrote, those of the spec, and the mark by which it asked to synchronise."""
    spec, mark = child(fields, "f:spec"), f"f:{FORCE_SYNC}"
    is_marked = mark in child(fields, "f:metadata", "f:annotations")
    annotations: dict[str, Any] = {"f:metadata": {"f:annotations": {mark: {}}}} if is_marked else {}
    return {**({"f:spec": spec} if spec else {}), **annotations}


def spec_writers(external_secret: LiveObject) -> Iterator[tuple[str, str, LiveObject]]:
    """When each manager last changed the spec, by ISO 8601, its name and the fields that it wrote."""
    for each in child(external_secret, "metadata").get("managedFields") or ():
        if fields := child(each, "fieldsV1", "f:spec"):
            yield str(each.get("time") or ""), str(each.get("manager") or ""), fields


def slim_spec(found: LiveObject) -> LiveObject:
    """Name, namespace and spec: all that counts of an object where those of a whole cluster are looked through."""
    return {"metadata": _picked(child(found, "metadata"), ("name", "namespace")), "spec": found.get("spec")}


def target_of(external_secret: LiveObject) -> str | None:
    """The name of the Secret that an ExternalSecret makes; None where it makes an object of another kind, or none."""
    target = child(external_secret, "spec", "target")
    if target.get("creationPolicy") == "None" or child(target, "manifest").get("kind", "Secret") != "Secret":
        return None
    return str(target.get("name") or child(external_secret, "metadata").get("name") or "")


def slim_secret(found: LiveObject) -> LiveObject:
    """Identity, owners, the operator's own annotations and the names of keys: kubectl notes a Secret in one of its."""
    metadata = child(found, "metadata")
    annotations = metadata.get("annotations") or {}
    kept = _picked(metadata, (*_IDENTITY, "ownerReferences"))
    kept["annotations"] = {name: value for name, value in annotations.items() if name.startswith(_OPERATORS_OWN)}
    kept["managedFields"] = [entry for each in metadata.get("managedFields") or () if (entry := _writer(each))]
    return {"metadata": kept}


def _writer(entry: LiveObject) -> LiveObject | None:
    """Who wrote which keys and when, and whether the Secret was made immutable; None where it wrote neither."""
    fields = child(entry, "fieldsV1")
    kept: dict[str, Any] = {"f:data": dict.fromkeys(names)} if (names := child(fields, "f:data")) else {}
    if "f:immutable" in fields:
        kept["f:immutable"] = {}
    return {**_picked(entry, ("manager", "time")), "fieldsV1": kept} if kept else None


def slim_pod(found: LiveObject) -> LiveObject:
    """Identity, which Secrets its spec names and where, and how its containers are."""
    metadata, status = child(found, "metadata"), child(found, "status")
    kept = _picked(metadata, ("name", "namespace", "uid", "resourceVersion", "deletionTimestamp"))
    owners = metadata.get("ownerReferences") or ()
    kept["ownerReferences"] = [_picked(each, ("apiVersion", "kind", "name", "controller")) for each in owners]
    ready = [each for each in status.get("conditions") or () if each.get("type") == "Ready"]
    states = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    return {
        "metadata": kept,
        "spec": _pod_spec(child(found, "spec")),
        "status": {
            "phase": status.get("phase"),
            "conditions": [_picked(each, ("type", "status")) for each in ready],
            "containers": list(map(_state, states)),
        },
    }


def _pod_spec(spec: LiveObject) -> LiveObject:
    volumes = {each["name"]: each for each in map(_volume, spec.get("volumes") or ()) if len(each) > 1}
    slim = {kind: [_container(each, volumes) for each in spec.get(kind) or ()] for kind in _CONTAINERS}
    return {**slim, "volumes": list(volumes.values()), "imagePullSecrets": spec.get("imagePullSecrets") or ()}


def slim_workload(found: LiveObject) -> LiveObject:
    """Identity, the annotations that say when it is applied, and of its pods' spec what names Secrets and variables."""
    metadata = child(found, "metadata")
    kept = _picked(metadata, (*_IDENTITY, "ownerReferences"))
    annotations = metadata.get("annotations") or {}
    kept["annotations"] = {name: annotations[name] for name in _APPLIED if name in annotations}
    spec = child(found, "spec")
    template = child(spec, "jobTemplate", "spec", "template") or child(spec, "template")
    pods = child(template, "spec") or spec
    slim: dict[str, Any] = {kind: list(map(_setting, pods.get(kind) or ())) for kind in _CONTAINERS}
    slim["volumes"] = list(map(_volume, pods.get("volumes") or ()))
    return {"metadata": kept, "spec": {**slim, "imagePullSecrets": pods.get("imagePullSecrets") or ()}}


def _volume(found: LiveObject) -> LiveObject:
    kept = _picked(found, ("name", "secret", "projected", "azureFile"))
    # A driver's other attributes are anybody's.
    driver = _picked(child(found, "csi"), ("nodePublishSecretRef",))
    return {**kept, "csi": driver} if driver else kept


def _setting(found: LiveObject) -> LiveObject:
    named = [_picked(each, ("prefix", "secretRef", "configMapRef")) for each in found.get("envFrom") or ()]
    variables = [
        {"name": each.get("name"), "valueFrom": {"secretKeyRef": child(each, "valueFrom", "secretKeyRef")}}
        for each in found.get("env") or ()
    ]
    mounts = [_picked(each, ("name", "subPath", "subPathExpr")) for each in found.get("volumeMounts") or ()]
    return {"name": found.get("name"), "env": variables, "envFrom": named, "volumeMounts": mounts}


def slim_event(found: LiveObject) -> LiveObject:
    """Which object it is about, what it says, how often, and when it was last seen."""
    series = child(found, "series")
    moments = (series.get("lastObservedTime"), *(found.get(name) for name in ("lastTimestamp", "eventTime")))
    return {
        "uid": str(child(found, "involvedObject").get("uid") or ""),
        "message": str(found.get("message") or ""),
        "moment": next((str(each) for each in (*moments, found.get("firstTimestamp")) if each), ""),
        "count": series.get("count") or found.get("count") or 1,
    }


def ready_of(found: LiveObject) -> LiveObject:
    """The Ready condition of an object of the operator, an empty one where there is none."""
    conditions = child(found, "status").get("conditions") or ()
    return next((each for each in conditions if each.get("type") == "Ready"), {})


def keys_of(secret: LiveObject) -> frozenset[str]:
    """The names of a Secret's keys, from the fields that its writers own: the data is never asked for."""
    entries = child(secret, "metadata").get("managedFields") or ()
    return frozenset(
        name.removeprefix("f:")
        for entry in entries
        for name in child(entry, "fieldsV1", "f:data")
        if name.startswith("f:")
    )


def _container(found: LiveObject, volumes: Container[str]) -> LiveObject:
    mounts = [each for each in found.get("volumeMounts") or () if each.get("name") in volumes]
    return {
        "name": found.get("name"),
        "env": list(_variables(found.get("env") or ())),
        "envFrom": [each for each in found.get("envFrom") or () if each.get("secretRef")],
        "volumeMounts": [_picked(each, ("name", "subPath", "subPathExpr")) for each in mounts],
    }


def _variables(env: Iterable[LiveObject]) -> Iterator[LiveObject]:
    for each in env:
        if reference := child(each, "valueFrom", "secretKeyRef"):
            yield {"name": each.get("name"), "valueFrom": {"secretKeyRef": reference}}


def _state(found: LiveObject) -> LiveObject:
    waiting = child(found, "state", "waiting").get("reason")
    return {"name": found.get("name"), "restartCount": found.get("restartCount") or 0, "waiting": waiting}


def _picked(data: LiveObject, names: Iterable[str]) -> dict[str, Any]:
    return {name: data[name] for name in names if data.get(name)}


def child(data: LiveObject, *path: str) -> LiveObject:
    """The map under `path`, an empty one where there is none."""
    for key in path:
        found = data.get(key)
        data = found if isinstance(found, dict) else {}
    return data


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
_METADATA_LIST = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
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
    return _METADATA_LIST.format(form) if plural in _METADATA_ALONE else _JSON
