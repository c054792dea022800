"""Checks the API's objects where they are read, strips them to the fields that are used, and judges store objects.

A pod's variables and a Secret's other annotations may be credentials in the clear; neither gets any further. A store
object is judged by whether it is ready, leads to the written store, and lets a namespace use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from compiler.model.environment import Store
from compiler.model.store import Sameness, compare_stores, parse_address
from compiler.stores.registry import PROVIDERS, live_identity
from compiler.text.wording import quoted, shell_line

LiveObject = Mapping[str, Any]


class PodOwner(NamedTuple):
    """What runs a pod: its workload, or the pod itself where nothing does."""

    kind: str
    namespace: str
    name: str


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
        "provider": {**{each.id: each.live_fields for each in PROVIDERS.values()}, _ANY: {}},
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
    kept = _picked(metadata, ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"))
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
    slim = _slim_spec(spec)
    slim["volumes"] = [each for each in slim["volumes"] if len(each) > 1]
    names = {each["name"] for each in slim["volumes"]}
    for container in (each for kind in _CONTAINERS for each in slim[kind]):
        container["env"] = [each for each in container["env"] if each["valueFrom"]["secretKeyRef"]]
        container["envFrom"] = [each for each in container["envFrom"] if "secretRef" in each]
        container["volumeMounts"] = [each for each in container["volumeMounts"] if each.get("name") in names]
    return slim


def slim_workload(found: LiveObject) -> LiveObject:
    """Identity, the annotations that say when it is applied, and of its pods' spec what names Secrets and variables."""
    metadata = child(found, "metadata")
    kept = _picked(metadata, (*_IDENTITY, "ownerReferences"))
    annotations = metadata.get("annotations") or {}
    kept["annotations"] = {name: annotations[name] for name in _APPLIED if name in annotations}
    spec = child(found, "spec")
    template = child(spec, "jobTemplate", "spec", "template") or child(spec, "template")
    return {"metadata": kept, "spec": _slim_spec(child(template, "spec") or spec)}


def _slim_spec(spec: LiveObject) -> dict[str, Any]:
    slim: dict[str, Any] = {kind: list(map(_container, spec.get(kind) or ())) for kind in _CONTAINERS}
    slim["volumes"] = list(map(_volume, spec.get("volumes") or ()))
    return {**slim, "imagePullSecrets": spec.get("imagePullSecrets") or ()}


def _volume(found: LiveObject) -> LiveObject:
    kept = _picked(found, ("name", "secret", "projected", "azureFile"))
    # A driver's other attributes are anybody's.
    driver = _picked(child(found, "csi"), ("nodePublishSecretRef",))
    return {**kept, "csi": driver} if driver else kept


def _container(found: LiveObject) -> dict[str, Any]:
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


