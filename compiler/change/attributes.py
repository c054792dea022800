"""Plans what each write stores beside its value: its age, its expiry date, and the rotation that it belongs to.

Without its age, a copy or what is put back would be as young as its date. A remote secret has one expiry date, which
Azure Policy judges when a version is written: where the date that its keys call for is not allowed any more, the
nearest allowed one is written, and the keys stay overdue all the same. The id of a rotation keeps `put` and other
rotations away until it ends.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from compiler.change.journal import Run, RunEntry, find_run
from compiler.change.operations import NewVersion, Operation, Put, Restore, refuse_targets
from compiler.change.plan import (
    Aged,
    Kind,
    Location,
    Note,
    NoteKind,
    Plan,
    RotationPhase,
    Step,
    Target,
)
from compiler.change.run_files import caller_of
from compiler.live.observation import (
    NOT_HELD,
    Likeness,
    Readings,
    ask_many,
    compare_held,
    kv_line,
    plus_days,
    rotation_of,
    start_time,
    value_at,
)
from compiler.model.environment import Store
from compiler.model.facts import short_age
from compiler.model.inventory import PlaceLimits
from compiler.refusal import Refusal
from compiler.stores.errors import Action, ConflictError, DisabledError, StoreError, StoreLocation
from compiler.stores.interface import (
    FROM_VERSION,
    ROTATION,
    ROTATION_BY,
    VALUE_SINCE,
    Attributes,
    Problem,
    RemoteSecret,
    SecretReader,
    SecretWriter,
    StoreState,
    Use,
    since_text,
    with_tags,
)
from compiler.stores.secret_value import Comparer
from compiler.text.wording import command_line, quote

# The limits of keys at their destinations, by the stores' ids.
Limits = Mapping[str, PlaceLimits]
# The date of each step's value, None where it is not known; with each step goes its limit in days.
SinceOf = Callable[[Sequence[tuple[Step, int]]], Iterable[datetime | None]]


def tags_to_copy(tags: Mapping[str, str]) -> dict[str, str]:
    """`tags` without those that say something of their own secret alone."""
    return {name: text for name, text in tags.items() if name not in {VALUE_SINCE, ROTATION, ROTATION_BY}}


def since_in_sources(readers: Mapping[str, SecretReader]) -> SinceOf:
    """Finds the dates of values where the steps come from; `readers` are the stores there, by their ids."""

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
    """`plan` with the date of the oldest value with a limit in each write that brings one.

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
            # What is given once more is as old as before.
            steps = [(step, days) for step, days in steps if not _is_there(step, write.base)]
        if not steps and not is_dated:
            return []
        # A new value has no age that would have to be carried.
        is_carried, now = since_of is not None and bool(steps), datetime.now(UTC)
        dates = since_of(steps) if since_of is not None else [now] * len(steps)
        found = [Aged(step.place, days, date, is_carried) for (step, days), date in zip(steps, dates, strict=True)]
        written = {step.place.property for step, _ in steps}
        kept = {property_: days for property_, days in own.items() if property_ not in written}
        if write.recover:
            # What stays beside them is read only after the recovery.
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


def note_undated(plan: Plan, limits: Limits) -> Plan:
    """`plan` with a note of each write of a Vault that was cut off between its values and the date beside them.

    That is a request of its own, and a comparison of values finds the write complete. How old the values are is not
    looked for once more. Raises StoreError.
    """
    notes = list[Note]()
    for (store_id, name), version in plan.stored.items():
        store = plan.stores[store_id]
        if version is None or not store.address.provider.deletes_by_version:
            continue
        own = _limits_of((store_id, name), plan, limits)
        steps = [each for each in plan.steps if each.target == (store_id, name) and each.place.property in own]
        counts = f"{FROM_VERSION}{version}"
        if steps and not store.read(name).attributes.tags.get(VALUE_SINCE, "").endswith(counts):
            text = f"-custom-metadata={VALUE_SINCE}={since_text(None)}{counts}"
            remedy = kv_line(store.address, ("metadata", "patch"), text, name)
            secrets = dict.fromkeys(step.secret for step in steps)
            notes += [Note(NoteKind.AGE, each, Location(store_id, name, None), remedy=remedy) for each in secrets]
    return replace(plan, notes=(*notes, *plan.notes))


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
    """Since when the keys of `limits` that `remote` has have their values."""
    if remote is None:
        return []
    from compiler.live.ages import values_since  # noqa: PLC0415 - few keys have a limit

    keys = {each: (days, each) for each, days in limits.items() if value_at(remote, each) is not None}
    found = values_since(store, remote, keys, datetime.now(UTC))
    return [Aged(Location(*target, each), limits[each], date, is_tagged) for each, date in found.items()]


