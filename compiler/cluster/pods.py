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
    is_synced,
    keys_of,
    moment_of,
    ready_of,
    refresh_time,
    writers,
)
from compiler.model import group_pairs
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
    """How a pod gets a Secret.

    A volume without subPath is updated when the Secret changes; with the other ways, the pod keeps what it read.
    """

    ENV = "env"
    ENV_FROM = "envFrom"
    VOLUME = "volume"
    SUB_PATH = "subPath"
    IMAGE_PULL = "imagePullSecrets"


_FROZEN = frozenset({Way.ENV, Way.ENV_FROM, Way.SUB_PATH})


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One use of a Secret by a pod."""

    secret: str
    key: str | None  # None for all keys
    way: Way
    optional: bool = False  # the pod starts without it
    container: str | None = None  # None for a use by the whole pod
    prefix: str = field(default="", compare=False)  # before the names of variables
    at: Span | None = field(default=None, compare=False)
    key_at: Span | None = field(default=None, compare=False)
    mounted_in: tuple[str, ...] = field(default=(), compare=False)  # the containers of a subPath

    @property
    def keeps(self) -> bool:
        """Whether the pod keeps the value until it is restarted."""
        return self.way in _FROZEN


def secret_reads(spec: PlainMap, locate: Locate = lambda _: None) -> tuple[SecretRead, ...]:
    """Every use of a Secret in a pod's `spec`, each once; `locate` finds the line of a path in the spec."""
    found = [*_of_containers(spec, locate), *_of_volumes(spec, locate)]
    found += [
        SecretRead(name, None, Way.IMAGE_PULL, optional=True, at=locate(("imagePullSecrets", at, "name")))
        for at, each in maps(spec, "imagePullSecrets")
        if (name := text(each, "name"))
    ]
    return tuple(dict.fromkeys(found))


def containers(spec: PlainMap) -> Iterator[tuple[Path, PlainMap]]:
    """Every container of a pod's spec, of all kinds, with its path."""
    for kind in CONTAINERS:
        for at, container in maps(spec, kind):
            yield (kind, at), container


def maps(data: PlainMap, key: str) -> Iterator[tuple[int, PlainMap]]:
    """The maps in the list under `key`, with their index; none if there is no list."""
    value = data.get(key)
    for at, each in enumerate(value if isinstance(value, list | tuple) else ()):
        if isinstance(each, dict):
            yield at, each


def text(data: PlainMap, key: str) -> str | None:
    """The value under `key` as text, None if it is empty or not a scalar."""
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
    by_sub_path = group_pairs(
        (mount.get("name"), str(container.get("name")))
        for _, container in containers(spec)
        for _, mount in maps(container, "volumeMounts")
        if (mount.get("subPath") or mount.get("subPathExpr")) and isinstance(mount.get("name"), str)
    )
    for at, volume in maps(spec, "volumes"):
        name = volume.get("name")
        mounted_in = tuple(by_sub_path.get(name, ())) if isinstance(name, str) else ()
        yield from _of_files(child(volume, "secret"), "secretName", mounted_in, ("volumes", at, "secret"), locate)
        for index, source in maps(child(volume, "projected"), "sources"):
            above = ("volumes", at, "projected", "sources", index, "secret")
            yield from _of_files(child(source, "secret"), "name", mounted_in, above, locate)
        # The credential of a volume's driver, without which the volume is not mounted.
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
        """The uses by each container that keeps the value from its start."""
        for read in self.reads_of(secret):
            if read.keeps:
                yield from ((name, read) for name in (read.container,) if name is not None)
                yield from ((name, read) for name in read.mounted_in)


def pod_of(found: LiveObject, secrets: Container[str]) -> Pod | None:
    """The pod; None if it reads none of `secrets`, is completed, or is being deleted."""
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
    """The pods that read each of `secrets`, found in one pass: a pass for each Secret would take minutes."""
    every = filter(None, (pod_of(each, secrets) for each in found))
    read = ((name, pod) for pod in every for name in {each.secret for each in pod.reads} if name in secrets)
    return {name: tuple(pods) for name, pods in group_pairs(read).items()}


