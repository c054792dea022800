"""Plans which age a write brings along: without it, a copy or what is put back would be as young as its date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from compiler.change.plan import Location, Note, NoteKind, Plan, Step, Target, Write
from compiler.live.ages import Look, since_text, values_since
from compiler.live.read_many import Reading, ask_many, value_at
from compiler.live.stores import PlaceLimits
from compiler.stores.interface import (
    FROM_VERSION,
    ROTATION,
    VALUE_SINCE,
    Problem,
    RemoteSecret,
    SecretReader,
    SecretWriter,
    Use,
)
from compiler.stores.secret_value.secret import SecretValue
from compiler.text.command_line import shell_line

# The date of each step's value, None where it is not known; with each step goes its limit in days.
SinceOf = Callable[[Sequence[tuple[Step, int]]], Iterable[datetime | None]]


@dataclass(frozen=True, slots=True)
class Ages:
    """How old the values of a plan are: `limits` are those at the destinations, by the stores' ids."""

    limits: Mapping[str, PlaceLimits]
    since_of: SinceOf


def copied_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """`tags` without those that say something of their own secret alone."""
    return {name: text for name, text in tags.items() if name not in {VALUE_SINCE, ROTATION}}


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
    return _with_dates(plan, ages.limits, partial(_since, plan, ages)) if ages is not None else plan


def notes_of_stored(
    plan: Plan, steps: Sequence[Step], readings: Mapping[tuple[SecretReader, str], Reading], ages: Ages | None
) -> Iterator[Note]:
    """A note of each write of a Vault that was cut off between its values and the date, which is a request of its own.

    A comparison of values finds it complete; `steps` are all steps, with their values.
    """
    if ages is None:
        return
    for store_id, name in plan.stored:
        store = plan.stores[store_id]
        there, provider = readings[store, name], store.address.provider
        limits = ages.limits.get(store_id, {}).get(provider.remote_name(name), {})
        own = [
            (step, limits[step.place.property])
            for step in steps
            if step.value is not None and step.target == (store_id, name) and step.place.property in limits
        ]
        if not own or not isinstance(there, RemoteSecret) or not provider.deletes_by_version:
            continue
        counts_from = f"{FROM_VERSION}{there.version}"
        if there.attributes.tags.get(VALUE_SINCE, "").endswith(counts_from):
            continue
        text = f"{VALUE_SINCE}={_oldest(list(ages.since_of(own)))}{counts_from}"
        namespace = [f"-namespace={store.address.vault_namespace}"] if store.address.vault_namespace else []
        where = (*namespace, f"-mount={store.address.mount}")
        remedy = shell_line("bao", "kv", "metadata", "patch", *where, f"-custom-metadata={text}", name)
        for secret in dict.fromkeys(step.secret for step, _ in own):
            yield Note(NoteKind.AGE, secret, Location(store_id, name, None), remedy=remedy)


def carry_back_ages(plan: Plan, limits: Mapping[str, PlaceLimits], had: Mapping[Target, str]) -> Plan:
    """The plan of an undo, with the dates of the versions that it writes once more.

    `had` is the tag that a version had, of those whose store has only one for all versions.
    """
    return _with_dates(plan, limits, partial(_since_of_earlier, plan, limits, had))


def _with_dates(plan: Plan, limits: Mapping[str, PlaceLimits], since: Callable[[Write], str | None]) -> Plan:
    limited = [write for write in plan.writes if _limits(write, plan, limits)]
    if not limited:
        return plan
    texts = dict(zip((write.target for write in limited), ask_many(since, limited), strict=True))
    aged = tuple(replace(write, since=texts.get(write.target)) for write in plan.writes)
    return _without_lost(replace(plan, writes=aged))


def _limits(write: Write, plan: Plan, limits: Mapping[str, PlaceLimits]) -> Mapping[str | None, int]:
    provider = plan.stores[write.store].address.provider
    return limits.get(write.store, {}).get(provider.remote_name(write.name), {})


def _since(plan: Plan, ages: Ages, write: Write) -> str | None:
    """The text of the tag, None where no value with a limit is written."""
    limits = _limits(write, plan, ages.limits)
    steps = [(step, limits[step.place.property]) for step in write.steps if step.place.property in limits]
    if not steps:
        return None
    written = {step.place.property for step, _ in steps}
    kept = {property_: days for property_, days in limits.items() if property_ not in written}
    if write.recover and kept:
        # What stays beside them is read only after the recovery.
        return since_text(None)
    base = write.base if write.base is not None and VALUE_SINCE in write.base.attributes.tags else None
    return _oldest([*ages.since_of(steps), *_dates(plan.stores[write.store], base, kept)])


def _since_of_earlier(
    plan: Plan, limits: Mapping[str, PlaceLimits], had: Mapping[Target, str], write: Write
) -> str | None:
    earlier = write.earlier
    if earlier is not None and write.target in had:
        tags = {**earlier.attributes.tags, VALUE_SINCE: had[write.target]}
        earlier = replace(earlier, attributes=replace(earlier.attributes, tags=tags))
    dates = _dates(plan.stores[write.store], earlier, _limits(write, plan, limits))
    return _oldest(dates) if dates else None


def _dates(store: SecretReader, remote: RemoteSecret | None, limits: Mapping[str | None, int]) -> list[datetime | None]:
    """Since when the keys of `limits` that `remote` has have their values."""
    if remote is None:
        return []
    keys = {each: (days, partial(_value, each)) for each, days in limits.items() if value_at(remote, each) is not None}
    return list(values_since(store, remote, keys, datetime.now(UTC)).values())


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
