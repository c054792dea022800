"""Plans which age a write brings along: without it, a copy or what is put back would be as young as its date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from compiler.change.plan import Aged, Location, Note, NoteKind, Plan, Step, Target, Write
from compiler.live.ages import Look, has_since, since_text, values_since
from compiler.live.read_many import Reading, ask_many, value_at
from compiler.live.stores import PlaceLimits
from compiler.model.environment import Store
from compiler.stores.errors import StoreError
from compiler.stores.interface import (
    FROM_VERSION,
    ROTATION,
    ROTATION_BY,
    VALUE_SINCE,
    Problem,
    RemoteSecret,
    SecretReader,
    SecretWriter,
    Use,
)
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.command_line import shell_line

# The date of each step's value, None where it is not known; with each step goes its limit in days.
SinceOf = Callable[[Sequence[tuple[Step, int]]], Iterable[datetime | None]]


@dataclass(frozen=True, slots=True)
class Ages:
    """How old the values of a plan are: `limits` are those at the destinations, by the stores' ids.

    `since_of` finds them; it is None for new values. `stores` are the destinations: they may require an expiry date.
    """

    limits: Mapping[str, PlaceLimits]
    since_of: SinceOf | None
    stores: Mapping[str, Store] = field(default_factory=dict)


def copied_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """`tags` without those that say something of their own secret alone."""
    return {name: text for name, text in tags.items() if name not in {VALUE_SINCE, ROTATION, ROTATION_BY}}


def since_in_sources(readers: Mapping[str, SecretReader]) -> SinceOf:
    """Finds the dates of values where the steps come from; `readers` are the stores there, by their ids."""

    def since(steps: Sequence[tuple[Step, int]]) -> list[datetime | None]:
        origins: dict[tuple[str, str], tuple[RemoteSecret, dict[int, tuple[int, Look]]]] = {}
        for number, (step, days) in enumerate(steps):
            if step.source is not None and step.origin is not None:
                keys = origins.setdefault((step.source.store, step.origin.name), (step.origin, {}))[1]
                keys[number] = days, partial(_value, step.source.property)
        now, found = datetime.now(UTC), dict[int, datetime | None]()
        for (store, _), (origin, keys) in origins.items():
            found |= values_since(readers[store], origin, keys, now)
        return [found.get(number) for number in range(len(steps))]

    return since


def _value(property_: str | None, remote: RemoteSecret) -> SecretValue | None:
    return value_at(remote, property_)


def carry_ages(plan: Plan, ages: Ages | None) -> Plan:
    """`plan` with the date of the oldest value with a limit in each write that brings one, from `ages`.

    Of a destination that has such a date already, this may be a value that the write leaves as it is: the new date
    takes the place of the other. Stores are asked only where a key has a limit, and no write is refused for it: where
    the date cannot be written, the plan has a note.
    """
    return _with_dates(plan, ages.limits, partial(_aged, plan, ages)) if ages is not None else plan


def notes_of_stored(
    plan: Plan, steps: Sequence[Step], readings: Mapping[tuple[SecretReader, str], Reading], ages: Ages | None
) -> Iterator[Note]:
    """A note of each write of a Vault that was cut off between its values and the date, which is a request of its own.

    A comparison of values finds it complete; `steps` are all steps, with their values.
    """
    if ages is None or ages.since_of is None:
        return
    for store_id, name in plan.stored:
        store = plan.stores[store_id]
        there, limits = readings[store, name], _limits_of((store_id, name), plan, ages.limits)
        own = [
            (step, limits[step.place.property])
            for step in steps
            if step.value is not None and step.target == (store_id, name) and step.place.property in limits
        ]
        if own and isinstance(there, RemoteSecret) and _lacks_date(store, there):
            yield from _undated(store_id, store, there, list(ages.since_of(own)), [step for step, _ in own])


def notes_of_undone(
    plan: Plan, limits: Mapping[str, PlaceLimits], had: Mapping[Target, str], before: Mapping[Target, str]
) -> Iterator[Note]:
    """As `notes_of_stored`, for an undo that was cut off: `before` are the versions that it put back.

    Raises StoreError.
    """
    for target, version in plan.stored.items():
        store, own = plan.stores[target[0]], _limits_of(target, plan, limits)
        if not own or version is None or target not in before:
            continue
        there = store.read(target[1])
        if there.version == version and _lacks_date(store, there):
            earlier = _with_tag(store.read_version(target[1], before[target]), had.get(target))
            dates = [each.since for each in _dates(target, store, earlier, own)]
            if dates:
                yield from _undated(target[0], store, there, dates, [s for s in plan.steps if s.target == target])


def _lacks_date(store: SecretReader, there: RemoteSecret) -> bool:
    """Whether it lies in a Vault, and the date beside it is not about this version."""
    is_dated = there.attributes.tags.get(VALUE_SINCE, "").endswith(f"{FROM_VERSION}{there.version}")
    return store.address.provider.deletes_by_version and not is_dated


def _undated(
    store_id: str, store: SecretReader, there: RemoteSecret, dates: Sequence[datetime | None], steps: Iterable[Step]
) -> Iterator[Note]:
    """A note for each secret of `steps`, with the line that sets the oldest of `dates` beside what is `there`."""
    text = f"{VALUE_SINCE}={_oldest(dates)}{FROM_VERSION}{there.version}"
    namespace = [f"-namespace={store.address.vault_namespace}"] if store.address.vault_namespace else []
    where = (*namespace, f"-mount={store.address.mount}")
    remedy = shell_line("bao", "kv", "metadata", "patch", *where, f"-custom-metadata={text}", there.name)
    for secret in dict.fromkeys(step.secret for step in steps):
        yield Note(NoteKind.AGE, secret, Location(store_id, there.name, None), remedy=remedy)


def carry_back_ages(plan: Plan, limits: Mapping[str, PlaceLimits], had: Mapping[Target, str]) -> Plan:
    """The plan of an undo, with the dates of the versions that it writes once more.

    `had` is the tag that a version had, of those whose store has only one for all versions.
    """
    return _with_dates(plan, limits, partial(_aged_earlier, plan, limits, had))


def _with_dates(plan: Plan, limits: Mapping[str, PlaceLimits], aged_of: Callable[[Write], Sequence[Aged]]) -> Plan:
    limited = [write for write in plan.writes if _limits_of(write.target, plan, limits)]
    if not limited:
        return plan
    found = dict(zip((write.target for write in limited), ask_many(aged_of, limited), strict=True))
    aged = (replace(write, aged=tuple(found.get(write.target, ()))) for write in plan.writes)
    return _without_lost(replace(plan, writes=tuple(replace(write, since=_tag_of(write.aged)) for write in aged)))


def _limits_of(target: Target, plan: Plan, limits: Mapping[str, PlaceLimits]) -> Mapping[str | None, int]:
    provider = plan.stores[target[0]].address.provider
    return limits.get(target[0], {}).get(provider.remote_name(target[1]), {})


def _aged(plan: Plan, ages: Ages, write: Write) -> list[Aged]:
    limits, store = _limits_of(write.target, plan, ages.limits), ages.stores.get(write.store)
    is_dated = store is not None and store.requires_expiry
    steps = [(step, limits[step.place.property]) for step in write.steps if step.place.property in limits]
    if ages.since_of is None:
        # What is given once more is as old as before.
        steps = [(step, days) for step, days in steps if not _is_there(step, write.base)]
    if not steps and not is_dated:
        return []
    # A new value has no age that would have to be carried.
    is_carried, now = ages.since_of is not None and bool(steps), datetime.now(UTC)
    dates = ages.since_of(steps) if ages.since_of is not None else [now] * len(steps)
    found = [Aged(step.place, days, date, is_carried) for (step, days), date in zip(steps, dates, strict=True)]
    written = {step.place.property for step, _ in steps}
    kept = {property_: days for property_, days in limits.items() if property_ not in written}
    if write.recover:
        # What stays beside them is read only after the recovery.
        return found + [Aged(Location(*write.target, each), days, None, is_carried) for each, days in kept.items()]
    destination = plan.stores[write.store]
    is_tagged = is_carried and write.base is not None and bool(kept) and _may_have_date(destination, write.base)
    base = write.base if is_tagged or is_dated else None
    return found + _dates(write.target, destination, base, kept, is_tagged=is_tagged)


def _may_have_date(store: SecretReader, remote: RemoteSecret) -> bool:
    try:
        return has_since(store, remote)
    except StoreError:
        return True


def _is_there(step: Step, base: RemoteSecret | None) -> bool:
    there = value_at(base, step.place.property) if base is not None else None
    return there is not None and step.value is not None and Comparer().same(there, step.value)


def _aged_earlier(plan: Plan, limits: Mapping[str, PlaceLimits], had: Mapping[Target, str], write: Write) -> list[Aged]:
    earlier = _with_tag(write.earlier, had.get(write.target)) if write.earlier is not None else None
    return _dates(write.target, plan.stores[write.store], earlier, _limits_of(write.target, plan, limits))


def _with_tag(earlier: RemoteSecret, had: str | None) -> RemoteSecret:
    tags = {**earlier.attributes.tags, **({VALUE_SINCE: had} if had is not None else {})}
    return replace(earlier, attributes=replace(earlier.attributes, tags=tags))


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
    keys = {each: (days, partial(_value, each)) for each, days in limits.items() if value_at(remote, each) is not None}
    found = values_since(store, remote, keys, datetime.now(UTC))
    return [Aged(Location(*target, each), limits[each], date, is_tagged) for each, date in found.items()]


def _tag_of(aged: Sequence[Aged]) -> str | None:
    """The text of the tag, None where it is about no key."""
    dates = [each.since for each in aged if each.is_tagged]
    return _oldest(dates) if dates else None


def _oldest(dates: Sequence[datetime | None]) -> str:
    known = [date for date in dates if date is not None]
    return since_text(min(known) if len(known) == len(dates) else None)


def _without_lost(plan: Plan) -> Plan:
    """`plan` without the dates that their store would refuse, or might: each has a note, and its write goes on."""
    lost: dict[Target, str] = {}
    for store_id, store in plan.stores.items():
        writes = [write for write in plan.writes if write.store == store_id and write.since is not None]
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
        for write in plan.writes
        if write.target in lost
        for secret in dict.fromkeys(step.secret for step in write.steps)
    ]
    kept = tuple(replace(write, since=None) if write.target in lost else write for write in plan.writes)
    return replace(plan, writes=kept, notes=(*plan.notes, *notes))


def _problems(write: Write, store: SecretWriter) -> list[Problem]:
    """Why the store would not take the date beside what else it gets."""
    without = store.check(write.name, write.changes, write.base, replace(write, since=None).stored_attributes)
    every = store.check(write.name, write.changes, write.base, write.stored_attributes)
    return [problem for problem in every if problem not in without]
