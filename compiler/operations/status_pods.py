"""Judges the pods that read a Secret, and what a change of stores must leave as it was."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from compiler.cluster.judge import Lack, Live, clock, reasons_against, unread
from compiler.cluster.view import keys_of
from compiler.consumers.readers import SecretRead, secret_reads
from compiler.operations.status import Likeness, Problem, Row, State
from compiler.text.command_line import shell_line
from compiler.text.wording import listed, quoted

LiveObject = Mapping[str, Any]


_DATA_HASH = "reconcile.external-secrets.io/data-hash"
_BEFORE_CHANGE = frozenset({Lack.OTHER_SPEC, Lack.NOT_SYNCED})


@dataclass(slots=True)
class Before:
    """What was there when the run began.

    `saw` tells that it was the state before the change, `were_equal` that the store that served the secret then and
    the one in use now hold the same. `stale` are pods, by uid, that started before the data changed. `pending` is when
    a value was written that the operator had not read by then: the Secret is to change, whatever the stores hold.
    """

    saw: bool
    were_equal: bool
    uid: str | None
    data_hash: str | None
    refresh: tuple[str, str]
    restarts: dict[str, int] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()
    newest_hash: str | None = None
    pending: datetime | None = None

    @property
    def not_compared(self) -> tuple[str, ...]:
        """What cannot be compared with the state before the change, because nobody saw it."""
        if self.saw:
            return () if self.uid is not None else ("UID", "data")
        return ("UID", "data", "refresh time", "restarts")


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since the run began: what must not, what may, and the lines that mend it."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    helps: tuple[str, ...] = ()


def before_of(manifest: LiveObject, live: Live, pods: tuple[Pod, ...] | None, row: Row) -> Before:
    """The state at the beginning of a run."""
    lacks = {reason.lack for reason in reasons_against(manifest, live, row.store)}
    served = (((live.external_secret or {}).get("spec") or {}).get("secretStoreRef") or {}).get("name")
    was_other = row.other is not None and served == row.other.name
    was_own = served == row.store.name
    written = row.values.newest if was_own else row.values.other_newest if was_other else None
    pending = written if unread(live.external_secret or {}, written) is not None else None
    saw = live.external_secret is not None and bool(lacks & _BEFORE_CHANGE)
    return Before(
        saw=saw,
        were_equal=saw and (was_other or was_own) and row.values.likeness is Likeness.EQUAL and pending is None,
        uid=_uid(live),
        data_hash=_hash(live),
        refresh=_refresh(live),
        restarts={pod.uid: pod.restarts for pod in pods or ()},
        newest_hash=_hash(live),
        pending=pending,
    )


def compared(before: Before, live: Live, pods: tuple[Pod, ...] | None, title: str, *, needs_refresh: bool) -> Changes:
    """What has changed since; `before` learns of pods and data that are new.

    With `needs_refresh` the operator must have synchronised since.
    """
    problems = [*_of_secret(before, live, pods, title)]
    notes = [*_of_rotation(before, live, title)]
    if needs_refresh and _refresh(live) == before.refresh:
        problems.append(Problem(State.NOT_REFRESHED, f"the operator has not synchronised {quoted(title)} since"))
    for pod in pods or ():
        first = before.restarts.setdefault(pod.uid, pod.restarts)
        if pod.restarts > first:
            problems.append(Problem(State.RESTARTED, f"a container of the pod {quoted(pod.name)} was restarted"))
    namespace, _, name = title.partition("/")
    old = keepers(pods or (), name, before.stale)
    if old:
        message = f"restart needed: {listed(pod.name for pod in old)} started before the data changed"
        # A rotation that came with the switch is not the switch's failure.
        if notes and before.saw:
            notes.append(message)
        else:
            problems.append(Problem(State.RESTART, message))
    return Changes(tuple(problems), tuple(notes), restart_commands(old, namespace))


def _of_rotation(before: Before, live: Live, title: str) -> Iterator[str]:
    data_hash = _hash(live)
    if before.pending is not None and data_hash is not None and data_hash != before.data_hash:
        when = clock(before.pending, datetime.now(UTC))
        yield f"the Secret {quoted(title)} took the value put at {when}, which the operator had not read before"


def _of_secret(before: Before, live: Live, pods: tuple[Pod, ...] | None, title: str) -> Iterator[Problem]:
    uid, data_hash = _uid(live), _hash(live)
    if before.uid is None:
        before.uid, before.data_hash = uid, data_hash
    elif uid is not None and uid != before.uid:
        yield Problem(State.REPLACED, f"the Secret {quoted(title)} was replaced: it has another UID")
    if data_hash is None:
        return
    if before.newest_hash not in (None, data_hash):
        # One that appears at the same moment counts as older: a needless restart harms less than an old value.
        before.stale |= {pod.uid for pod in pods or ()}
    before.newest_hash = data_hash
    if before.were_equal and data_hash != before.data_hash:
        message = f"the data of the Secret {quoted(title)} changed, although both stores held the same"
        yield Problem(State.DATA_CHANGED, message)


def _uid(live: Live) -> str | None:
    found = live.secret["metadata"].get("uid") if live.secret is not None else None
    return str(found) if found is not None else None


def _hash(live: Live) -> str | None:
    found = (live.secret["metadata"].get("annotations") or {}).get(_DATA_HASH) if live.secret is not None else None
    return str(found) if found is not None else None


def _refresh(live: Live) -> tuple[str, str]:
    status = (live.external_secret or {}).get("status") or {}
    return str(status.get("refreshTime")), str(status.get("syncedResourceVersion"))


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