def _drop_refused_dates(plan: Plan) -> Plan:
    """`plan` without the dates that their store would refuse, or might: each has a note, and its write goes on."""
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
    """Why the store would not take the date beside what else it gets."""
    without = store.check(write.name, write.content, write.base, replace(write, since=None).stored_attributes)
    every = store.check(write.name, write.content, write.base, write.stored_attributes)
    return [problem for problem in every if problem not in without]


# What is kept away from a limit, as it counts from when the store makes the version, by its own clock.
_MARGIN = timedelta(hours=1)
# How far an asked date may lie from the stored one and still be that one: days are counted from each run anew.
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
    """Raises Refusal for a store that keeps no such date, and for a date that is past or that the store denies."""
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
    """Those of `stores` that require a date; all where one is `asked` for."""
    return {name: store for name, store in stores.items() if store.requires_expiry or asked is not None}


def rewrite_missing_expiry(draft: Plan, stores: Mapping[str, Store], readings: Readings, run: Run | None) -> Plan:
    """The draft that also writes into `stores` what is there already and lacks its date."""
    asked = draft.options.expires

    def lacks_date(step: Step) -> bool:
        store = draft.stores[step.place.store]
        reading = readings[store, step.place.name]
        entry = run.entries.get((step.place.store, step.place.name)) if run is not None else None
        # What the run has written has the date that it was to have then.
        if not isinstance(reading, RemoteSecret) or (entry is not None and entry.after is not None):
            return False
        # A date that was valid once is left alone: each run would move it.
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


def date_writes(plan: Plan, stores: Mapping[str, Store], *, resumes: bool = False) -> Plan:
    """`plan` with the date of each write into one of `stores`, by their ids: what the store requires, or what is asked.

    A write that has no date to get is refused. Of a run that it `resumes` it raises Refusal instead, as a refused write
    would end that run.
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
            # A date that is asked for may lie after the limit of a key: status says when that is due.
            notes += _overdue(dated, plan) if asked is None else ()
        else:
            refused[write.target] = dated
    if refused and resumes:
        reason, remedy = next(iter(refused.values()))
        raise Refusal("found", reason, remedy)
    return refuse_targets(replace(plan, writes=tuple(writes), notes=(*plan.notes, *notes)), refused)


def _set_expiry(
    write: NewVersion, store: Store, now: datetime, asked: AskedExpiry | None
) -> NewVersion | tuple[str, str]:
    """The write with its date; or why it can have none, and what to do."""
    if asked is not None:
        wanted = [_moment(asked, now)]
    else:
        # For a copy, or what is put back; what a new value replaces had its own date.
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
    """The keys whose limit ends before the date that is written."""
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


COMMAND, TAKE_OVER = "rotate", "--take-over"


def refuse_rotating(plan: Plan) -> Plan:
    """`plan` without the writes to what another run rotates; their steps name that run.

    Another value would replace the one that the cluster is to get, and the run could no longer be undone.
    """
    found: dict[Target, tuple[str, str]] = {}
    for write in plan.writes:
        attributes = write.base.attributes if write.base is not None else Attributes()
        run = rotation_of(attributes)
        if run is not None and run != plan.tags.get(ROTATION):
            found[write.target] = _why_rotating(plan, run, attributes, write.steps[0].secret)
        elif run is None and plan.tags and ROTATION in attributes.tags:
            found[write.target] = f'it has a tag "{ROTATION}" of another program', "rename that tag, or take it away"
    return refuse_targets(plan, found) if found else plan


def tags_of(run_id: str, holder: str) -> dict[str, str]:
    """The tags of what a run rotates that `holder` holds; a store whose tags are of all versions adds the version."""
    return {ROTATION: run_id, **({ROTATION_BY: holder} if holder else {})}


def tag_rotation(run_id: str, holder: str, store: SecretWriter, name: str, now: str, own: str | None) -> None:
    """Set the tags of a rotation beside the version `now`; `own` is its version, None where that is not known."""
    tags = tags_of(run_id, holder)
    if holder and own is not None and store.address.provider.deletes_by_version:
        tags[ROTATION_BY] = f"{holder}{FROM_VERSION}{own}"
    store.set_tags(name, now, tags)


def drop_ended_tags(plan: Plan, root: Path) -> Plan:
    """The plan of an undo, without the tags of rotations that ended since a Key Vault stored an earlier version.

    Their journals are below `root`; a rotation of another machine keeps its tag.
    """
    return replace(plan, writes=tuple(_drop_ended_tag(write, root) for write in plan.writes))


def _drop_ended_tag(write: Operation, root: Path) -> Operation:
    if not isinstance(write, Restore) or (run_id := rotation_of(write.earlier.attributes)) is None:
        return write
    try:
        run = find_run(root, run_id)
    except Refusal:
        return write
    if run.phase is not RotationPhase.CLOSED and not run.is_undone:
        return write
    had = write.earlier.attributes
    attributes = replace(had, tags=with_tags(had.tags, {ROTATION: None, ROTATION_BY: None}))
    return replace(write, attributes=attributes)


def _why_rotating(plan: Plan, run_id: str, attributes: Attributes, secret: str) -> tuple[str, str]:
    """Why what the run rotates is left alone, and the way out, which is where the run's journal is."""
    run = run_held_here(plan.options.root, run_id, attributes)
    if run is None:
        who = person_of(holder_of(attributes))
        way = f"{journal_place(who)}: continue it there; {if_lost(plan.environment, secret, run_id)}"
        return f"{under_way(run_id, 'it', who)}, is under way", way
    words = [COMMAND, run.environment, *to_arguments(run)]
    if run.is_undo_begun:
        words[2:] = ["--undo", run_id, "--apply"]
    elif run.phase is RotationPhase.CLOSED or run.ended == "conflict":
        words[2:] = ["--confirm-revoked", run_id]
    return f"{under_way(run_id, 'it', run.who)}, is under way", f"continue it: {command_line(*words)}"


