"""Compares the values that are to be in stores with what the stores hold, and plans the writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from compiler.change.checks import narrowed, notes_of, refuse_denied, uses_before_reading
from compiler.change.journal import Run
from compiler.change.plan import WRITING, Kind, Location, NextWrite, OnConflict, Options, Plan, Step, Write, losses_of
from compiler.live.read_many import (
    Reading,
    StoredVersion,
    WriterOf,
    at,
    copy_command,
    nobody,
    read_many,
    run_of_later,
    version_of,
    when,
)
from compiler.live.stores import LiveStores
from compiler.model.environment import Store
from compiler.model.store import Place
from compiler.model.store_identity import remote_name
from compiler.stores.errors import (
    DisabledError,
    InvalidNameError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.interface import Attributes, Problem, RemoteSecret, SecretReader, SecretWriter
from compiler.stores.secret_value.document import stringified
from compiler.stores.secret_value.secret import Comparer, Mark, SecretValue, Trait, traits
from compiler.text.wording import quoted

# Ways in which a source does not hold a value, as opposed to not saying whether it does.
_NOT_HELD = (NotFoundError, SoftDeletedError, VersionGoneError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`value` is the source's, wherever it was readable and may be written."""

    kind: Kind
    reason: str = ""
    remedy: str = ""
    value: SecretValue | None = None


def judge_source(reading: Reading, place: Place, options: Options, *, in_use: bool, way_to_add: str) -> Verdict | None:
    """An update with the source's value, the reason why there is none, or None for an unused key without a value.

    `way_to_add` is the remedy where the source lacks the value.
    """
    if isinstance(reading, DisabledError) and not in_use:
        # It was disabled on purpose, and the environment does not use it.
        return None
    if isinstance(reading, StoreError):
        if not isinstance(reading, _NOT_HELD):
            return Verdict(Kind.REFUSE, f"the source cannot be read: {reading.reason}", reading.remedy)
        return _not_held(reading, way_to_add) if in_use else None
    if place.property is not None and not reading.is_object:
        reason = "the source's value is not a JSON object, so it has no properties"
        return Verdict(Kind.MISSING, reason, "store a JSON object there") if in_use else None
    value = reading.properties.get(place.property) if place.property is not None else reading.whole
    if value is None:
        what = "no such property" if place.property is not None else "only properties, no whole value"
        return Verdict(Kind.MISSING, f"the source has {what}", way_to_add) if in_use else None
    if not value.is_string:
        text = stringified(value) if options.stringify else None
        if text is None:
            reason = f"the source's value is a JSON {value.kind}, and only strings can be copied unchanged"
            remedy = "store it as a string in the source" + ("" if options.stringify else ", or use --stringify")
            return Verdict(Kind.REFUSE, reason, remedy)
        value = text
    if Trait.EMPTY in traits(value):
        return Verdict(Kind.REFUSE, "the source's value is empty", way_to_add) if in_use else None
    return Verdict(Kind.UPDATE, value=value)


def _not_held(error: StoreError, way_to_add: str) -> Verdict:
    if isinstance(error, NotFoundError):
        return Verdict(Kind.MISSING, "the source has no such secret", way_to_add)
    remedy = error.remedy if isinstance(error, SoftDeletedError) else way_to_add
    return Verdict(Kind.MISSING, f"in the source, {error.reason}", remedy)


