"""Finds what pods read of Secrets, why one is not ready, and which keep a value that they have read."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import (
    CONTAINERS,
    LiveObject,
    child,
    container_states,
    controllers_of,
    keys_of,
    ready_of,
)
from compiler.model.document import Span
from compiler.text.wording import list_names, quote, shell_line

PlainMap = Mapping[str, Any]
Path = tuple[str | int, ...]
Locate = Callable[[Path], Span | None]
# A pod that is over reads nothing any more.
COMPLETED = frozenset({"Succeeded", "Failed"})
_NO_CONFIG = "CreateContainerConfigError"


class Way(StrEnum):
    """How a pod gets a Secret. A volume follows a change, if not mounted by subPath; the others keep what they read."""

    ENV = "env"
    ENV_FROM = "envFrom"
    VOLUME = "volume"
    SUB_PATH = "subPath"
    IMAGE_PULL = "imagePullSecrets"


_FROZEN = frozenset({Way.ENV, Way.ENV_FROM, Way.SUB_PATH})


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One reading of a Secret."""

    secret: str
    key: str | None  # None: all that it has
    way: Way
    optional: bool = False  # the pod starts without it
    container: str | None = None  # None for what a pod reads as a whole
    prefix: str = field(default="", compare=False)  # before the names of variables
    at: Span | None = field(default=None, compare=False)
    key_at: Span | None = field(default=None, compare=False)

    @property
    def keeps(self) -> bool:
        """Whether the pod keeps what it has read until it is started anew."""
        return self.way in _FROZEN


def secret_reads(spec: PlainMap, locate: Locate = lambda _: None) -> tuple[SecretRead, ...]:
    """Every reading of a Secret in a pod's `spec`, each once; `locate` finds the place of a path in that."""
    found = [*_of_containers(spec, locate), *_of_volumes(spec, locate)]
    found += [
        SecretRead(name, None, Way.IMAGE_PULL, optional=True, at=locate(("imagePullSecrets", at, "name")))
        for at, each in maps(spec, "imagePullSecrets")
        if (name := text(each, "name"))
    ]
    return tuple(dict.fromkeys(found))


def containers(spec: PlainMap) -> Iterator[tuple[Path, PlainMap]]:
    """Every container of a pod's spec, of all kinds, with the path that leads to it."""
    for kind in CONTAINERS:
        for at, container in maps(spec, kind):
            yield (kind, at), container


def maps(data: PlainMap, key: str) -> Iterator[tuple[int, PlainMap]]:
    """The maps in the list under `key` with their positions; none where there is no list."""
    value = data.get(key)
    for at, each in enumerate(value if isinstance(value, list | tuple) else ()):
        if isinstance(each, dict):
            yield at, each


def text(data: PlainMap, key: str) -> str | None:
    """What stands under `key` as text, None where it is nothing or no scalar."""
    found = data.get(key)
    return str(found) if isinstance(found, str | int) and found != "" else None


def _of_containers(spec: PlainMap, locate: Locate) -> Iterator[SecretRead]:
    for path, container in containers(spec):
        name = str(container.get("name"))
        for at, source in maps(container, "envFrom"):
            reference = child(source, "secretRef")
            if secret := text(reference, "name"):
                here = (*path, "envFrom", at, "secretRef", "name")
                is_optional, before = reference.get("optional") is True, text(source, "prefix") or ""
                yield SecretRead(secret, None, Way.ENV_FROM, is_optional, name, before, locate(here))
        for at, variable in maps(container, "env"):
            reference = child(variable, "valueFrom", "secretKeyRef")
            if secret := text(reference, "name"):
                above = (*path, "env", at, "valueFrom", "secretKeyRef")
                is_optional, key = reference.get("optional") is True, text(reference, "key") or ""
                places = locate((*above, "name")), locate((*above, "key"))
                yield SecretRead(secret, key, Way.ENV, is_optional, name, "", *places)


def _of_volumes(spec: PlainMap, locate: Locate) -> Iterator[SecretRead]:
    by_sub_path = {
        mount.get("name")
        for _, container in containers(spec)
        for _, mount in maps(container, "volumeMounts")
        if (mount.get("subPath") or mount.get("subPathExpr")) and isinstance(mount.get("name"), str)
    }
    for at, volume in maps(spec, "volumes"):
        name = volume.get("name")
        way = Way.SUB_PATH if isinstance(name, str) and name in by_sub_path else Way.VOLUME
        yield from _of_files(child(volume, "secret"), "secretName", way, ("volumes", at, "secret"), locate)
        for index, source in maps(child(volume, "projected"), "sources"):
            above = ("volumes", at, "projected", "sources", index, "secret")
            yield from _of_files(child(source, "secret"), "name", way, above, locate)
        # What a driver logs in with, without which the volume is not mounted.
        for *within, named in (("csi", "nodePublishSecretRef", "name"), ("azureFile", "secretName")):
            if secret := text(child(volume, *within), named):
                yield SecretRead(secret, None, Way.VOLUME, at=locate(("volumes", at, *within, named)))