def under_way(run_id: str, of: str, who: str) -> str:
    """The rotation in words: of what it is, and who holds it since when; `who` is empty where that is not known."""
    by = f" by {who}" if who else ""
    return f"the rotation {run_id} of {of}, started {short_age(datetime.now(UTC) - start_time(run_id))} ago{by}"


def journal_place(who: str) -> str:
    """Where the journal of a run is that `who` holds; where nobody knows who, in words."""
    return f"its journal is {f'with {who}' if who else 'in the folder of the project where it began'}"


def if_lost(environment: str, secret: str, run_id: str) -> str:
    """The way out where the journal of a rotation is gone."""
    return f"if that is lost: {command_line(COMMAND, environment, secret, TAKE_OVER, run_id)}"


def holder_of(attributes: Attributes) -> str:
    """Who holds the rotation by its tags: who began it, or who took it over, with the id of that."""
    return attributes.tags.get(ROTATION_BY, "").partition(FROM_VERSION)[0]


def person_of(holder: str) -> str:
    """The holder as user@host; empty where the tags do not say that."""
    return caller_of(holder.partition(" ")[0])


def version_of_rotation(attributes: Attributes) -> str | None:
    """The version that the tags are about, as a store says it whose tags are of all versions; None for no word."""
    version = attributes.tags.get(ROTATION_BY, "").partition(FROM_VERSION)[2]
    return version if version.isascii() and version.isdecimal() else None


def run_held_here(root: Path, run_id: str, attributes: Attributes) -> Run | None:
    """The run of these tags, where its journal is here and no other machine holds it."""
    try:
        run = find_run(root, run_id)
    except Refusal:
        return None
    # A take-over that was stopped may have left the first line of its journal alone.
    return run if run.is_planned and not _is_taken(run, attributes) else None


def _is_taken(run: Run, attributes: Attributes) -> bool:
    return rotation_of(attributes) == run.id and holder_of(attributes) not in ("", run.holder)


class NotHolderError(ConflictError):
    """Another machine holds the rotation now, or has ended it: this one stops."""


def require_hold(run: Run, stores: Mapping[str, SecretReader], *, ends: bool = False) -> None:
    """Raises NotHolderError where a tag says that another machine holds `run`, or has ended it.

    Where this one only `ends` the run, it may have been ended elsewhere before. A store that does not answer says
    nothing: what is written there is looked at before that.
    """
    for (store, name), entry in run.entries.items():
        try:
            remote = stores[store].read(name)
        except StoreError:
            continue
        _require_hold_at(run, entry, stores[store], remote, ends=ends)


