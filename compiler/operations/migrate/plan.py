"""An environment, a destination and open stores in, the plan of a migration out; it reads and never writes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.model.place import Place
from compiler.operations.change.judge import Verdict, judge_destination, judge_source
from compiler.operations.change.notes import notes_of
from compiler.operations.change.plan import Kind, Location, OnConflict, Options, Plan, Step
from compiler.operations.change.resume import narrowed
from compiler.operations.change.version_loss import NextWrite, losses_of
from compiler.operations.change.writes import Judged, plan_writes
from compiler.operations.live.read_many import read_many
from compiler.operations.migrate.routes import Route, Routes
from compiler.stores.errors import NotFoundError, StoreError
from compiler.stores.interface import RemoteSecret
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.model.environment import Store
    from compiler.operations.live.read_many import Reading
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.runs.entries import Run
    from compiler.stores.interface import SecretReader, SecretWriter
    from compiler.stores.values.secret import Secret

WORKERS = 16


@dataclass(frozen=True, slots=True)
class _Ends:
    """Both sides, read."""

    sources: Mapping[str, SecretWriter]
    destination: SecretWriter
    readings: Mapping[tuple[SecretReader, str], Reading]

    def source(self, route: Route) -> Reading | None:
        store = self.sources[route.source_store.id]
        return self.readings.get((store, route.source.remote_key)) if route.source is not None else None

    def target(self, place: Place) -> Reading:
        return self.readings[self.destination, place.remote_key]


@dataclass(frozen=True, slots=True)
class _Context:
    """How to judge. `recovering` are the versions by name that were deleted when the run to resume was planned.

    `taken` are the places of the destination that belong to keys of the catalogue.
    """

    to: Store
    options: Options
    comparer: Comparer
    recovering: Mapping[str, str]
    taken: frozenset[Place]


def plan_migration(
    routes: Routes,
    stores: LiveStores,
    options: Options,
    *,
    run: Run | None = None,
    workers: int = WORKERS,
) -> Plan:
    """Read both sides once and compare them; with `run`, narrow the plan to that unfinished run.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    to = routes.to
    origins = {route.source_store.id: stores.open(route.source_store) for route in routes.keys}
    destination = stores.open(to)
    ends = _Ends(origins, destination, {})
    extras: list[Route] = []
    if routes.keys:
        ends = _Ends(origins, destination, read_many(_names(routes, origins, destination), workers))
        extras = list(_extras(routes, ends))
    chosen = (*routes.keys, *extras) if options.all_properties else routes.keys
    context = _Context(to, options, Comparer(), run.recovering if run is not None else {}, routes.taken)
    judged = [each for each in (_judged(route, ends, context) for route in chosen) if each is not None]
    steps, writes = plan_writes(judged, destination, ends.target)
    plan = Plan(
        environment=routes.environment,
        destination=to.id,
        destination_address=destination.address.absolute,
        sources={name: store.address.absolute for name, store in origins.items()},
        options=options,
        steps=steps,
        writes=writes,
        extras=tuple(_location(route.source_store, route.source) for route in extras if route.source is not None),
        skipped=routes.skipped,
    )
    held = {
        name: reading
        for (store, name), reading in ends.readings.items()
        if store is destination and not isinstance(reading, StoreError)
    }
    if run is not None:
        plan = narrowed(plan, run, {name: reading.version for name, reading in held.items()})
    rewritten = [
        NextWrite(destination, write.name, write.deleted if write.recover else write.before)
        for write in plan.writes
        if not isinstance(ends.readings[destination, write.name], NotFoundError)
    ]
    notes = notes_of(plan, judged, destination.address.provider, held)
    return replace(plan, notes=notes, losses=losses_of(rewritten, workers))


def _names(
    routes: Routes, origins: Mapping[str, SecretWriter], destination: SecretWriter
) -> Iterator[tuple[SecretWriter, str]]:
    for route in routes.keys:
        if route.source is not None:
            yield origins[route.source_store.id], route.source.remote_key
        if route.destination is not None:
            yield destination, route.destination.remote_key
    for _, store, own, theirs in routes.mains:
        yield origins[store.id], own
        yield destination, theirs


def _extras(routes: Routes, ends: _Ends) -> Iterator[Route]:
    """What lies beside the keys in each secret's own remote, as routes of their own."""
    known = {(route.source_store.id, route.source) for route in routes.keys if route.source is not None}
    known |= routes.shared
    for secret, store, own, theirs in routes.mains:
        reading = ends.readings[ends.sources[store.id], own]
        # Where a key is the whole value, what looks like properties is a part of it.
        if isinstance(reading, StoreError) or (store.id, Place(own, None)) in known:
            continue
        for name in reading.properties:
            place = Place(own, name)
            if (store.id, place) not in known:
                known.add((store.id, place))
                yield Route(secret, name, False, store, place, Place(theirs, name), is_extra=True)


def _judged(route: Route, ends: _Ends, context: _Context) -> Judged | None:
    source = ends.source(route)
    verdict: Verdict | None
    if route.source is None or source is None:
        remedy = f"write remote.{route.source_store.provider} in the catalogue"
        verdict = Verdict(Kind.REFUSE, f'the key has no place in "{route.source_store.id}"', remedy)
        verdict = verdict if route.in_use else None
    else:
        verdict = judge_source(source, route.source, context.options, in_use=route.in_use)
    if verdict is not None and verdict.value is not None:
        verdict = _judged_destination(route, ends, context, verdict.value)
    if verdict is None:
        return None
    step = Step(
        route.secret,
        route.key,
        verdict.kind,
        _location(route.source_store, route.source) if route.source is not None else None,
        _location(context.to, route.destination) if route.destination is not None else None,
        verdict.reason,
        verdict.remedy,
    )
    return Judged(step, route.destination, verdict.value, source if isinstance(source, RemoteSecret) else None)


def _judged_destination(route: Route, ends: _Ends, context: _Context, value: Secret) -> Verdict:
    to, options = context.to, context.options
    if route.destination is None:
        remedy = f"write remote.{to.provider} in the catalogue"
        return Verdict(Kind.REFUSE, f'the key has no place in "{to.id}"', remedy)
    if route.source == route.destination and ends.sources[route.source_store.id] is ends.destination:
        reason = f'"{route.source_store.id}" and "{to.id}" are one place from here'
        return Verdict(Kind.REFUSE, reason, "check their addresses, and VAULT_ADDR, which stands for every Vault")
    if route.is_extra and route.destination in context.taken:
        # That key may not be on the way, or its source may lack it: another secret's value would take its place.
        reason = "a key of the catalogue lies at that place of the destination"
        return Verdict(Kind.REFUSE, reason, "name the property in the catalogue, with a place of its own")
    target = ends.target(route.destination)
    recovered = context.recovering.get(route.destination.remote_key)
    if options.recover and isinstance(target, RemoteSecret) and target.version == recovered:
        options = replace(options, on_conflict=OnConflict.OVERWRITE)
    return judge_destination(target, route.destination, value, options, context.comparer)


def _location(store: Store, place: Place) -> Location:
    return Location(store.id, place.remote_key, place.property)
