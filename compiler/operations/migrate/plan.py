"""Plans a migration: reads both sides of every route once and compares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.place import Place, way_to_place
from compiler.operations.change.access import uses_before_reading
from compiler.operations.change.compare import WORKERS, Head, Seen, Wanted, plan_change
from compiler.operations.change.judge import judge_source
from compiler.operations.change.plan import Kind, Location, Step
from compiler.operations.change.run import Planned
from compiler.operations.live.later import nobody
from compiler.operations.live.read_many import read_many
from compiler.operations.migrate.routes import Route, Routes
from compiler.stores.errors import StoreError
from compiler.stores.interface import RemoteSecret
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.model.environment import Store
    from compiler.operations.change.plan import Options
    from compiler.operations.live.later import WriterOf
    from compiler.operations.live.read_many import Reading
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.runs.entries import Run
    from compiler.stores.interface import SecretReader, SecretWriter

COMMAND = "migrate"


@dataclass(frozen=True, slots=True)
class _Ends:
    """Both ends of a migration, read."""

    sources: Mapping[str, SecretWriter]
    destination: SecretWriter
    readings: Mapping[tuple[SecretReader, str], Reading]

    def source(self, route: Route) -> Reading | None:
        store = self.sources[route.source_store.id]
        return self.readings.get((store, route.source.remote_key)) if route.source is not None else None


def plan_migration(
    routes: Routes,
    stores: LiveStores,
    options: Options,
    *,
    run: Run | None = None,
    workers: int = WORKERS,
    writer_of: WriterOf = nobody,
) -> Planned:
    """Read both sides once and compare them; with `run`, narrow the plan to that unfinished run.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    # Each once: thousands of keys come from the same few.
    sources = {route.source_store.id: route.source_store for route in routes.keys}
    origins = {name: stores.open(store) for name, store in sources.items()}
    destination = stores.open(routes.to)
    ends = _Ends(origins, destination, {})
    extras: list[Route] = []
    if routes.keys:
        own = {route.destination.remote_key for route in routes.keys if route.destination is not None}
        destination.expect(dict.fromkeys(own, uses_before_reading(recovers=options.recover)))
        ends = _Ends(origins, destination, read_many(_names(routes, origins, destination), workers))
        extras = list(_extras(routes, ends))
    chosen = (*routes.keys, *extras) if options.all_properties else routes.keys
    wanted = [each for each in (_wanted(route, routes, ends, options) for route in chosen) if each is not None]
    head = Head(
        command=COMMAND,
        environment=routes.environment,
        options=options,
        sources={name: store.address.absolute for name, store in origins.items()},
        extras=tuple(_location(route.source_store, route.source) for route in extras if route.source is not None),
        skipped=routes.skipped,
        run=run,
        writer_of=writer_of,
    )
    writers = {routes.to.id: destination}
    return Planned(plan_change(head, wanted, Seen(writers, ends.readings)), writers)


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
    """The properties that no key names in each secret's own remote secret, as routes of their own."""
    known = {(route.source_store.id, route.source) for route in routes.keys if route.source is not None}
    known |= routes.shared
    for secret, store, own, theirs in routes.mains:
        reading = ends.readings[ends.sources[store.id], own]
        # Where a key is the whole value, apparent properties are a part of it.
        if isinstance(reading, StoreError) or (store.id, Place(own, None)) in known:
            continue
        for name in reading.properties:
            place = Place(own, name)
            if (store.id, place) not in known:
                known.add((store.id, place))
                yield Route(secret, name, False, store, place, Place(theirs, name), is_extra=True)


def _wanted(route: Route, routes: Routes, ends: _Ends, options: Options) -> Wanted | Step | None:
    """The value to move, the reason why there is none, or None for an unused key without a value."""
    source, to = ends.source(route), routes.to
    if route.source is None or source is None:
        remedy = way_to_place(route.secret, route.source_store.provider)
        reason = f'the catalogue gives the key no place in "{route.source_store.id}"'
        return _decided(route, to, Kind.REFUSE, reason, remedy) if route.in_use else None
    verdict = judge_source(
        source, route.source, options, in_use=route.in_use, way_to_add=_way_to_add(route, routes.environment)
    )
    if verdict is None:
        return None
    if verdict.value is None:
        return _decided(route, to, verdict.kind, verdict.reason, verdict.remedy)
    if route.destination is None:
        remedy = way_to_place(route.secret, to.provider)
        return _decided(route, to, Kind.REFUSE, f'the catalogue gives the key no place in "{to.id}"', remedy)
    here = ends.sources[route.source_store.id].address.place_here
    if route.source == route.destination and here == ends.destination.address.place_here:
        reason = f'"{route.source_store.id}" and "{to.id}" are the same place, seen from this machine'
        remedy = "check their addresses and reachableAt, and VAULT_ADDR, which replaces the address of every Vault"
        return _decided(route, to, Kind.REFUSE, reason, remedy)
    if route.is_extra and route.destination in routes.taken:
        # That key may not be part of this run, or its source may lack it: the extra's value would take its place.
        reason = "a key of the catalogue already has that place in the destination"
        remedy = "add the property to the catalogue, with its own place"
        return _decided(route, to, Kind.REFUSE, reason, remedy)
    origin = source if isinstance(source, RemoteSecret) else None
    place = _location(route.source_store, route.source)
    return Wanted(route.secret, route.key, to, route.destination, verdict.value, place, origin)


def _way_to_add(route: Route, environment: str) -> str:
    # Of the whole secret: it leaves what has a value already, and one line is enough for all that is missing of it.
    put = command_line("put", environment, route.secret, "--store", route.source_store.id)
    return f"{'choose variants without it, or ' if route.has_variants else ''}set it in the source: {put}"


def _decided(route: Route, to: Store, kind: Kind, reason: str, remedy: str) -> Step:
    source = _location(route.source_store, route.source) if route.source is not None else None
    destination = _location(to, route.destination) if route.destination is not None else None
    return Step(route.secret, route.key, kind, source, destination, reason, remedy)


def _location(store: Store, place: Place) -> Location:
    return Location(store.id, place.remote_key, place.property)