def _running(status: LiveObject) -> Iterator[tuple[LiveObject, LiveObject]]:
    """The containers that run, with their state. Running init containers count only once the pod is initialised."""
    begun = {"type": "Initialized", "status": "True"}
    has_begun = any(each.items() >= begun.items() for _, each in maps(status, "conditions"))
    for kind in ("containerStatuses", *(["initContainerStatuses"] if has_begun else [])):
        for _, each in maps(status, kind):
            if isinstance(its := child(each, "state").get("running"), dict):
                yield each, its


def pod_problems(
    pods: Iterable[Pod], namespace: str, secrets: Mapping[str, LiveObject] | None
) -> Iterator[ClusterProblem]:
    """A problem for each pod that is not ready; `secrets` are those of the namespace, None if they were not read.

    If a container cannot start for lack of a Secret or a key, the problem names that.
    """
    for pod in pods:
        if pod.is_ready:
            continue
        lacks = tuple(_missing_secrets(pod, namespace, secrets)) if secrets is not None else ()
        why = f" ({', '.join(dict.fromkeys(pod.waiting))})" if pod.waiting else ""
        if lacks and (_NO_CONFIG in pod.waiting or not pod.waiting or "ContainerCreating" in pod.waiting):
            why += f": {'; '.join(lacks)}"
        message = f"the pod {quote(f'{namespace}/{pod.name}')} is not ready{why}"
        yield ClusterProblem(ClusterState.PODS, message, evidence="pods are not ready")


def _missing_secrets(pod: Pod, namespace: str, secrets: Mapping[str, LiveObject]) -> Iterator[str]:
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
    """The keys of a Secret that pods need which are not ready, and that are not in `wanted`."""
    reads = (read for pod in pods if not pod.is_ready for read in pod.reads_of(secret) if not read.optional)
    return tuple(dict.fromkeys(read.key for read in reads if read.key is not None and read.key not in wanted))


def look_commands(pods: Iterable[Pod], namespace: str) -> tuple[str, ...]:
    """The command that shows why the first unready pod is not ready; empty if all are ready."""
    lines = (kubectl_line("-n", namespace, "describe", "pod", pod.name) for pod in pods if not pod.is_ready)
    return tuple(lines)[:1]


def pods_with_old_value(pods: Iterable[Pod], secret: str, changed: datetime) -> tuple[Pod, ...]:
    """The pods with a container that may keep the value of a Secret from before `changed`.

    A start in the same second or at an unknown time counts as earlier: a needless restart does less harm than an old
    value. A container that does not run yet counts from the creation of its pod, which may already have its variables.
    """

    def is_old(pod: Pod, container: str) -> bool:
        started = pod.starts.get(container) or pod.created
        return started is None or started <= changed

    return tuple(pod for pod in pods if any(is_old(pod, name) for name, _ in pod.lasting_reads(secret)))


# The start of a container without a time.
_UNKNOWN = datetime.min.replace(tzinfo=UTC)
# Notes if only one of the two times is later than the start of a container.
_MAY = "pods may hold an earlier value of a Secret that they read: they started before"
_SECRET_ALONE = f"{_MAY} the Secret was last written, but the store does not say that the value changed since"
_VALUE_ALONE = f"{_MAY} the store got its value, but the Secret was not written since"
_ADOPTED = f"{_MAY} its ExternalSecret was created, and it is not known whether the Secret had the same values then"


@dataclass(frozen=True, slots=True)
class Restarts:
    """Which workloads to restart, as they keep an earlier value of a Secret."""

    problems: tuple[ClusterProblem, ...] = ()  # one for each workload
    notes: tuple[str, ...] = ()  # doubts, where a restart may be needed


