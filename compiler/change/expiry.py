"""Plans the expiry date of each write: what a store requires, or what a person asks for.

A remote secret has one date, which Azure Policy judges when a version is written. Where the date that its keys call for
is not allowed any more, the nearest allowed one is written: the keys stay overdue all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from compiler.change.journal import Run
from compiler.change.plan import Kind, Note, NoteKind, Plan, Step, Target, Write, refuse_targets
from compiler.live.ages import plus_days
from compiler.live.read_many import Reading
from compiler.model.environment import Store
from compiler.refusal import Refusal
from compiler.stores.interface import RemoteSecret, SecretReader
from compiler.text.command_line import command_line
from compiler.text.wording import quoted

# What is kept away from a limit, as it counts from when the store makes the version, by its own clock.
_MARGIN = timedelta(hours=1)
# How far an asked date may lie from the stored one and still be that one: days are counted from each run anew.
_SAME_DATE, _SAME_DAYS = 2 * _MARGIN, timedelta(days=1)
# A date so many days after the write, or the date itself.
AskedExpiry = timedelta | datetime
Readings = Mapping[tuple[SecretReader, str], Reading]


def parse_expiry(text: str) -> AskedExpiry:
    """`90d` or `90`, or a date, `2027-01-31` with or without a time, in UTC unless it says so. Raises ValueError."""
    number = text.removesuffix("d")
    if number.isascii() and number.isdecimal():
        return timedelta(days=int(number[:6]))
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def require_possible(asked: AskedExpiry, store: Store, now: datetime) -> None:
    """Raises Refusal for a store that keeps no such date, and for a date that is past or that the store denies."""
    if not store.provider.keeps_dates:
        message = f"{quoted(store.id)} keeps no expiry date beside a value"
        raise Refusal("usage", message, "leave --expires out")
    moment = _moment(asked, now)
    if moment <= now:
        raise Refusal("usage", f"the expiry date {_shown(moment)} is not in the future", "name a later one")
    longest, shortest = store.longest_validity, store.shortest_validity
    if longest is not None and moment > plus_days(now, longest):
        message = f"the expiry date {_shown(moment)} is further ahead than {quoted(store.id)} allows"
        raise Refusal("usage", message, f"its maxValidity is {longest}d")
    if shortest is not None and moment < plus_days(now, shortest):
        message = f"the expiry date {_shown(moment)} is nearer than {quoted(store.id)} allows"
        raise Refusal("usage", message, f"its minValidity is {shortest}d")


def stores_with_dates(stores: Mapping[str, Store], asked: AskedExpiry | None = None) -> dict[str, Store]:
    """Those of `stores` that require a date; all where one is `asked` for."""
    return {name: store for name, store in stores.items() if store.requires_expiry or asked is not None}


def redate(
    steps: Sequence[Step], draft: Plan, stores: Mapping[str, Store], readings: Readings, run: Run | None
) -> tuple[Step, ...]:
    """`steps`, where one into `stores` whose value is there already is to be written if its date is missing."""
    return tuple(
        _redated(step, draft, readings, run) if step.kind is Kind.KEEP and step.place.store in stores else step
        for step in steps
    )


def _redated(step: Step, draft: Plan, readings: Readings, run: Run | None) -> Step:
    store, asked = draft.stores[step.place.store], draft.options.expires
    reading = readings[store, step.place.name]
    entry = run.entries.get((step.place.store, step.place.name)) if run is not None else None
    # What the run has written has the date that it was to have then.
    if not isinstance(reading, RemoteSecret) or (entry is not None and entry.after is not None):
        return step
    # A date that was valid once is left alone: each run would move it.
    expires = reading.attributes.expires
    is_dated = expires is not None
    if expires is not None and asked is not None:
        tolerated = _SAME_DAYS if isinstance(asked, timedelta) else _SAME_DATE
        is_dated = abs(expires - _moment(asked, store.now())) < tolerated
    return step if is_dated else replace(step, kind=Kind.UPDATE, reason="its expiry date is set")


def date_writes(plan: Plan, stores: Mapping[str, Store], *, resumes: bool = False) -> Plan:
    """`plan` with the date of each write into one of `stores`, by their ids: what the store requires, or what is asked.

    A write that has no date to get is refused. Of a run that it `resumes` it raises Refusal instead, as a refused write
    would end that run.
    """
    asked = plan.options.expires
    writes, notes, refused = list[Write](), list[Note](), dict[Target, tuple[str, str]]()
    for write in plan.writes:
        store = stores.get(write.store)
        if store is None or write.kind is Kind.DELETE or write.versions:
            writes.append(write)
            continue
        dated = _dated(write, store, plan.stores[write.store].now(), asked)
        if isinstance(dated, Write):
            writes.append(dated)
            # A date that is asked for may lie after the limit of a key: status says when that is due.
            notes += _notes(dated, plan) if asked is None else ()
        else:
            writes.append(write)
            refused[write.target] = dated
    if refused and resumes:
        reason, remedy = next(iter(refused.values()))
        raise Refusal("found", reason, remedy)
    return refuse_targets(replace(plan, writes=tuple(writes), notes=(*plan.notes, *notes)), refused)


def _dated(write: Write, store: Store, now: datetime, asked: AskedExpiry | None) -> Write | tuple[str, str]:
    """The write with its date; or why it can have none, and what to do."""
    if asked is not None:
        wanted = [_moment(asked, now)]
    else:
        # Of a copy or of what is put back; what a new value replaces had its own date.
        comes_along = write.earlier is not None or write.base is None
        own = write.kept.expires if write.kept is not None and comes_along else None
        wanted = [plus_days(each.since or now, each.days) for each in write.aged] + ([own] if own is not None else [])
    latest = plus_days(now, store.longest_validity) - _MARGIN if store.longest_validity is not None else None
    if not wanted and latest is None:
        return _lack(write.name, store)
    earliest = plus_days(now, store.shortest_validity or 0) + _MARGIN
    ends = min([*wanted, *([latest] if latest is not None else [])])
    ends = max(ends, earliest).replace(microsecond=0)
    days = round((ends - now) / timedelta(days=1))
    dated = replace(write, expires=ends, validity_days=days, redates=asked is not None)
    gets = dated.stored_attributes
    if gets is not None and gets.not_before is not None and gets.not_before >= ends:
        reason = f"its activation date {gets.not_before:%Y-%m-%d} is not before the expiry date {ends:%Y-%m-%d}"
        return reason, "correct its activation date in the store where it comes from"
    return dated


def _notes(write: Write, plan: Plan) -> Iterator[Note]:
    """The keys whose limit ends before the date that is written."""
    for each in write.aged:
        ends = plus_days(each.since, each.days) if each.since is not None else None
        if ends is not None and write.expires is not None and ends < write.expires - _MARGIN:
            keys = {step.place: (step.secret, step.key) for step in write.steps}
            secret, key = keys.get(each.place, (write.steps[0].secret, each.place.property))
            remedy = command_line("put", plan.environment, secret, *([key] if key else []), "--store", write.store)
            yield Note(NoteKind.OVERDUE, secret, each.place, ends, remedy)


def _lack(name: str, store: Store) -> tuple[str, str]:
    reason = f"{quoted(store.id)} requires an expiry date, and no key of {quoted(name)} has a limit to count it from"
    return reason, "add maxValidity to the store, or `rotate` to a key in the catalogue"


def _moment(asked: AskedExpiry, now: datetime) -> datetime:
    return plus_days(now, asked.days) if isinstance(asked, timedelta) else asked


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%d %H:%M} UTC"
