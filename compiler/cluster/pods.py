"""Finds what pods read of Secrets, why one is not ready, and which keep a value that they have read."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any

from compiler.cluster.judge import change_times
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import (
    CLOCKS,
    CONTAINERS,
    LiveObject,
    clock,
    container_states,
    controllers_of,
    creation_of,
    is_synced,
    keys_of,
    moment_of,
    ready_of,
    refresh_time,
)
from compiler.model.document import Span
from compiler.model.values import child
from compiler.text.wording import kubectl_line, list_names, quote

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
    mounted_in: tuple[str, ...] = field(default=(), compare=False)  # the containers of a subPath

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
    by_sub_path: dict[str, list[str]] = {}
    for _, container in containers(spec):
        for _, mount in maps(container, "volumeMounts"):
            if (mount.get("subPath") or mount.get("subPathExpr")) and isinstance(name := mount.get("name"), str):
                by_sub_path.setdefault(name, []).append(str(container.get("name")))
    for at, volume in maps(spec, "volumes"):
        name = volume.get("name")
        mounted_in = tuple(by_sub_path.get(name, ())) if isinstance(name, str) else ()
        yield from _of_files(child(volume, "secret"), "secretName", mounted_in, ("volumes", at, "secret"), locate)
        for index, source in maps(child(volume, "projected"), "sources"):
            above = ("volumes", at, "projected", "sources", index, "secret")
            yield from _of_files(child(source, "secret"), "name", mounted_in, above, locate)
        # What a driver logs in with, without which the volume is not mounted.
        for *within, named in (("csi", "nodePublishSecretRef", "name"), ("azureFile", "secretName")):
            if secret := text(child(volume, *within), named):
                yield SecretRead(secret, None, Way.VOLUME, at=locate(("volumes", at, *within, named)))


def _of_files(
    source: PlainMap, named: str, mounted_in: tuple[str, ...], above: Path, locate: Locate
) -> Iterator[SecretRead]:
    secret, is_optional = text(source, named), source.get("optional") is True
    if secret is None:
        return
    here, way = locate((*above, named)), Way.SUB_PATH if mounted_in else Way.VOLUME
    items = list(maps(source, "items"))
    for at, item in items:
        key, key_at = text(item, "key") or "", locate((*above, "items", at, "key"))
        yield SecretRead(secret, key, way, is_optional, at=here, key_at=key_at, mounted_in=mounted_in)
    if not items:
        yield SecretRead(secret, None, way, is_optional, at=here, mounted_in=mounted_in)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod that reads Secrets of an environment."""

    name: str
    uid: str
    owner: tuple[str, str] | None  # its kind and name
    is_ready: bool
    waiting: tuple[str, ...]  # the reasons of containers that do not run
    restarts: int
    created: datetime | None  # by the API server
    reads: tuple[SecretRead, ...]
    # When each container that runs was started, by its node; None where that does not say.
    starts: Mapping[str, datetime | None] = field(default_factory=dict)

    def reads_of(self, secret: str) -> tuple[SecretRead, ...]:
        return tuple(each for each in self.reads if each.secret == secret)

    def lasting_reads(self, secret: str) -> Iterator[tuple[str, SecretRead]]:
        """What each container has read of a Secret when it was started, and keeps until it is started anew."""
        for read in self.reads_of(secret):
            if read.keeps:
                yield from ((name, read) for name in (read.container,) if name is not None)
                yield from ((name, read) for name in read.mounted_in)


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
        moment_of(metadata.get("creationTimestamp")),
        reads,
        {str(each.get("name")): moment_of(its.get("startedAt")) for each, its in _running(status)},
    )


def pods_by_secret(found: Iterable[LiveObject], secrets: Container[str]) -> dict[str, tuple[Pod, ...]]:
    """The pods that read each of `secrets`: looking through all of a namespace for each one would take minutes."""
    by_secret: dict[str, list[Pod]] = {}
    for pod in filter(None, (pod_of(each, secrets) for each in found)):
        for name in {read.secret for read in pod.reads if read.secret in secrets}:
            by_secret.setdefault(name, []).append(pod)
    return {name: tuple(pods) for name, pods in by_secret.items()}


def _running(status: LiveObject) -> Iterator[tuple[LiveObject, LiveObject]]:
    """The states of containers that run. Of those that run first, what runs once the pod has begun stays with it."""
    begun = {"type": "Initialized", "status": "True"}
    has_begun = any(each.items() >= begun.items() for _, each in maps(status, "conditions"))
    for kind in ("containerStatuses", *(["initContainerStatuses"] if has_begun else [])):
        for _, each in maps(status, kind):
            if isinstance(its := child(each, "state").get("running"), dict):
                yield each, its


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
    lines = (kubectl_line("-n", namespace, "describe", "pod", pod.name) for pod in pods if not pod.is_ready)
    return tuple(lines)[:1]


