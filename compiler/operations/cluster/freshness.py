"""Judges how fresh a Secret is, by the times of the operator, of the value, of a request to synchronise, and of now.

The only judge of these times. Whether the live spec is the compiled one is the question of in_effect.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from compiler.model.duration import parse_duration, short_duration
from compiler.operations.cluster.slim import FORCE_SYNC, child
from compiler.text.command_line import shell_line
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    LiveObject = Mapping[str, Any]

# The clocks of this machine, the stores and the cluster may differ by so much.
CLOCKS = timedelta(minutes=5)
# The operator takes a request at once, unless it has many others before it.
_ANSWER = timedelta(minutes=1)
# Its times are whole seconds, and its clock is not the API server's.
_SAME = timedelta(seconds=2)
# With room on both sides for what is added and taken away here.
_YEARS = range(1970, 9000)
# These never refresh by themselves.
_UNTIMED = frozenset({"CreatedOnce", "OnChange"})


class Stale(StrEnum):
    """What makes a Secret older than its value, or may."""

    OLDER_VALUE = "older-value"  # the value was written after the operator last read it
    NOT_REFRESHED = "not-refreshed"  # the operator was asked to synchronise, and has not yet
    SILENT = "operator-silent"  # nothing shows that the operator runs


@dataclass(frozen=True, slots=True)
class Staleness:
    """One reason why a Secret may be stale; `message` quotes nothing that the operator said."""

    kind: Stale
    message: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A value that was `written` after the operator last read it, at `refreshed`."""

    written: datetime
    refreshed: datetime

    @property
    def is_certain(self) -> bool:
        """Whether clocks that differ cannot explain it."""
        return self.written - self.refreshed > CLOCKS


@dataclass(frozen=True, slots=True)
class Signs:
    """What shows that the operator runs, beside an ExternalSecret itself, and the present moment.

    `failed` is when the newest warning about it was repeated; `newest` is the newest sign of any ExternalSecret.
    """

    now: datetime
    failed: datetime | None = None
    newest: datetime | None = None


def moment_of(text: object) -> datetime | None:
    """A time of the API, in UTC; None for what is none, and for the zero time of Go."""
    try:
        found = datetime.fromisoformat(str(text))
        return found.astimezone(UTC) if found.tzinfo is not None and found.year in _YEARS else None
    except (ValueError, OverflowError):
        return None


def clock(when: datetime, now: datetime) -> str:
    """A time as people read it: without its date where that is today's."""
    try:
        when, now = when.astimezone(UTC), now.astimezone(UTC)
    except OverflowError:
        return when.isoformat()
    return f"{when:{'%H:%M:%S' if when.date() == now.date() else '%Y-%m-%d %H:%M:%S'}} UTC"


def operator_pods() -> str:
    """The line that shows whether the operator runs, by the label that its chart gives its pods."""
    return shell_line("kubectl", "get", "pods", "-A", "-l", "app.kubernetes.io/name=external-secrets")


def refreshed_at(external_secret: LiveObject) -> datetime | None:
    """When the operator began its last success."""
    return moment_of(child(external_secret, "status").get("refreshTime"))


def asked_at(external_secret: LiveObject) -> datetime | None:
    """When somebody last asked the operator to synchronise: by the API server's clock, else as the annotation says."""
    metadata = child(external_secret, "metadata")
    mark = child(metadata, "annotations").get(FORCE_SYNC)
    if mark is None:
        return None
    fields = f"f:{FORCE_SYNC}"
    noted = [
        moment_of(each.get("time"))
        for each in metadata.get("managedFields") or ()
        if fields in child(each, "fieldsV1", "f:metadata", "f:annotations")
    ]
    if known := [each for each in noted if each is not None]:
        return max(known)
    try:
        asked = datetime.fromtimestamp(int(mark), UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return asked if asked.year in _YEARS else None


def sign_of(external_secret: LiveObject) -> datetime | None:
    """The newest sign in an ExternalSecret's status that the operator runs; None where it never dealt with it."""
    status = child(external_secret, "status")
    conditions = [moment_of(each.get("lastTransitionTime")) for each in status.get("conditions") or ()]
    return max(filter(None, (refreshed_at(external_secret), *conditions)), default=None)


def unread(external_secret: LiveObject, written: datetime | None) -> Unread | None:
    """The value that the operator has not read since it was `written`; one of the same second counts as read."""
    refreshed = refreshed_at(external_secret)
    if refreshed is None or written is None or written.replace(microsecond=0) <= refreshed:
        return None
    return Unread(written, refreshed)


def is_answered(external_secret: LiveObject) -> bool:
    """Whether the operator has succeeded since it was last asked to synchronise."""
    asked, refreshed = asked_at(external_secret), refreshed_at(external_secret)
    return asked is not None and refreshed is not None and refreshed >= asked


def older_value(
    external_secret: LiveObject, written: datetime | None, title: str, now: datetime
) -> Iterator[Staleness]:
    """Whether the Secret `title` may hold an earlier value than the one that was `written`."""
    found = unread(external_secret, written)
    if found is None:
        return
    times = f"written {clock(found.written, now)}, the operator last read it {clock(found.refreshed, now)}"
    yield Staleness(Stale.OLDER_VALUE, f"the Secret {quoted(title)} may hold an earlier value: {times}")


def silence(external_secret: LiveObject, title: str, signs: Signs) -> Iterator[Staleness]:
    """Whether the operator leaves the ExternalSecret `title` alone: a request unanswered, or a refresh overdue."""
    known = (sign_of(external_secret), signs.failed)
    sign = max(filter(None, known), default=None)
    newest = max(filter(None, (*known, signs.newest)), default=None)
    asked = asked_at(external_secret)
    if asked is not None and (sign is None or sign < asked - _SAME):
        request = f"asked at {clock(asked, signs.now)} to synchronise {quoted(title)}"
        if signs.now - asked > _ANSWER and (newest is None or newest < asked - _SAME):
            yield Staleness(Stale.SILENT, f"the operator seems not to run: it was {request}, and did not")
        else:
            yield Staleness(Stale.NOT_REFRESHED, f"the operator was {request}, and has not yet")
        return
    yield from _overdue(external_secret, title, signs, sign, newest)


def _overdue(
    external_secret: LiveObject, title: str, signs: Signs, sign: datetime | None, newest: datetime | None
) -> Iterator[Staleness]:
    spec = child(external_secret, "spec")
    interval = parse_duration(str(spec.get("refreshInterval") or ""))
    since = sign or moment_of(child(external_secret, "metadata").get("creationTimestamp"))
    if interval is None or since is None or spec.get("refreshPolicy") in _UNTIMED:
        return
    every = timedelta(seconds=min(interval.seconds, timedelta.max.total_seconds() / 4))
    allowed = every + max(every, CLOCKS)
    if signs.now - since <= allowed:
        return
    pace = f"since {clock(since, signs.now)}, although its interval is {short_duration(round(interval.seconds))}"
    runs = newest is not None and signs.now - newest <= allowed
    who = "the operator" if runs else "the operator seems not to run: it"
    yield Staleness(Stale.NOT_REFRESHED if runs else Stale.SILENT, f"{who} has not handled {quoted(title)} {pace}")
