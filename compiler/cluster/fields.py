"""Strips API objects to the fields that are used, and checks their types.

A pod's variables, an operator's arguments and a Secret's other annotations may be credentials in the clear; none of
them gets any further.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Union

from compiler.cluster.view import (
    APPLIED,
    CONTAINERS,
    DATA_HASH,
    EVENTS,
    EXTERNAL_SECRETS,
    FORCE_SYNC,
    NAMESPACES,
    OPERATOR,
    PODS,
    SECRETS,
    STORES,
    LiveObject,
)
from compiler.stores.registry import PROVIDERS

# The fields that are used of an object, with their types: `_ANY` is each key of a map, `dict` a map of any, and a list
# has one type of items. A field that is absent or null has every type.
_Shape = Union[type, list["_Shape"], Mapping[str, "_Shape"], "_ItemsWith"]


class _ItemsWith(NamedTuple):
    """A list; its items with none of these fields are dropped."""

    fields: frozenset[str]
    item: Mapping[str, _Shape]


_ANY = "*"
_TEXTS: _Shape = {_ANY: str}
_NAMES = dict.fromkeys(("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"), str)
_OWNED: dict[str, _Shape] = {
    **_NAMES,
    "ownerReferences": [{"apiVersion": str, "kind": str, "name": str, "controller": bool}],
}
_METADATA: dict[str, _Shape] = {**_OWNED, "generation": int, "labels": _TEXTS}
_CONDITIONS: _Shape = [dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), str)]
_STORE: _Shape = {
    "controller": str,
    "conditions": [{"namespaces": [str], "namespaceRegexes": [str], "namespaceSelector": {}}],
    "provider": {**{each.id: each.live_fields for each in PROVIDERS.values()}, _ANY: {}},
}
_REFERENCE: _Shape = {"name": str, "kind": str}
_SOURCE: _Shape = {"storeRef": _REFERENCE}
_REMOTE: _Shape = {"key": str, "property": str, "version": str}
_EXTERNAL_SECRET: _Shape = {
    "secretStoreRef": _REFERENCE,
    "refreshInterval": str,
    "refreshPolicy": str,
    "data": [{"secretKey": str, "remoteRef": _REMOTE, "sourceRef": _SOURCE}],
    "dataFrom": [{"extract": _REMOTE, "find": {"path": str}, "sourceRef": _SOURCE}],
    "target": {
        "name": str,
        "creationPolicy": str,
        "deletionPolicy": str,
        "manifest": {"kind": str},
        "template": {"data": _TEXTS},
    },
}
_PUSH_SECRET: _Shape = {
    "secretStoreRefs": [_REFERENCE],
    "data": [{"match": {"remoteRef": {"remoteKey": str}}}],
    "dataTo": [{}],
}
_GENERATOR: _Shape = {"path": str, "provider": {"server": str, "namespace": str, "headers": _TEXTS}}
# The specs of the operator's own kinds. They are compared and imported as a whole, so no field of them is dropped.
_SPECS: dict[str, _Shape] = {
    "externalsecrets": _EXTERNAL_SECRET,
    "clusterexternalsecrets": {"externalSecretSpec": _EXTERNAL_SECRET},
    "pushsecrets": _PUSH_SECRET,
    "clusterpushsecrets": {"pushSecretSpec": _PUSH_SECRET},
    "vaultdynamicsecrets": _GENERATOR,
    "clustergenerators": {"generator": {"vaultDynamicSecretSpec": _GENERATOR}},
    "secretproviderclasses": {"provider": str, "parameters": _TEXTS},
    "secretstores": _STORE,
    "clustersecretstores": _STORE,
}


def _by_manager(fields: _Shape) -> _Shape:
    """The shape of `managedFields`: which of these fields each manager wrote, and when."""
    return [{"manager": str, "time": str, "fieldsV1": fields}]


_SYNCED: _Shape = {"conditions": _CONDITIONS, "refreshTime": str, "syncedResourceVersion": str}
_WRITTEN = _by_manager(
    {
        "f:spec": dict,
        "f:metadata": {"f:annotations": {f"f:{FORCE_SYNC}": {}}},
    }
)
# Only the names of keys of its data, by who wrote them. In another annotation kubectl notes the whole Secret.
_SECRET: Mapping[str, _Shape] = {
    "metadata": {
        **_METADATA,
        "annotations": {DATA_HASH: str},
        "managedFields": _by_manager({"f:data": {_ANY: {}}, "f:immutable": {}}),
    }
}
_FILES: dict[str, _Shape] = {"optional": bool, "items": [{"key": str}]}
# Only a variable's name, as its value may be a credential in the clear; a driver's other attributes may be anything.
_FIELDS: dict[str, Mapping[str, _Shape]] = {
    "env": {"name": str, "valueFrom": {"secretKeyRef": {"name": str, "key": str, "optional": bool}}},
    "envFrom": {"prefix": str, "secretRef": {"name": str, "optional": bool}, "configMapRef": {"name": str}},
    "volumeMounts": {"name": str, "subPath": str, "subPathExpr": str},
}
_OF_SECRETS = {"env": ("valueFrom",), "envFrom": ("secretRef",), "volumeMounts": ("subPath", "subPathExpr")}
_VOLUME: _Shape = {
    "name": str,
    "secret": {"secretName": str, **_FILES},
    "projected": {"sources": [{"secret": {"name": str, **_FILES}}]},
    "csi": {"nodePublishSecretRef": {"name": str}},
    "azureFile": {"secretName": str},
}
_POD_SPEC: dict[str, _Shape] = {
    **{kind: [{"name": str, **{name: [item] for name, item in _FIELDS.items()}}] for kind in CONTAINERS},
    "volumes": [_VOLUME],
    "imagePullSecrets": [{"name": str}],
}
_REASON: _Shape = {"reason": str}
_STATE: _Shape = {"waiting": _REASON, "terminated": _REASON, "running": {"startedAt": str}}
_STATES: _Shape = [{"name": str, "restartCount": int, "state": _STATE}]
# There are many of them, and what they have from elsewhere than Secrets is their workload's too.
_SECRETS_ALONE: _Shape = {
    "name": str,
    **{name: _ItemsWith(frozenset(_OF_SECRETS[name]), item) for name, item in _FIELDS.items()},
}
_POD: Mapping[str, _Shape] = {
    "metadata": _OWNED,
    "spec": {**_POD_SPEC, **{kind: [_SECRETS_ALONE] for kind in CONTAINERS}},
    "status": {
        "phase": str,
        "conditions": [{"type": str, "status": str}],
        "initContainerStatuses": _STATES,
        "containerStatuses": _STATES,
    },
}
_TEMPLATE: dict[str, _Shape] = {"template": {"spec": _POD_SPEC}}
_WORKLOAD: Mapping[str, _Shape] = {
    "metadata": {**_METADATA, "annotations": dict.fromkeys(APPLIED, str)},
    "spec": {**_TEMPLATE, "jobTemplate": {"spec": _TEMPLATE}},
}
_OPERATOR: Mapping[str, _Shape] = {
    "metadata": _METADATA,
    "spec": {
        "replicas": int,
        "selector": {"matchLabels": _TEXTS},
    },
    "status": {"readyReplicas": int},
}
_EVENT: Mapping[str, _Shape] = {
    **dict.fromkeys(("message", "lastTimestamp", "eventTime", "firstTimestamp"), str),
    "count": int,
    "involvedObject": {"uid": str},
    "series": {"count": int, "lastObservedTime": str},
}
_SHAPES: dict[str, Mapping[str, _Shape]] = {
    **{
        plural: {"kind": str, "metadata": _METADATA, "spec": spec, "status": {"conditions": _CONDITIONS}}
        for plural, spec in _SPECS.items()
    },
    **{
        plural: {
            "kind": str,
            "metadata": {**_METADATA, "managedFields": _by_manager({"f:spec": dict})},
            "spec": _STORE,
            "status": {"conditions": _CONDITIONS},
        }
        for plural in STORES.values()
    },
    EXTERNAL_SECRETS: {
        "metadata": {**_METADATA, "annotations": _TEXTS, "managedFields": _WRITTEN},
        "spec": _EXTERNAL_SECRET,
        "status": _SYNCED,
    },
    **dict.fromkeys((SECRETS, "configmaps"), _SECRET),
    **dict.fromkeys(("deployments", "statefulsets", "daemonsets", "jobs", "cronjobs", "rollouts"), _WORKLOAD),
    PODS: _POD,
    EVENTS: _EVENT,
    NAMESPACES: {"metadata": _METADATA},
    OPERATOR: _OPERATOR,
}


def keep_used_fields(plural: str, found: Any) -> LiveObject:  # noqa: ANN401 - any JSON
    """Only the fields that are used of an object of that kind. Raises TypeError if one has another type."""
    used: dict[str, Any] = _pick_fields(found, _SHAPES[plural])
    if plural in _SPECS:
        return {**used, "spec": found.get("spec")}
    return used


def _pick_fields(found: Any, shape: _Shape) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(shape, type):
        return _require(found, shape)
    if isinstance(shape, list):
        return [_pick_fields(each, shape[0]) for each in _require(found, list)]
    if isinstance(shape, _ItemsWith):
        # Looked at before their fields are picked: a pod has many variables, and few of Secrets.
        items = [_pick_fields(each, shape.item) for each in _require(found, list) if not shape.fields.isdisjoint(each)]
        return [each for each in items if any(map(each.get, shape.fields))]
    any_name = shape.get(_ANY)
    # Most values have their type at once: a call for each of these would double the time of a large list.
    return {
        name: value if value is None or type(value) is of else _pick_fields(value, of)
        for name, value in _require(found, dict).items()
        if (of := shape.get(name, any_name)) is not None
    }


def _require(found: Any, kind: type) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(found, kind):
        raise TypeError
    return found