def require_hold_of_write(run: Run, stores: Mapping[str, SecretReader], target: Target) -> None:
    """The same right before a write to `target`: by its own tag, else by those beside what the run has written.

    Raises NotHolderError, and the StoreError of what cannot be read.
    """
    others = (at for at, entry in run.entries.items() if at != target and (entry.after or entry.maybe_stored))
    for store, name in (target, *others):
        try:
            remote = stores[store].read(name)
        except (*NOT_HELD, DisabledError):
            continue
        _require_hold_at(run, run.entries[store, name], stores[store], remote, ends=False)
        if rotation_of(remote.attributes) == run.id:
            return


def _require_hold_at(run: Run, entry: RunEntry, store: SecretReader, remote: RemoteSecret, *, ends: bool) -> None:
    place, has = StoreLocation(store.address.absolute, remote.name), remote.attributes
    if _is_taken(run, has):
        who = person_of(holder_of(has)) or "somebody"
        remedy = f"continue it there; {if_lost(run.environment, run.secrets[0], run.id)}"
        reason = f"{who} has taken the rotation {run.id} over"
        raise NotHolderError(place, Action.WRITE, reason, remedy, found=remote.version)
    # From `written` on, each place has had the tag.
    is_gone = run.phase is not None and ROTATION not in has.tags and entry.is_own(remote.version, has.created)
    if is_gone and not ends:
        remedy = f"to end it here too: {command_line(COMMAND, run.environment, '--confirm-revoked', run.id)}"
        reason = f"the rotation {run.id} was ended elsewhere: its tag is gone"
        raise NotHolderError(place, Action.WRITE, reason, remedy, found=remote.version)


def to_arguments(run: Run) -> tuple[str, ...]:
    """The arguments that name a run's secret, and its keys where only the same keys go on with it."""
    keys = run.identity.get("keys") if run.is_resumable else None
    return (*run.secrets, *(map(str, keys) if isinstance(keys, list) else ()))


def places_of_rotation(
    run: Run, stores: Mapping[str, SecretWriter]
) -> Iterator[tuple[Target, RemoteSecret | None, str]]:
    """Each place of `run`, what it holds now, and why that is not the run's own version; empty where it is.

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


def set_rotation_tags(run: Run, stores: Mapping[str, SecretWriter]) -> datetime | None:
    """Put the id of `run` beside each value that it wrote, where an interruption left it out.

    Returns when the newest of them was made, None where no store tells. Raises StoreError; it is a conflict where
    another writer has written since, or another rotation is under way there.
    """
    made = list[datetime]()
    close = command_line(COMMAND, run.environment, "--confirm-revoked", run.id)
    for (store, name), remote, why in places_of_rotation(run, stores):
        attributes = remote.attributes if remote is not None else Attributes()
        reason, remedy = why, f"find out who wrote it and which value works; to end the rotation: {close}"
        other = rotation_of(attributes)
        if other is not None and other != run.id:
            # It began while the tag of this one was missing, and must stay visible until it ends.
            reason = f"{under_way(other, 'it', person_of(holder_of(attributes)))}, is under way"
            remedy = "close that one first"
        if remote is None or reason:
            place, found = StoreLocation(stores[store].address.absolute, name), remote.version if remote else None
            raise ConflictError(place, Action.READ, reason, remedy, found=found)
        _require_hold_at(run, run.entries[store, name], stores[store], remote, ends=False)
        if other is None:
            tag_rotation(run.id, run.holder, stores[store], name, remote.version, remote.version)
        if attributes.created is not None:
            # By this machine's clock: each store has its own.
            made.append(attributes.created - (stores[store].now() - datetime.now(UTC)))
    return max(made, default=None)


def clear_rotation_tags(run: Run, stores: Mapping[str, SecretWriter], others: Iterable[Target] = ()) -> None:
    """Take the id of `run` away wherever it still is, beside `others` too. Raises StoreError."""
    for store, name in dict.fromkeys((*run.entries, *others)):
        found = stores[store].describe(name)
        # What a take-over did not find still names the holder from before.
        is_own = rotation_of(found.attributes) == run.id and not (
            (store, name) in run.entries and _is_taken(run, found.attributes)
        )
        if found.version is not None and found.state is StoreState.PRESENT and is_own:
            stores[store].set_tags(name, found.version, {ROTATION: None, ROTATION_BY: None})