def _of_files(source: PlainMap, named: str, way: Way, above: Path, locate: Locate) -> Iterator[SecretRead]:
    secret, is_optional = text(source, named), source.get("optional") is True
    if secret is None:
        return
    here = locate((*above, named))
    items = list(maps(source, "items"))
    for at, item in items:
        key, key_at = text(item, "key") or "", locate((*above, "items", at, "key"))
        yield SecretRead(secret, key, way, is_optional, at=here, key_at=key_at)
    if not items:
        yield SecretRead(secret, None, way, is_optional, at=here)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that reads Secrets of an environment."""

    name: str
    uid: str
    owner: tuple[str, str] | None  # its kind and name
    is_ready: bool
    waiting: tuple[str, ...]  # the reasons of containers that do not run
    restarts: int
    created: str  # by the API server, empty where it does not say
    reads: tuple[SecretRead, ...]

    def reads_of(self, secret: str) -> tuple[SecretRead, ...]:
        return tuple(each for each in self.reads if each.secret == secret)


def pod_of(found: LiveObject, secrets: Container[str]) -> Pod | None:
    """The pod, None where it reads none of `secrets`, is completed, or is being deleted."""
    metadata, status = child(found, "metadata"), child(found, "status")
    if status.get("phase") in COMPLETED or metadata.get("deletionTimestamp"):
        return None
    reads = secret_reads(child(found, "spec"))
    if not any(each.secret in secrets for each in reads):
        return None
    owners, states = controllers_of(found), container_states(found)
    return Pod(
        str(metadata.get("name")),
        str(metadata.get("uid")),
        (str(owners[0][0]), str(owners[0][1])) if owners else None,
        ready_of(found).get("status") == "True",
        tuple(str(reason) for each in states if (reason := child(each, "state", "waiting").get("reason"))),
        sum(int(each.get("restartCount") or 0) for each in states),
        str(metadata.get("creationTimestamp") or ""),
        reads,
    )


def pod_problems(
    pods: Iterable[Pod], namespace: str, secrets: Mapping[str, LiveObject] | None
) -> Iterator[ClusterProblem]:
    """A problem for each pod that is not ready; `secrets` are those of the namespace, None where they were not asked.

    A container that cannot be configured is told by the Secret or key that it lacks.
    """
    for pod in pods:
        if pod.is_ready:
            continue
        lacks = tuple(_lacks(pod, namespace, secrets)) if secrets is not None else ()
        why = f" ({', '.join(dict.fromkeys(pod.waiting))})" if pod.waiting else ""
        if lacks and (_NO_CONFIG in pod.waiting or not pod.waiting or "ContainerCreating" in pod.waiting):
            why += f": {'; '.join(lacks)}"
        message = f"the pod {quote(f'{namespace}/{pod.name}')} is not ready{why}"
        yield ClusterProblem(ClusterState.PODS, message, evidence="pods are not ready")


def _lacks(pod: Pod, namespace: str, secrets: Mapping[str, LiveObject]) -> Iterator[str]:
    needed: dict[str, list[str]] = {}
    for read in pod.reads:
        if not read.optional:
            needed.setdefault(read.secret, []).extend([read.key] if read.key is not None else [])
    for name, keys in needed.items():
        title = quote(f"{namespace}/{name}")
        if name not in secrets:
            yield f"there is no Secret {title}"
        elif missing := sorted(set(keys) - keys_of(secrets[name])):
            yield f"the Secret {title} lacks {list_names(missing)}"


def unlisted_keys(pods: Iterable[Pod], secret: str, wanted: Container[str]) -> tuple[str, ...]:
    """The keys of a Secret that pods which are not ready need, and that are not among the `wanted` ones."""
    reads = (read for pod in pods if not pod.is_ready for read in pod.reads_of(secret) if not read.optional)
    return tuple(dict.fromkeys(read.key for read in reads if read.key is not None and read.key not in wanted))


def look_commands(pods: Iterable[Pod], namespace: str) -> tuple[str, ...]:
    """The line that shows why the first pod is not ready; none where all are."""
    lines = (shell_line("kubectl", "-n", namespace, "describe", "pod", pod.name) for pod in pods if not pod.is_ready)
    return tuple(lines)[:1]


def pods_with_old_value(pods: Iterable[Pod], secret: str, stale: Container[str]) -> tuple[Pod, ...]:
    """The pods of `stale`, by uid, that keep what they read of a Secret before it changed."""
    return tuple(pod for pod in pods if pod.uid in stale and any(read.keeps for read in pod.reads_of(secret)))


def owner_of(pod: Pod) -> tuple[str, str]:
    """Kind and name of what runs a pod; of the pod itself where nothing does."""
    kind, name = pod.owner or ("Pod", pod.name)
    # A Deployment names its ReplicaSets by itself and a hash.
    return ("Deployment", name.rpartition("-")[0] or name) if kind == "ReplicaSet" else (kind, name)


def restart_commands(pods: Iterable[Pod], namespace: str) -> tuple[str, ...]:
    """The lines that start the pods anew, one for each workload."""
    lines = dict[str, None]()
    for pod in pods:
        kind, name = owner_of(pod)
        restarts = kind in ("Deployment", "StatefulSet", "DaemonSet")
        words = ("rollout", "restart", f"{kind.lower()}/{name}") if restarts else ("delete", "pod", pod.name)
        lines[shell_line("kubectl", "-n", namespace, *words)] = None
    return tuple(lines)
