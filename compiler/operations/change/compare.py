"""Compares the values that are to be in stores with what the stores hold, and plans the change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from compiler.operations.change.access import refuse_denied, uses_before_reading
from compiler.operations.change.judge import judge_destination
from compiler.operations.change.notes import notes_of
from compiler.operations.change.plan import Kind, Location, OnConflict, Plan, Step
from compiler.operations.change.resume import narrowed
from compiler.operations.change.version_loss import NextWrite, losses_of
from compiler.operations.change.writes import Judged, plan_writes
from compiler.operations.live.later import StoredVersion, at, copy_command, nobody, run_of_later, version_of, when
from compiler.operations.live.read_many import read_many
from compiler.stores.errors import InvalidNameError, NotFoundError, VersionGoneError
from compiler.stores.interface import RemoteSecret
from compiler.stores.values.secret import Comparer
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compiler.model.environment import Store
    from compiler.model.place import Place
    from compiler.operations.change.plan import Options, Write
    from compiler.operations.live.later import WriterOf
    from compiler.operations.live.read_many import Reading
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.runs.entries import Run
    from compiler.stores.interface import SecretReader, SecretWriter
    from compiler.stores.values.secret import SecretValue

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
