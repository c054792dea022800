"""Plans what each write stores beside its value: its age and its expiry date.

Without its age, a copy or what is put back would be as young as its date. A remote secret has one expiry date, which
Azure Policy judges when a version is written: where the date that its keys call for is not allowed any more, the
nearest allowed one is written, and the keys stay overdue all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from compiler.change.journal import Run
from compiler.change.operations import NewVersion, Operation, Put, Restore, refuse_targets
from compiler.change.plan import (
    Aged,
    Kind,
    Location,
    Note,
    NoteKind,
    Plan,
    Step,
    Target,
)
from compiler.live.observation import (
    NOT_HELD,
    Likeness,
    Readings,
    ask_many,
    compare_held,
    plus_days,
    value_at,
)
from compiler.model.environment import Store
from compiler.model.inventory import PlaceLimits
from compiler.refusal import Refusal
from compiler.stores.errors import Action, ConflictError, DisabledError, StoreLocation
from compiler.stores.interface import (
    VALUE_SINCE,
    Problem,
    RemoteSecret,
    SecretReader,
    SecretWriter,
    Use,
    since_text,
)
from compiler.stores.secret_value import Comparer
from compiler.text.wording import command_line, quote

# The limits of keys at their destinations, by store id.
Limits = Mapping[str, PlaceLimits]
# Finds the date of each step's value, None if it is not known; each step comes with its limit in days.
SinceOf = Callable[[Sequence[tuple[Step, int]]], Iterable[datetime | None]]


def tags_to_copy(tags: Mapping[str, str]) -> dict[str, str]:
    """`tags` without the age, which is about one secret only."""
    return {name: text for name, text in tags.items() if name != VALUE_SINCE}


def since_in_sources(readers: Mapping[str, SecretReader]) -> SinceOf:
    """Finds the dates of values in the stores that they are copied from; `readers` are those stores, by id."""

    def since(steps: Sequence[tuple[Step, int]]) -> list[datetime | None]:
        from compiler.live.ages import values_since  # noqa: PLC0415 - few keys have a limit

        origins: dict[tuple[str, str], tuple[RemoteSecret, dict[int, tuple[int, str | None]]]] = {}
        for number, (step, days) in enumerate(steps):
            if step.source is not None and step.origin is not None:
                keys = origins.setdefault((step.source.store, step.origin.name), (step.origin, {}))[1]
                keys[number] = days, step.source.property
        now, found = datetime.now(UTC), dict[int, datetime | None]()
        for (store, _), (origin, keys) in origins.items():
            found |= values_since(readers[store], origin, keys, now)
        return [found.get(number) for number in range(len(steps))]

    return since


def carry_ages(plan: Plan, limits: Limits, since_of: SinceOf | None, used: Mapping[str, Store]) -> Plan:
    """`plan`, where each write of a value with a limit also writes since when the oldest of these is the same.

    `since_of` finds how old the values are; None for new ones. `used` are the destinations: they may require an expiry
    date. A kept key may be older than the new one: the tag gets the older date. Stores are asked only where a key has a
    limit, and no write is refused for it: where the date cannot be written, the plan has a note.
    """
    if not any(_limits_of(write.target, plan, limits) for write in plan.writes):
        return plan

    from compiler.live.ages import may_have_since  # noqa: PLC0415 - few keys have a limit

    def find_dates(write: Put) -> list[Aged]:
        own, store = _limits_of(write.target, plan, limits), used.get(write.store)
        is_dated = store is not None and store.requires_expiry
        steps = [(step, own[step.place.property]) for step in write.steps if step.place.property in own]
        if since_of is None and write.base is not None:
            # A value that is entered again is as old as before.
            steps = [(step, days) for step, days in steps if not _is_there(step, write.base)]
        if not steps and not is_dated:
            return []
        # Only a copy takes an age along.
        is_carried, now = since_of is not None and bool(steps), datetime.now(UTC)
        dates = since_of(steps) if since_of is not None else [now] * len(steps)
        found = [Aged(step.place, days, date, is_carried) for (step, days), date in zip(steps, dates, strict=True)]
        written = {step.place.property for step, _ in steps}
        kept = {property_: days for property_, days in own.items() if property_ not in written}
        if write.recover:
            # The keys that the write keeps can be read only after the recovery.
            return found + [Aged(Location(*write.target, each), days, None, is_carried) for each, days in kept.items()]
        destination = plan.stores[write.store]
        is_tagged = is_carried and write.base is not None and bool(kept) and may_have_since(destination, write.base)
        base = write.base if is_tagged or is_dated else None
        return found + _dates(write.target, destination, base, kept, is_tagged=is_tagged)

    def add_date(write: Operation) -> Operation:
        if isinstance(write, Put):
            own = find_dates(write)
        elif isinstance(write, Restore):
            own = _dates(
                write.target, plan.stores[write.store], write.as_it_was, _limits_of(write.target, plan, limits)
            )
        else:
            return write
        dates = [each.since for each in own if each.is_tagged]
        # The tag is written only where a key needs it.
        return replace(write, aged=tuple(own), since=since_text(*dates) if dates else None)

    return _drop_refused_dates(replace(plan, writes=tuple(ask_many(add_date, plan.writes))))


def _limits_of(target: Target, plan: Plan, limits: Limits) -> Mapping[str | None, int]:
    provider = plan.stores[target[0]].address.provider
    return limits.get(target[0], {}).get(provider.remote_name(target[1]), {})


def _is_there(step: Step, base: RemoteSecret) -> bool:
    return compare_held(value_at(base, step.place.property), step.value, Comparer()) is Likeness.EQUAL


def _dates(
    target: Target,
    store: SecretReader,
    remote: RemoteSecret | None,
    limits: Mapping[str | None, int],
    *,
    is_tagged: bool = True,
) -> list[Aged]:
    """Since when each key in `limits` that `remote` holds has had its value."""
    if remote is None:
        return []
    from compiler.live.ages import values_since  # noqa: PLC0415 - few keys have a limit

    keys = {each: (days, each) for each, days in limits.items() if value_at(remote, each) is not None}
    found = values_since(store, remote, keys, datetime.now(UTC))
    return [Aged(Location(*target, each), limits[each], date, is_tagged) for each, date in found.items()]


def _drop_refused_dates(plan: Plan) -> Plan:
    """`plan` without the dates that their store would or might refuse: each write goes on, with a note."""
    lost: dict[Target, str] = {}
    dated = [write for write in plan.writes if isinstance(write, NewVersion) and write.since is not None]
    for store_id, store in plan.stores.items():
        writes = [each for each in dated if each.store == store_id]
        if not writes:
            continue
        lost |= {write.target: problem.remedy for write in writes for problem in _problems(write, store)}
        denied = store.check_access({write.name: {Use.TAG} for write in writes})
        if denied is None:
            lost |= {write.target: "" for write in writes}
        lost |= {(store_id, problem.name): problem.remedy for problem in denied or ()}
        store.expect({write.name: {Use.CREATE, Use.UPDATE, Use.TAG} for write in writes})
    notes = [
        Note(NoteKind.AGE, secret, Location(*write.target, None), remedy=lost[write.target])
        for write in dated
        if write.target in lost
        for secret in dict.fromkeys(step.secret for step in write.steps)
    ]
    kept = {write.target: replace(write, since=None) for write in dated if write.target in lost}
    every = tuple(kept.get(write.target, write) for write in plan.writes)
    return replace(plan, writes=every, notes=(*plan.notes, *notes))


def _problems(write: NewVersion, store: SecretWriter) -> list[Problem]:
    """The problems that the store has with the write only because of its date."""
    without = store.check(write.name, write.content, write.base, replace(write, since=None).stored_attributes)
    every = store.check(write.name, write.content, write.base, write.stored_attributes)
    return [problem for problem in every if problem not in without]


# The distance to a limit: the store counts from when it makes the version, by its own clock.
_MARGIN = timedelta(hours=1)
# How far the stored date may be from the asked one and still count as the same: each run counts days from now.
_SAME_DATE, _SAME_DAYS = 2 * _MARGIN, timedelta(days=1)
# A date so many days after the write, or the date itself.
AskedExpiry = timedelta | datetime


def parse_expiry(text: str) -> AskedExpiry:
    """`90d` or `90`, or a date, `2027-01-31` with or without a time, in UTC unless it says so. Raises ValueError."""
    number = text.removesuffix("d")
    if number.isascii() and number.isdecimal():
        return timedelta(days=int(number[:6]))
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)


def require_possible(asked: AskedExpiry, store: Store, now: datetime) -> None:
    """Raises Refusal for a store without expiry dates, and for a date that is past or outside the store's limits."""
    if not store.provider.keeps_dates:
        message = f"{quote(store.id)} keeps no expiry date beside a value"
        raise Refusal("usage", message, "leave --expires out")
    moment = _moment(asked, now)
    if moment <= now:
        raise Refusal("usage", f"the expiry date {_date_text(moment)} is not in the future", "name a later one")
    longest, shortest = store.longest_validity, store.shortest_validity
    if longest is not None and moment > plus_days(now, longest):
        message = f"the expiry date {_date_text(moment)} is further ahead than {quote(store.id)} allows"
        raise Refusal("usage", message, f"its maxValidity is {longest}d")
    if shortest is not None and moment < plus_days(now, shortest):
        message = f"the expiry date {_date_text(moment)} is nearer than {quote(store.id)} allows"
        raise Refusal("usage", message, f"its minValidity is {shortest}d")


