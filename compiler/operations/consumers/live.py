"""Gathers from a cluster what reads and what makes Secrets: workloads, ExternalSecrets and the Secrets there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.objects import ClusterError
from compiler.operations.cluster.slim import child, keys_of, target_of
from compiler.operations.consumers.manifests import PART_OF_LABEL
from compiler.operations.consumers.objects import Gathered, Made
from compiler.operations.consumers.pod_specs import maps, text
from compiler.operations.consumers.workloads import is_workload, workload_of
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from compiler.operations.cluster.objects import LiveCollections

    LiveObject = Mapping[str, Any]

_KINDS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
    "rollouts": "Rollout",
    "pods": "Pod",
}
# Who may not list these is told the rest: not every cluster has Rollouts, and ConfigMaps only hide variables.
_DISPENSABLE = frozenset({"rollouts", "configmaps"})
# A pod that is over reads nothing any more.
_COMPLETED = frozenset({"Succeeded", "Failed"})
_HELM = ("app.kubernetes.io/managed-by", "Helm")


def gather(cluster: LiveCollections, namespaces: Iterable[str]) -> tuple[Gathered, tuple[str, ...]]:
    """What the cluster holds in those namespaces, and what may not be asked, in words.

    Raises Refusal where the cluster does not answer, or does not let the caller list what matters.
    """
    gathered, notes = Gathered(), list[str]()

    def listed(plural: str, namespace: str) -> tuple[LiveObject, ...]:
        try:
            return cluster.collection(plural, namespace)[0]
        except ClusterError as error:
            if error.permission is None or plural not in _DISPENSABLE:
                failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", error.remedy)
            else:
                notes.append(f"{plural} are not looked at: {error}")
                return ()
        raise failure

    for namespace in dict.fromkeys(namespaces):
        _take_external_secrets(gathered, namespace, listed("externalsecrets", namespace))
        _take_secrets(gathered, namespace, listed("secrets", namespace))
        for each in listed("configmaps", namespace):
            gathered.config_maps[namespace, text(child(each, "metadata"), "name") or ""] = keys_of(each)
        for plural, kind in _KINDS.items():
            for found in listed(plural, namespace):
                _take_workload(gathered, namespace, kind, found)
    return gathered, tuple(notes)


def readers_in(cluster: LiveCollections, namespace: str) -> Mapping[str, tuple[str, ...]] | None:
    """The live workloads that read each Secret, as messages call them; None where they may not be asked for."""
    gathered = Gathered()
    for plural, kind in _KINDS.items():
        try:
            every = cluster.collection(plural, namespace)[0]
        except ClusterError as error:
            if plural in _DISPENSABLE and error.permission is not None:
                continue
            return None
        for found in every:
            _take_workload(gathered, namespace, kind, found)
    readers = gathered.readers()
    return {name: tuple(dict.fromkeys(each.title for each, _ in reading)) for (_, name), reading in readers.items()}


def _take_workload(gathered: Gathered, namespace: str, kind: str, found: LiveObject) -> None:
    metadata = child(found, "metadata")
    owner = _controller(metadata)
    # What belongs to one of those kinds is told by its owner; an operator's own kind has no pods' spec to look at.
    is_told = is_workload(text(owner, "apiVersion") or "", text(owner, "kind") or "")
    if is_told or metadata.get("deletionTimestamp") or child(found, "status").get("phase") in _COMPLETED:
        return
    gathered.objects += 1
    gathered.workloads.append(workload_of(kind, namespace, metadata, child(found, "spec"), lambda _: None))


def _take_external_secrets(gathered: Gathered, namespace: str, every: Iterable[LiveObject]) -> None:
    for found in every:
        metadata, spec = child(found, "metadata"), child(found, "spec")
        name, target = text(metadata, "name") or "", target_of(found)
        if target is None:
            continue
        data = [text(item, "secretKey") for _, item in maps(spec.get("data"))]
        is_known = bool(data) and not spec.get("dataFrom") and not child(spec, "target", "template")
        keys = frozenset(key for key in data if key is not None) if is_known else None
        part_of = text(child(metadata, "labels"), PART_OF_LABEL)
        gathered.make(Made("ExternalSecret", namespace, target, keys, name, part_of))


def _take_secrets(gathered: Gathered, namespace: str, every: Iterable[LiveObject]) -> None:
    for found in every:
        metadata = child(found, "metadata")
        name, label = text(metadata, "name") or "", _HELM[0]
        controller = text(_controller(metadata), "kind")
        known = gathered.made.get((namespace, name), [])
        if controller == "ExternalSecret" and known:
            # Its ExternalSecret is listed; what it really has says more than the spec.
            gathered.made[namespace, name] = [
                Made(each.kind, namespace, name, keys_of(found), each.by, each.part_of) for each in known
            ]
        else:
            kind = controller or (
                "Helm release's Secret" if child(metadata, "labels").get(label) == _HELM[1] else "Secret"
            )
            gathered.make(Made(kind, namespace, name, keys_of(found), name))


def _controller(metadata: LiveObject) -> LiveObject:
    """The reference to the owner that controls the object, an empty one where none does."""
    return next((each for _, each in maps(metadata.get("ownerReferences")) if each.get("controller")), {})
