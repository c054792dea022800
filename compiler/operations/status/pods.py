"""Judges the pods that read a Secret: whether they are ready, and what keeps their containers from starting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.slim import keys_of
from compiler.operations.consumers.pod_specs import SecretRead, secret_reads
from compiler.operations.status.row import Problem, State
from compiler.text.command_line import shell_line
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    LiveObject = Mapping[str, Any]

_COMPLETED = frozenset({"Succeeded", "Failed"})
_NO_CONFIG = "CreateContainerConfigError"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that reads Secrets of an environment. `waiting` are the reasons of containers that do not run."""

    name: str
    uid: str
    owner: tuple[str, str] | None
    is_ready: bool
    waiting: tuple[str, ...]
    restarts: int
    reads: tuple[SecretRead, ...]

    def reads_of(self, secret: str) -> tuple[SecretRead, ...]:
        return tuple(each for each in self.reads if each.secret == secret)


def pod_of(found: LiveObject, secrets: Container[str]) -> Pod | None:
    """The pod, None where it reads none of `secrets`, is completed, or is being deleted."""
    metadata, status = found["metadata"], found["status"]
    if status.get("phase") in _COMPLETED or metadata.get("deletionTimestamp"):
        return None
    reads = secret_reads(found["spec"])
    if not any(each.secret in secrets for each in reads):
        return None
    owners = [each for each in metadata.get("ownerReferences") or () if each.get("controller")]
    return Pod(
        str(metadata.get("name")),
        str(metadata.get("uid")),
        (str(owners[0].get("kind")), str(owners[0].get("name"))) if owners else None,
        any(each.get("status") == "True" for each in status["conditions"]),
        tuple(str(each["waiting"]) for each in status["containers"] if each.get("waiting")),
        sum(int(each.get("restartCount") or 0) for each in status["containers"]),
        reads,
    )


def unready(pods: Iterable[Pod], namespace: str, secrets: Mapping[str, LiveObject] | None) -> Iterator[Problem]:
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
        yield Problem(State.PODS, f"the pod {quoted(f'{namespace}/{pod.name}')} is not ready{why}")


def _lacks(pod: Pod, namespace: str, secrets: Mapping[str, LiveObject]) -> Iterator[str]:
    needed: dict[str, list[str]] = {}
    for read in pod.reads:
        if not read.optional:
            needed.setdefault(read.secret, []).extend([read.key] if read.key is not None else [])
    for name, keys in needed.items():
        title = quoted(f"{namespace}/{name}")
        if name not in secrets:
            yield f"there is no Secret {title}"
        elif missing := sorted(set(keys) - keys_of(secrets[name])):
            yield f"the Secret {title} lacks {listed(missing)}"


def unlisted_keys(pods: Iterable[Pod], secret: str, wanted: Container[str]) -> tuple[str, ...]:
    """The keys of a Secret that pods which are not ready need, and that are not among the `wanted` ones."""
    reads = (read for pod in pods if not pod.is_ready for read in pod.reads_of(secret) if not read.optional)
    return tuple(dict.fromkeys(read.key for read in reads if read.key is not None and read.key not in wanted))


def look_commands(pods: Iterable[Pod], namespace: str) -> tuple[str, ...]:
    """The line that shows why the first pod is not ready; none where all are."""
    lines = (shell_line("kubectl", "-n", namespace, "describe", "pod", pod.name) for pod in pods if not pod.is_ready)
    return tuple(lines)[:1]


def keepers(pods: Iterable[Pod], secret: str, stale: Container[str]) -> tuple[Pod, ...]:
    """The pods of `stale`, by uid, that keep what they read of a Secret before it changed."""
    return tuple(pod for pod in pods if pod.uid in stale and any(read.keeps for read in pod.reads_of(secret)))


def restart_commands(pods: Iterable[Pod], namespace: str) -> tuple[str, ...]:
    """The lines that start the pods anew, one for each workload."""
    return tuple(dict.fromkeys(_restarts(pods, namespace)))


def _restarts(pods: Iterable[Pod], namespace: str) -> Iterator[str]:
    for pod in pods:
        kind, name = pod.owner or ("Pod", pod.name)
        if kind == "ReplicaSet":
            # A Deployment names its ReplicaSets by itself and a hash.
            words = ["rollout", "restart", f"deployment/{name.rpartition('-')[0] or name}"]
        elif kind in ("StatefulSet", "DaemonSet"):
            words = ["rollout", "restart", f"{kind.lower()}/{name}"]
        else:
            words = ["delete", "pod", pod.name]
        yield shell_line("kubectl", "-n", namespace, *words)
