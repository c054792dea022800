"""Judges by the operator's times whether it has read the newest value, and whether it handles an ExternalSecret."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from operator import itemgetter

from compiler.cluster.problem import ONE_OWNER, ClusterProblem, ClusterState
from compiler.cluster.view import (
    CLOCKS,
    Live,
    LiveObject,
    application_of,
    clock,
    moment_of,
    refresh_time,
    sign_of,
    sync_request_time,
    writers,
)
from compiler.model.facts import parse_duration, short_duration
from compiler.model.values import child
from compiler.text.wording import kubectl_line, quote

# The operator handles a request at once, unless many others are queued.
_ANSWER = timedelta(minutes=1)
# Its times are whole seconds, and its clock is not the API server's.
_SAME = timedelta(seconds=2)
_SILENT = "the operator seems not to run: it leaves the ExternalSecrets alone"
_BEHIND = "the operator is behind with the ExternalSecrets: it handles others"
# Two tools that undo each other do so at each synchronisation; nobody deploys so often by hand.
TURNS, _MOST_BY_HAND = timedelta(hours=1), 10
# These never refresh by themselves.
_UNTIMED = frozenset({"CreatedOnce", "OnChange"})
# The operator waits 1 s after a failure, twice as long after each further one, and never longer than this.
_LONGEST_PAUSE = 7 * 60
_MOST_DOUBLED = 9


def operator_pods() -> str:
    """The kubectl command that shows whether the operator runs, by the label of its chart."""
    return kubectl_line("get", "pods", "-A", "-l", "app.kubernetes.io/name=external-secrets")


def last_read_before(
    external_secret: LiveObject, written: datetime | None, *, in_same_second: bool = True
) -> datetime | None:
    """When the operator last read a value, if that was before it was `written`; else None.

    The operator's times are whole seconds: `in_same_second` says whether a value written in the same second counts as
    read.
    """
    refreshed = refresh_time(external_secret)
    if refreshed is None or written is None:
        return None
    second = written.replace(microsecond=0)
    is_read = second < refreshed or (second == refreshed and in_same_second)
    return None if is_read else refreshed


def turns_of_spec(external_secret: LiveObject, now: datetime) -> str:
    """Why two writers seem to overwrite each other's spec of an ExternalSecret; empty if nothing indicates it.

    The API server counts each change of a spec, and records when each manager last wrote it.
    """
    metadata = child(external_secret, "metadata")
    made, changes = moment_of(metadata.get("creationTimestamp")), (metadata.get("generation") or 1) - 1
    every = [(moment_of(time), name) for time, name, _ in writers(external_secret, "f:spec")]
    recent = sorted({name: time for time, name in every if time is not None and now - time <= TURNS}.items())
    if made is None or not recent:
        return ""
    again = [quote(name) for name, time in recent if time - made > _SAME]
    # After two changes one of two writers has written only once: only a third shows that they take turns.
    if len(again) > 1 and changes > len(again):
        return f"two may overwrite each other: {' and '.join(again)} have both written it within an hour"
    last, time = max(recent, key=itemgetter(1))
    if changes < _MOST_BY_HAND or changes * TURNS < time - made:
        return ""
    return f"two may overwrite each other: its spec has changed once an hour or more often, last by {quote(last)}"


def note_turns(live: Live, now: datetime) -> Iterator[str]:
    """A note that two writers overwrite each other's spec, which is right now, and which of them to keep."""
    found = live.external_secret or {}
    if turns := turns_of_spec(found, now):
        keeps = application_of(found)
        yield f"{turns}; {f'keep the Application {quote(keeps)}, whose spec is live now' if keeps else ONE_OWNER}"


def older_value(
    external_secret: LiveObject, written: datetime | None, title: str, now: datetime, *, in_same_second: bool = True
) -> Iterator[ClusterProblem]:
    """The problem that the Secret `title` may hold an earlier value than the one that was `written`."""
    read = last_read_before(external_secret, written, in_same_second=in_same_second)
    if read is None or written is None:
        return
    times = f"written {clock(written, now)}, the operator last read it {clock(read, now)}"
    message = f"the Secret {quote(title)} may hold an earlier value: {times}"
    common = "the Secrets may hold earlier values: the operator has not read the store since they were written"
    yield ClusterProblem(ClusterState.OLDER_VALUE, message, evidence=common)


def operator_inactivity(
    external_secret: LiveObject,
    title: str,
    now: datetime,
    failed: datetime | None = None,
    newest: datetime | None = None,
) -> Iterator[ClusterProblem]:
    """The problem that the operator does not handle the ExternalSecret `title`: no answer, or an overdue refresh.

    `failed` is when the newest warning about it was repeated; `newest` is the newest sign of any ExternalSecret.
    """
    known = (sign_of(external_secret), failed)
    sign = max(filter(None, known), default=None)
    newest = max(filter(None, (*known, newest)), default=None)
    asked = sync_request_time(external_secret)
    if asked is not None and (sign is None or sign < asked - _SAME):
        request = f"asked at {clock(asked, now)} to synchronise {quote(title)}"
        if now - asked > _ANSWER and (newest is None or newest < asked - _SAME):
            message = f"the operator seems not to run: it was {request}, and did not"
            yield ClusterProblem(ClusterState.SILENT, message, operator_pods(), evidence=_SILENT)
        else:
            message = f"the operator was {request}, and has not yet"
            yield ClusterProblem(ClusterState.NOT_REFRESHED, message, evidence=_BEHIND)
        return
    yield from _overdue(external_secret, title, now, sign, newest)


def _overdue(
    external_secret: LiveObject, title: str, now: datetime, sign: datetime | None, newest: datetime | None
) -> Iterator[ClusterProblem]:
    spec = child(external_secret, "spec")
    interval = parse_duration(str(spec.get("refreshInterval") or ""))
    since = sign or moment_of(child(external_secret, "metadata").get("creationTimestamp"))
    if interval is None or since is None or spec.get("refreshPolicy") in _UNTIMED:
        return
    every = timedelta(seconds=min(interval, timedelta.max.total_seconds() / 4))
    allowed = every + max(every, CLOCKS)
    if now - since <= allowed:
        return
    pace = f"since {clock(since, now)}, although its interval is {short_duration(interval)}"
    message = f"has not handled {quote(title)} {pace}"
    if newest is not None and now - newest <= allowed:
        yield ClusterProblem(ClusterState.NOT_REFRESHED, f"the operator {message}", evidence=_BEHIND)
    else:
        message = f"the operator seems not to run: it {message}"
        yield ClusterProblem(ClusterState.SILENT, message, operator_pods(), evidence=_SILENT)


def next_try(said: str, count: int, now: datetime) -> int:
    """Within how many seconds the operator retries after `count` failures; `said` is the time of the last one."""
    pause, moment = min(_LONGEST_PAUSE, 2 ** min(max(0, count - 1), _MOST_DOUBLED)), moment_of(said)
    if moment is None:
        return _LONGEST_PAUSE
    since = (now - moment).total_seconds()
    # If the clocks differ, only the longest pause is certain.
    return ceil(pause - since) if 0 <= since < pause else _LONGEST_PAUSE
