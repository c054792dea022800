"""Remembers a secret's live state from before a change, and compares what must stay with what there is now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.freshness import clock, unread
from compiler.operations.cluster.in_effect import Lack, Live, reasons_against
from compiler.operations.status.pods import Pod, keepers, restart_commands
from compiler.operations.status.row import Problem, State
from compiler.operations.status.values import Likeness
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.operations.status.row import Row

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