_SLIM: dict[str, Callable[[LiveObject], LiveObject]] = {
    "externalsecrets": slim_external_secret,
    "events": slim_event,
    "pods": slim_pod,
    **dict.fromkeys(("secrets", "configmaps"), slim_secret),
    **dict.fromkeys(("deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "rollouts"), slim_workload),
}


def kept(plural: str, found: object) -> LiveObject:
    """What is used of an object of a kind that is listed. Raises TypeError as `checked`."""
    return _SLIM[plural](checked(plural, found))


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


# The operator's own name for itself where nothing else is set.
_DEFAULT_CONTROLLER = "default"
_CLUSTER_SCOPED = "ClusterSecretStore"
# The fields by which stores name the Secret with their credential.
_CREDENTIALS = frozenset(
    {"clientSecret", "clientCertificate", "secretRef", "tokenSecretRef", "serviceAccountSecretRef"}
)
# Patterns that Python reads as Go does, whose the operator's are. A group is not repeated: Python might then take for
# ever where Go does not.
_ALIKE = re.compile(r"\^?(?:[a-z0-9.-]|\\[.d-]|\[\^?[a-z0-9-]+\]|[*+?](?![*+?]))*\$?|\^?\([a-z0-9|-]+\)\$?", re.ASCII)


class Access(Enum):
    """Whether a namespace may use a store. UNKNOWN: it depends on labels or a pattern that cannot be judged here."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "unknown"


class StoreLack(NamedTuple):
    """What keeps a namespace from reading the written store by a live store object, and the way out.

    `has_cause` says that the operator's message has the cause.
    """

    message: str
    mend: str
    has_cause: bool = False


def store_lacks(
    store: Store, live: LiveObject | None, namespace: str, labelled: LiveObject | None = None
) -> Iterator[StoreLack]:
    """What is wrong with the live object of `store`; `labelled` is the namespace's object, if it was read."""
    subject, get = _subject(store), kubectl_line("get", store, namespace)
    if live is None:
        yield StoreLack(f"{subject} is not in the cluster", get)
        return
    if not (condition := ready_of(live)):
        yield StoreLack(
            f"{subject} has not been checked by the operator yet", kubectl_line("describe", store, namespace)
        )
    elif not is_ready(live):
        reason = condition.get("reason") or "Unknown"
        yield StoreLack(f"{subject} is not ready: {reason}", kubectl_line("describe", store, namespace), has_cause=True)
    if (another := another_store(store, live, namespace)) is not None:
        yield another
    if access_of(live, namespace, labelled) is Access.DENIED:
        message = f"{subject} does not allow the namespace {quoted(namespace)}"
        yield StoreLack(message, "add it to the store's `conditions`")


def store_doubts(
    store: Store, live: LiveObject | None, namespace: str, labelled: LiveObject | None = None
) -> Iterator[StoreLack]:
    """What cannot be told of the live object of `store`, in the form of a lack."""
    if live is None:
        return
    if sameness_of(store, live) is Sameness.UNPROVEN:
        yield _unproven(store, live, namespace)
    if access_of(live, namespace, labelled) is Access.UNKNOWN:
        allows = f"{_subject(store)} allows the namespace {quoted(namespace)}"
        message = f"whether {allows} depends on what cannot be read here"
        yield StoreLack(message, kubectl_line("get", store, namespace))


def another_store(store: Store, live: LiveObject, namespace: str) -> StoreLack | None:
    """The lack that a live store object leads elsewhere than `store` does, None where it may lead there."""
    if sameness_of(store, live) is not Sameness.ANOTHER:
        return None
    message = f"{_subject(store)} leads to another store than {quoted(store.id)}: {_difference(store, live)}"
    shown = f"{kubectl_line('get', store, namespace)} -o yaml"
    return StoreLack(message, f"correct the address that is wrong; that of the cluster: {shown}")


def is_ready(store: LiveObject) -> bool:
    """Whether its Ready condition is true."""
    return ready_of(store).get("status") == "True"


def sameness_of(store: Store, live: LiveObject) -> Sameness:
    """Whether a live store object leads to `store` as its environment writes it; VAULT_ADDR has no say in that."""
    return compare_stores(store.identity, live_identity(live))


def kubectl_line(verb: str, store: Store, namespace: str) -> str:
    """The line that shows the live object of `store`."""
    where = ["-n", namespace] if store.kind == "SecretStore" else []
    return shell_line("kubectl", *where, verb, store.kind.lower(), store.name)


def _subject(store: Store) -> str:
    return f"the {store.kind} {quoted(store.name)}"


def _difference(store: Store, live: LiveObject) -> str:
    wanted, found = store.identity, live_identity(live)
    if wanted.provider is not found.provider:
        return f"its provider is {quoted(found.provider.id)}, not {quoted(wanted.provider.id)}"
    if not wanted.provider.has_mounts:
        hosts = [parse_address(url) for url in (_address(store, live), store.address or "")]
        there, here = (quoted(each.host if each is not None else "") for each in hosts)
        return f"its `{store.provider.address}` leads to {there}, not {here}"
    fields = (
        ("path", found.mount, wanted.mount),
        ("namespace", found.namespace, wanted.namespace),
        ("version", found.version, wanted.version),
    )
    return " and ".join(
        f"its `{name}` is {quoted(there or '')}, not {quoted(here or '')}"
        for name, there, here in fields
        if there != here
    )


def _address(store: Store, live: LiveObject) -> str:
    return str(child(live, "spec", "provider", store.provider.id).get(store.provider.address) or "")


def _unproven(store: Store, live: LiveObject, namespace: str) -> StoreLack:
    field, url = store.provider.address, _address(store, live)
    why = f"its `{field}` is spelt differently" if store.address else f"the environment has no `{field}`"
    address = parse_address(url)
    # A password in it is not shown.
    line = f"`{field}: {url}`" if address is not None and not address.extra else f"its `{field}`"
    mend = f"write {line} in the environment, as the cluster has it"
    if "reachableAt" in store.provider.settings:
        mend += ", and `reachableAt` for the address from here"
    if address is None or address.extra:
        mend += f"; {kubectl_line('get', store, namespace)} -o yaml shows it"
    message = f"whether {_subject(store)} leads to the store {quoted(store.id)} is not proven: {why}"
    return StoreLack(message, mend)


def selects_by_labels(store: LiveObject | None) -> bool:
    """Whether it takes the namespace's labels to judge its access."""
    return any("namespaceSelector" in each for each in child(store or {}, "spec").get("conditions") or ())


def controller_of(store: LiveObject) -> str:
    """The operator that a store belongs to; another one passes over what refers to it, and changes no status."""
    return str((store.get("spec") or {}).get("controller") or _DEFAULT_CONTROLLER)


def access_of(store: LiveObject, namespace: str, labelled: LiveObject | None = None) -> Access:
    """Whether ExternalSecrets of `namespace` may use `store`; `labelled` is the namespace's object, if it was read.

    A SecretStore serves its own namespace. The conditions of a ClusterSecretStore are joined by or, and without any
    it serves every namespace.
    """
    if store.get("kind", _CLUSTER_SCOPED) != _CLUSTER_SCOPED:
        return Access.ALLOWED
    conditions = (store.get("spec") or {}).get("conditions") or ()
    if not conditions:
        return Access.ALLOWED
    found = {verdict for each in conditions for verdict in _judged(each, namespace, labelled)}
    if Access.ALLOWED in found:
        return Access.ALLOWED
    return Access.UNKNOWN if Access.UNKNOWN in found else Access.DENIED


def _judged(condition: LiveObject, namespace: str, labelled: LiveObject | None) -> list[Access]:
    found = [Access.ALLOWED] if namespace in (condition.get("namespaces") or ()) else []
    found += [_matched(pattern, namespace) for pattern in condition.get("namespaceRegexes") or ()]
    selector = condition.get("namespaceSelector")
    if selector is not None:
        found.append(_selected(selector, labelled))
    return found


def _matched(pattern: str, namespace: str) -> Access:
    if not _ALIKE.fullmatch(pattern):
        return Access.UNKNOWN
    try:
        # Unanchored, as the operator matches.
        return Access.ALLOWED if re.search(pattern, namespace) else Access.DENIED
    except re.error:
        return Access.UNKNOWN


def _selected(selector: LiveObject, labelled: LiveObject | None) -> Access:
    if labelled is None:
        return Access.UNKNOWN
    labels = (labelled.get("metadata") or {}).get("labels") or {}
    wanted = selector.get("matchLabels") or {}
    met = all(labels.get(key) == value for key, value in wanted.items())
    met = met and all(_meets(each, labels) for each in selector.get("matchExpressions") or ())
    return Access.ALLOWED if met else Access.DENIED


def _meets(expression: LiveObject, labels: LiveObject) -> bool:
    key, values = str(expression.get("key")), expression.get("values") or ()
    return {
        "In": key in labels and labels.get(key) in values,
        "NotIn": labels.get(key) not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(expression.get("operator")), False)


def credential_of(store: LiveObject) -> str:
    """Which Secret holds the operator's credential for a store, in words; empty where it logs in by an identity."""
    waiting: list[tuple[str, object]] = [("", child(store, "spec", "provider"))]
    while waiting:
        field, found = waiting.pop(0)
        if not isinstance(found, dict):
            continue
        if field in _CREDENTIALS and isinstance(found.get("name"), str):
            namespace = str(found.get("namespace") or child(store, "metadata").get("namespace") or "")
            title = f"{namespace}/{found['name']}" if namespace else found["name"]
            return f"the operator's credential is the key {quoted(str(found.get('key')))} of the Secret {quoted(title)}"
        waiting += found.items()
    return ""