def judge_starts(
    pods: Iterable[Pod],
    secret: LiveObject | None,
    dates: Mapping[str, datetime],
    now: datetime,
    external_secret: LiveObject | None = None,
) -> Restarts:
    """Which containers started before `secret` got its values; `dates` has the dates of the store's values by key.

    One time proves nothing: a label moves the operator's last write, and a copy to another store the date of the value.
    So both must be later than the start. A container older than `external_secret` may have read the same value from a
    Secret that the operator adopted. A value that the operator has read since it was stored is in the Secret.
    """
    metadata, times, found = child(secret or {}, "metadata"), change_times(secret), external_secret or {}
    made = moment_of(child(found, "metadata").get("creationTimestamp"))
    refreshed = refresh_time(found) if is_synced(found) else None
    first, notes = dict[tuple[str, str], tuple[datetime, Pod]](), dict[str, None]()
    for pod in pods:
        for container, read in pod.lasting_reads(str(metadata.get("name"))):
            if container not in pod.starts:
                continue
            started = pod.starts[container] or pod.created
            own, wrote = _newest(dates, read.key), _newest(times, read.key)
            doubt = _doubt(started, wrote, own, refreshed)
            if doubt == "" and made is not None and started is not None and started < made:
                doubt = _ADOPTED
            if doubt == "":
                start = started or _UNKNOWN, pod
                first[owner_of(pod)] = min(first.get(owner_of(pod), start), start, key=itemgetter(0))
            elif doubt is not None:
                notes[doubt] = None
    namespace, since = str(metadata.get("namespace")), _newest(times, None) or now
    problems = (_restart_problem(pod, started, since, now, namespace) for started, pod in first.values())
    return Restarts(tuple(problems), tuple(notes))


def key_write_time(secret: LiveObject) -> datetime | None:
    """When keys of a Secret were last written, by the API server; None if it does not say."""
    return max(filter(None, (moment_of(time) for time, _, _ in writers(secret, "f:data"))), default=None)


def _newest(times: Mapping[str, datetime], key: str | None) -> datetime | None:
    """The newest of the times or, with `key`, the time of that key."""
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
    """Why it is uncertain that a container keeps an earlier value; empty if certain, None if nothing indicates it.

    A start in the same second counts as earlier. The clocks of nodes are taken to agree with the API server's, as every
    cluster requires.
    """
    is_secret_newer = started is not None and wrote is not None and started <= wrote
    is_value_newer = started is not None and written is not None and started <= written
    if is_secret_newer and is_value_newer and wrote is not None and written is not None and written - wrote <= CLOCKS:
        return ""
    if wrote is not None and written is not None and refreshed is not None and not is_secret_newer:
        # The operator has read this value since, and did not change the Secret: the container has it.
        is_value_newer &= written.replace(microsecond=0) >= refreshed
    # If the store got its value long after the Secret was written, that write was of an earlier value.
    return _SECRET_ALONE if is_secret_newer else _VALUE_ALONE if is_value_newer else None


def owner_of(pod: Pod) -> tuple[str, str]:
    """Kind and name of a pod's workload; of the pod itself if it has none."""
    kind, name = pod.owner or ("Pod", pod.name)
    # A ReplicaSet's name is its Deployment's name and a hash.
    return ("Deployment", name.rpartition("-")[0] or name) if kind == "ReplicaSet" else (kind, name)


def restart_commands(pods: Iterable[Pod], namespace: str) -> tuple[str, ...]:
    """The commands that restart the pods, one for each workload."""
    lines = dict[str, None]()
    for pod in pods:
        kind, name = owner_of(pod)
        restarts = kind in ("Deployment", "StatefulSet", "DaemonSet")
        words = ("rollout", "restart", f"{kind.lower()}/{name}") if restarts else ("delete", "pod", pod.name)
        lines[kubectl_line("-n", namespace, *words)] = None
    return tuple(lines)