def stores_with_dates(stores: Mapping[str, Store], asked: AskedExpiry | None = None) -> dict[str, Store]:
    """The stores that require an expiry date; all of them where one is `asked` for."""
    return {name: store for name, store in stores.items() if store.requires_expiry or asked is not None}


def rewrite_missing_expiry(draft: Plan, stores: Mapping[str, Store], readings: Readings) -> Plan:
    """The draft, which also rewrites the values in `stores` that are there already without their expiry date."""
    asked = draft.options.expires

    def lacks_date(step: Step) -> bool:
        store = draft.stores[step.place.store]
        reading = readings[store, step.place.name]
        if not isinstance(reading, RemoteSecret):
            return False
        # Without an asked date, any date is left alone: otherwise each run would move it.
        expires = reading.attributes.expires
        if expires is None or asked is None:
            return expires is None
        tolerated = _SAME_DAYS if isinstance(asked, timedelta) else _SAME_DATE
        return abs(expires - _moment(asked, store.now())) >= tolerated

    steps = tuple(
        replace(step, kind=Kind.UPDATE, reason="its expiry date is set")
        if step.kind is Kind.KEEP and step.value is not None and step.place.store in stores and lacks_date(step)
        else step
        for step in draft.steps
    )
    return replace(draft, steps=steps)