def pods_with_old_value(pods: Iterable[Pod], secret: str, changed: datetime) -> tuple[Pod, ...]:
    """The pods with a container that may keep what it has read of a Secret before that `changed`.

    One of the same second or of an unknown age counts as older: a needless restart harms less than an old value. One
    that does not run yet is as old as its pod: it may have been given its variables.
    """

    def is_old(pod: Pod, container: str) -> bool:
        started = pod.starts.get(container) or pod.created
        return started is None or started <= changed

    return tuple(pod for pod in pods if any(is_old(pod, name) for name, _ in pod.lasting_reads(secret)))


# When a container started that says no time.
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
# Where one of the two times alone is from after a container's start.
_MAY = "pods may hold an earlier value of a Secret that they read: they started before"
_SECRET_ALONE = f"{_MAY} the Secret was last written, but the store does not say that the value changed since"
_VALUE_ALONE = f"{_MAY} the store got its value, but the Secret was not written since"
_ADOPTED = f"{_MAY} there was its ExternalSecret, and whether the Secret held the same values then is not known"


@dataclass(frozen=True, slots=True)
class Restarts:
    """What is to be done about containers that keep an earlier value of a Secret than it has now."""

    problems: tuple[ClusterProblem, ...] = ()  # one for each workload
    notes: tuple[str, ...] = ()  # where they may


def judge_starts(
    pods: Iterable[Pod],
    secret: LiveObject | None,
    dates: Mapping[str, datetime],
    now: datetime,
    changed: datetime | None = None,
    external_secret: LiveObject | None = None,
) -> Restarts:
    """Which containers started before `secret` got its values; `dates` are those of the values in the store, by key.

    Two times have to say so, as a label moves the operator's last write and a copy to another store the value's date;
    or somebody saw the Secret's data change, at `changed`. What is older than the `external_secret` may have read the
    same from a Secret that the operator took over; what the operator has read since is in the Secret.
    """
    metadata, times, found = child(secret or {}, "metadata"), change_times(secret), external_secret or {}
    made, refreshed = creation_of(found), refresh_time(found) if is_synced(found) else None
    first, notes = dict[tuple[str, str], tuple[datetime, Pod]](), dict[str, None]()
    for pod in pods:
        for container, read in pod.lasting_reads(str(metadata.get("name"))):
            if container not in pod.starts:
                continue
            started = pod.starts[container] or pod.created
            own, wrote = _newest(dates, read.key), _newest(times, read.key)
            if changed is not None and (started is None or started <= changed):
                doubt: str | None = ""
            else:
                doubt = _doubt(started, wrote, own, refreshed)
                if doubt == "" and made is not None and started is not None and started < made:
                    doubt = _ADOPTED
            if doubt == "":
                start = started or _UNKNOWN, pod
                first[owner_of(pod)] = min(first.get(owner_of(pod), start), start, key=itemgetter(0))
            elif doubt is not None:
                notes[doubt] = None
    namespace, since = str(metadata.get("namespace")), changed or _newest(times, None) or now
    problems = (_restart_problem(pod, started, since, now, namespace) for started, pod in first.values())
    return Restarts(tuple(problems), tuple(notes))


def _newest(times: Mapping[str, datetime], key: str | None) -> datetime | None:
    """The newest of the times by key, or that of one key."""
    return max(times.values(), default=None) if key is None else times.get(key)


def _restart_problem(pod: Pod, started: datetime, since: datetime, now: datetime, namespace: str) -> ClusterProblem:
    kind, name = owner_of(pod)
    times = f"started {_without_zone(started, now)}, the Secret changed {clock(since, now)}"
    message, line = f"restart needed: {kind} {quote(name)} {times}", "".join(restart_commands([pod], namespace))
    common = "restart needed: pods started before their Secrets changed"
    return ClusterProblem(ClusterState.RESTART, message, line, evidence=common)


def _without_zone(when: datetime, now: datetime) -> str:
    return "at an unknown time" if when == _UNKNOWN else clock(when, now).removesuffix(" UTC")


def _doubt(
    started: datetime | None, wrote: datetime | None, written: datetime | None, refreshed: datetime | None
) -> str | None:
    """Why it is not certain that a container keeps an earlier value; empty where it is, None where nothing says so.

    What is of one second counts as older. A node's clock is taken for the API server's, on which a cluster depends.
    """
    is_secret_newer = started is not None and wrote is not None and started <= wrote
    is_value_newer = started is not None and written is not None and started <= written
    if is_secret_newer and is_value_newer and wrote is not None and written is not None and written - wrote <= CLOCKS:
        return ""
    if wrote is not None and written is not None and refreshed is not None and not is_secret_newer:
        # The operator has read this value since, and left the Secret as the container has read it.
        is_value_newer &= written.replace(microsecond=0) >= refreshed
    # What the store got long after that write did not come with it, whichever clock is ahead.
    return _SECRET_ALONE if is_secret_newer else _VALUE_ALONE if is_value_newer else None


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
        lines[kubectl_line("-n", namespace, *words)] = None
    return tuple(lines)