def judge_destination(
    reading: Reading, place: Place, value: SecretValue, options: Options, comparer: Comparer
) -> Verdict:
    """The kind of step that writes `value` at `place`, given what the destination holds there."""
    if isinstance(reading, NotFoundError | VersionGoneError):
        return Verdict(Kind.CREATE, value=value)
    if isinstance(reading, SoftDeletedError):
        if options.recover:
            return Verdict(Kind.RECOVER, "it was deleted and is recovered first", value=value)
        remedy = f"to recover it first: {options.again('--recover')}" if options.words else reading.remedy
        return Verdict(Kind.REFUSE, f"in the destination, {reading.reason}", remedy)
    if isinstance(reading, StoreError):
        return Verdict(Kind.REFUSE, f"the destination cannot be read: {reading.reason}", reading.remedy)
    if place.property is not None and not reading.is_object:
        reason = "the destination's value is not a JSON object, so no property can be set in it"
        return Verdict(Kind.REFUSE, reason, "store a JSON object there first")
    held = reading.properties.get(place.property) if place.property is not None else reading.whole
    if held is None:
        return Verdict(Kind.UPDATE, "the key is added", value=value)
    if comparer.same(held, value):
        return Verdict(Kind.KEEP, value=value)
    if options.on_conflict is OnConflict.OVERWRITE:
        return Verdict(Kind.UPDATE, "a different value is replaced", value=value)
    reason = f"the destination already holds a different value, version {reading.version}"
    skipped = options.on_conflict is OnConflict.SKIP
    remedy = "--on-conflict skip leaves it unchanged" if skipped else "choose --on-conflict skip or overwrite"
    return Verdict(Kind.CONFLICT, reason, remedy, value)


class Destinations(Protocol):
    """The stores that are written to, and what was read there."""

    def writer(self, place: Location) -> SecretWriter: ...

    def standing(self, place: Location) -> Reading: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A step with the value that it would write, and the remote secret that the value comes from."""

    step: Step
    value: SecretValue | None = None
    origin: RemoteSecret | None = None

    @property
    def place(self) -> Location | None:
        return self.step.destination


def plan_writes(judged: Sequence[Judged], destinations: Destinations) -> tuple[tuple[Step, ...], tuple[Write, ...]]:
    """Group by remote secret, and refuse what its store would refuse, all without a request."""
    steps = [each.step for each in judged]
    writes: list[Write] = []
    for members in _groups(judged, destinations).values():
        _refuse_contradictions(judged, members, steps)
        writing = [index for index in members if steps[index].kind in WRITING]
        while writing:
            write = _write([judged[index] for index in writing], [steps[index] for index in writing], destinations)
            problems = _problems(write, destinations.writer(_place_of_writes(judged[writing[0]])))
            if not problems:
                writes.append(write)
                break
            _refuse(problems, writing, judged, steps)
            writing = [index for index in writing if steps[index].kind in WRITING]
    return tuple(steps), tuple(writes)


def _groups(judged: Sequence[Judged], destinations: Destinations) -> dict[tuple[str, str], list[int]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for index, each in enumerate(judged):
        if each.place is not None and each.value is not None:
            address = destinations.writer(each.place).address
            # Two spellings of one name are one write.
            name = remote_name(address.provider, each.place.name)
            groups.setdefault((address.absolute, name), []).append(index)
    return groups


def _place_of_writes(judged: Judged) -> Location:
    if judged.place is None:
        raise AssertionError(judged.step.key)
    return judged.place


def _refuse_contradictions(judged: Sequence[Judged], members: Sequence[int], steps: list[Step]) -> None:
    properties = {place.property for index in members if (place := judged[index].place) is not None}
    if len(properties) == len(members) and None not in properties:
        return
    comparer = Comparer()
    marks: dict[str | None, set[Mark]] = {}
    for index in members:
        place, value = judged[index].place, judged[index].value
        if place is not None and value is not None:
            marks.setdefault(place.property, set()).add(comparer.mark(value))
    mixed = None in marks and len(marks) > 1
    for index in members:
        place = judged[index].place
        if place is not None and (mixed or len(marks[place.property]) > 1):
            reason = "another key has the same place and a different value"
            steps[index] = replace(steps[index], kind=Kind.REFUSE, reason=reason, remedy="give each key its own place")


def _write(members: Sequence[Judged], steps: Sequence[Step], destinations: Destinations) -> Write:
    place = _place_of_writes(members[0])
    reading = destinations.standing(place)
    base = reading if isinstance(reading, RemoteSecret) else None
    recover = isinstance(reading, SoftDeletedError)
    changes = {
        each.place.property: each.value
        for each in members
        if each.place is not None and each.place.property is not None and each.value is not None
    }
    return Write(
        store=place.store,
        name=place.name,
        steps=tuple(steps),
        changes=changes,
        whole=None if changes else members[0].value,
        base=base,
        attributes=_attributes(members, is_whole=not changes)
        if isinstance(reading, StoreError) and not recover
        else None,
        recover=recover,
        deleted=reading.version if isinstance(reading, SoftDeletedError) else None,
    )


def _attributes(members: Sequence[Judged], *, is_whole: bool) -> Attributes | None:
    """The attributes that a new remote secret takes over; None where its keys come from several remote secrets."""
    origins = {id(each.origin): each.origin for each in members}
    origin = next(iter(origins.values()))
    if len(origins) > 1 or origin is None:
        return None
    found = origin.attributes
    content_type = found.content_type if is_whole else None
    if not (found.tags or found.expires or found.not_before or content_type):
        return None
    return Attributes(
        expires=found.expires, not_before=found.not_before, content_type=content_type, tags=dict(found.tags)
    )


def _problems(write: Write, destination: SecretWriter) -> tuple[Problem, ...]:
    if write.whole is not None:
        return destination.check_whole(write.name, write.whole, write.base, write.attributes)
    return destination.check(write.name, write.changes, write.base, write.attributes)


def _refuse(problems: Sequence[Problem], writing: Sequence[int], judged: Sequence[Judged], steps: list[Step]) -> None:
    named = {place.property for index in writing if (place := judged[index].place) is not None}
    everything = [problem for problem in problems if problem.property is None or problem.property not in named]
    for index in writing:
        place = judged[index].place
        own = [problem for problem in problems if place is not None and problem.property == place.property]
        for problem in (*own, *everything)[:1]:
            steps[index] = replace(steps[index], kind=Kind.REFUSE, reason=problem.reason, remedy=problem.remedy)


WORKERS = 16


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value to write for one key, by the catalogue's names, and its destination.

    `source` is the location that it is copied from and `origin` the remote secret read there; both are None where it
    does not come from a store.
    """

    secret: str
    key: str
    store: Store
    place: Place
    value: SecretValue
    source: Location | None = None
    origin: RemoteSecret | None = None

    @property
    def destination(self) -> Location:
        return Location(self.store.id, self.place.remote_key, self.place.property)