def date_writes(plan: Plan, stores: Mapping[str, Store]) -> Plan:
    """`plan` with the expiry date of each write to one of `stores`: the asked date, or one that the store allows.

    A write for which there is no date is refused.
    """
    asked = plan.options.expires
    writes, notes, refused = list[Operation](), list[Note](), dict[Target, tuple[str, str]]()
    for write in plan.writes:
        store = stores.get(write.store)
        if store is None or not isinstance(write, NewVersion):
            writes.append(write)
            continue
        dated = _set_expiry(write, store, plan.stores[write.store].now(), asked)
        if isinstance(dated, NewVersion):
            writes.append(dated)
            # An asked date may be after the limit of a key: `status` shows when that is due.
            notes += _overdue(dated, plan) if asked is None else ()
        else:
            refused[write.target] = dated
    return refuse_targets(replace(plan, writes=tuple(writes), notes=(*plan.notes, *notes)), refused)


def _set_expiry(
    write: NewVersion, store: Store, now: datetime, asked: AskedExpiry | None
) -> NewVersion | tuple[str, str]:
    """The write with its expiry date, or else the reason why it has none and the remedy."""
    if asked is not None:
        wanted = [_moment(asked, now)]
    else:
        # A copy or a restored version brings its date along; a new value does not take the date of the old one.
        comes_along = isinstance(write, Restore) or write.base is None
        own = write.attributes.expires if write.attributes is not None and comes_along else None
        wanted = [plus_days(each.since or now, each.days) for each in write.aged] + ([own] if own is not None else [])
    latest = plus_days(now, store.longest_validity) - _MARGIN if store.longest_validity is not None else None
    if not wanted and latest is None:
        reason = f"{quote(store.id)} requires an expiry date, and no key of {quote(write.name)} has a limit"
        return f"{reason} to count it from", "add maxValidity to the store, or `rotate` to a key in the catalogue"
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


def _overdue(write: NewVersion, plan: Plan) -> Iterator[Note]:
    """A note of each key whose limit ends before the date that is written."""
    for each in write.aged:
        ends = plus_days(each.since, each.days) if each.since is not None else None
        if ends is not None and write.expires is not None and ends < write.expires - _MARGIN:
            keys = {step.place: (step.secret, step.key) for step in write.steps}
            secret, key = keys.get(each.place, (write.steps[0].secret, each.place.property))
            remedy = command_line("put", plan.environment, secret, *([key] if key else []), "--store", write.store)
            yield Note(NoteKind.OVERDUE, secret, each.place, ends, remedy)


def _moment(asked: AskedExpiry, now: datetime) -> datetime:
    return plus_days(now, asked.days) if isinstance(asked, timedelta) else asked


def _date_text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%d %H:%M} UTC"


COMMAND = "rotate"


def places_of_rotation(
    run: Run, stores: Mapping[str, SecretReader]
) -> Iterator[tuple[Target, RemoteSecret | None, str]]:
    """Each place of `run`, what it holds now, and why that is not the run's version; empty if it is.

    Raises StoreError.
    """
    for (store, name), entry in run.entries.items():
        try:
            remote = stores[store].read(name)
        except (*NOT_HELD, DisabledError) as error:
            yield (store, name), None, error.reason
            continue
        why = ""
        if entry.after is None:
            why = f"the run is not known to have written it: its version is {remote.version}"
        elif not entry.is_own(remote.version, remote.attributes.created):
            wrote = f"the run wrote version {entry.after}"
            why = f"another writer changed it: its version is {remote.version}, and {wrote}"
        yield (store, name), remote, why


def require_own_versions(run: Run, stores: Mapping[str, SecretReader]) -> datetime | None:
    """Require each place to hold the version that `run` wrote; returns when the newest was made, None if unknown.

    Raises StoreError, which is a ConflictError where another writer has written since.
    """
    made = list[datetime]()
    for (store, name), remote, why in places_of_rotation(run, stores):
        if remote is None or why:
            place, found = StoreLocation(stores[store].address.absolute, name), remote.version if remote else None
            close = command_line(COMMAND, run.environment, "--confirm-revoked", run.id)
            remedy = f"find out who wrote it and which value works; to end the rotation: {close}"
            raise ConflictError(place, Action.READ, why, remedy, found=found)
        if remote.attributes.created is not None:
            # By this machine's clock: each store has its own.
            made.append(remote.attributes.created - (stores[store].now() - datetime.now(UTC)))
    return max(made, default=None)