@dataclass(frozen=True, slots=True)
class Seen:
    """The destinations of a plan: the open store of each id, and what was read there."""

    writers: Mapping[str, SecretWriter]
    readings: Mapping[tuple[SecretReader, str], Reading]

    def writer(self, place: Location) -> SecretWriter:
        return self.writers[place.store]

    def standing(self, place: Location) -> Reading:
        return self.readings[self.writers[place.store], place.name]

    def versions(self) -> dict[tuple[str, str], str]:
        """The current version of each remote secret, by store and name; without those that have none."""
        return {
            (store, name): reading.version
            for store, writer in self.writers.items()
            for (reader, name), reading in self.readings.items()
            if reader is writer and isinstance(reading, RemoteSecret)
        }


@dataclass(frozen=True, slots=True)
class Head:
    """What a plan says besides its steps; `run` is the unfinished run that it resumes.

    `writer_of` knows the runs of this project that wrote a version.
    """

    command: str
    environment: str
    options: Options
    sources: Mapping[str, str] = field(default_factory=dict)
    extras: tuple[Location, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    run: Run | None = None
    writer_of: WriterOf = nobody


def read_destinations(
    wanted: Sequence[Wanted | Step], stores: LiveStores, workers: int = WORKERS, *, recovers: bool = False
) -> Seen:
    """Open the stores of `wanted` and read each remote secret once; `recovers` where deleted ones are recovered.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    values = [each for each in wanted if isinstance(each, Wanted)]
    writers = {each.store.id: stores.open(each.store) for each in values}
    names = [(writers[each.store.id], each.place.remote_key) for each in values]
    for writer, name in names:
        writer.expect({name: uses_before_reading(recovers=recovers)})
    return Seen(writers, read_many(names, workers))


def plan_change(head: Head, wanted: Sequence[Wanted | Step], seen: Seen) -> Plan:
    """The plan that puts each of `wanted` where it belongs, without a writing request.

    A Step among them was decided before: refused or missing.
    """
    comparer = Comparer()
    judged = [Judged(each) if isinstance(each, Step) else _judged(each, seen, head, comparer) for each in wanted]
    steps, writes = plan_writes(judged, seen)
    plan = Plan(
        command=head.command,
        environment=head.environment,
        destinations={store: writer.address.absolute for store, writer in seen.writers.items()},
        sources=head.sources,
        options=head.options,
        steps=steps,
        writes=writes,
        extras=head.extras,
        skipped=head.skipped,
    )
    if head.run is not None:
        # Not asked again what the caller may do: a run that is refused would be ended, and not resumed.
        plan = narrowed(plan, head.run, seen.versions())
    else:
        gone = {write.target for write in plan.writes if isinstance(seen.standing(_place(write)), VersionGoneError)}
        plan = refuse_denied(plan, seen.writers, gone)
    notes = (*notes_of(plan, judged, seen), *plan.notes)
    return replace(plan, notes=notes, losses=losses_of(_next_writes(plan, seen)))


def _next_writes(plan: Plan, seen: Seen) -> Iterator[NextWrite]:
    """The writes; those of a secret that exists, also as a deleted one, replace a version."""
    for write in plan.writes:
        place = _place(write)
        is_new = isinstance(seen.standing(place), NotFoundError)
        replaces = write.deleted if write.recover else write.before
        yield NextWrite(write.store, seen.writer(place), write.name, replaces, is_new)


def _place(write: Write) -> Location:
    return Location(write.store, write.name, None)


def callers(plan: Plan, seen: Seen) -> Plan:
    """The plan with the caller's name in each store that it was read from."""
    # A name that is refused before anything is sent is no reason to talk to its store.
    asked = {
        store
        for store, writer in seen.writers.items()
        if any(
            reader is writer and not isinstance(reading, InvalidNameError)
            for (reader, _), reading in seen.readings.items()
        )
    }
    return replace(plan, who={store: seen.writers[store].whoami().subject for store in seen.writers if store in asked})


def _judged(wanted: Wanted, seen: Seen, head: Head, comparer: Comparer) -> Judged:
    reading, options = seen.standing(wanted.destination), head.options
    entry = head.run.entries.get((wanted.store.id, wanted.place.remote_key)) if head.run is not None else None
    if options.recover and isinstance(reading, RemoteSecret) and entry is not None and entry.has_recovered(reading):
        # The run was stopped between recovering the secret and writing it: what it deleted is no conflict.
        options = replace(options, on_conflict=OnConflict.OVERWRITE)
    verdict = judge_destination(reading, wanted.place, wanted.value, options, comparer)
    step = Step(
        wanted.secret,
        wanted.key,
        verdict.kind,
        wanted.source,
        wanted.destination,
        verdict.reason,
        verdict.remedy,
    )
    if verdict.kind is Kind.CONFLICT and isinstance(reading, RemoteSecret):
        step = _explained(step, wanted, reading, seen, head)
    return Judged(step, verdict.value, wanted.origin)


def _explained(step: Step, wanted: Wanted, reading: RemoteSecret, seen: Seen, head: Head) -> Step:
    """A conflict with the time of both values, the run that wrote each, and the command for each case."""
    address = seen.writer(wanted.destination).address
    there = version_of(wanted.store.id, address, reading)
    here = there
    if wanted.source is not None and wanted.origin is not None:
        source = head.sources[wanted.source.store]
        created = wanted.origin.attributes.created
        here = StoredVersion(wanted.source.store, source, wanted.origin.name, wanted.origin.version, created)
    times = when(there, here, head.writer_of) if here is not there else f"written {at(there, head.writer_of)}"
    step = replace(step, reason="; ".join(filter(None, (step.reason, times))))
    options, only = head.options, (wanted.secret,)
    if not options.words or options.on_conflict is OnConflict.SKIP:
        return step
    ways = [f"to replace it: {options.again('--on-conflict', 'overwrite', only=only)}"]
    if here is not there:
        ways.append(f"to copy it to {quoted(here.store)} instead: {copy_command(head.environment, *only, there, here)}")
    run = run_of_later(here, there, head.writer_of) if here is not there else head.writer_of(there)
    if run is not None:
        ways.append(f"to take back what {run.command} wrote: {run.undo}")
    ways.append(f"to leave it as it is: {options.again('--on-conflict', 'skip')}")
    return replace(step, remedy=ways[0], more=tuple(ways[1:]))
