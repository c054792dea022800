"""Plans a migration: finds where every key comes from and goes to, reads both sides once and compares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from compiler.change.checks import uses_before_reading
from compiler.change.compare import WORKERS, Head, Seen, Wanted, judge_source, plan_change
from compiler.change.journal import Run, identity_of, writers
from compiler.change.plan import Kind, Location, Options, Step
from compiler.change.run import Change, Planned, Setting
from compiler.live.read_many import Reading, WriterOf, nobody, read_many
from compiler.live.stores import LiveStores, catalogue_places, key_places, secret_named, store_named, value_names
from compiler.model.environment import Environment, Store
from compiler.model.store import Place, remote_of, way_to_place
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.stores.interface import RemoteSecret, SecretReader, SecretWriter
from compiler.text.command_line import command_line


@dataclass(frozen=True, slots=True)
class Route:
    """Where one value comes from and goes. A place is None where the catalogue names none for that provider.

    `secret` and `key` name it once, where several secrets have it in common; one of them uses it where it is `in_use`.
    `has_variants`: the environment may choose variants without it. `is_extra` marks a property of the source that is
    not a key of the catalogue.
    """

    secret: str
    key: str
    in_use: bool
    source_store: Store
    source: Place | None
    destination: Place | None
    has_variants: bool = False
    is_extra: bool = False


@dataclass(frozen=True, slots=True)
class Routes:
    """`mains` are each secret's own remote names in its source and in the destination, for its other properties.

    `shared` are places in the sources' remote secrets, by their store, that belong to keys that do not move. `taken`
    are the places that any key of the catalogue has in the destination. Of the environment only its stores are kept, so
    that a large one need not stay in memory.
    """

    environment: str
    to: Store
    keys: tuple[Route, ...]
    mains: tuple[tuple[str, Store, str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    shared: frozenset[tuple[str, Place]] = frozenset()
    taken: frozenset[Place] = frozenset()


def routes_of(environment: Environment, to: Store, source: Store | None, only: Sequence[str]) -> Routes:
    """The routes of all secrets, or of `only`, from `source` or from the store that each reads.

    Raises Refusal for an id that the environment does not have.
    """
    for name in only:
        secret_named(environment, name)
    keys: dict[tuple[str, str], Route] = {}
    names = value_names(environment)
    mains: list[tuple[str, Store, str, str]] = []
    skipped: list[tuple[str, str]] = []
    for secret in environment.secrets.values():
        origin = source or secret.store
        if (only and secret.id not in only) or origin is None:
            continue
        if origin.id == to.id:
            skipped.append((secret.id, f'it already reads from "{to.id}"'))
            continue
        used = {key.key.name for key in secret.keys}
        there = key_places(environment, secret, to)
        own, theirs = (remote_of(secret.entry, store.provider, secret.node) for store in (origin, to))
        for key, place in key_places(environment, secret, origin).items():
            called = names.get((secret.id, key), (secret.id, key))
            in_use = key in used or (called in keys and keys[called].in_use)
            has_variants = bool(secret.entry.keys[key].held.variants)
            keys[called] = Route(*called, in_use, origin, place, there[key], has_variants)
        if own is not None and theirs is not None:
            mains.append((secret.id, origin, origin.prefix + own, to.prefix + theirs))
    return Routes(
        environment.name,
        to,
        tuple(keys.values()),
        tuple(mains),
        tuple(skipped),
        _shared(environment, keys.values(), mains),
        catalogue_places(environment, to),
    )


def _shared(
    environment: Environment, keys: Iterable[Route], mains: Iterable[tuple[str, Store, str, str]]
) -> frozenset[tuple[str, Place]]:
    moved = {(route.source_store.id, route.source) for route in keys}
    origins: dict[str, tuple[Store, set[str]]] = {}
    for _, store, own, _ in mains:
        origins.setdefault(store.id, (store, set()))[1].add(own)
    return frozenset(
        (store.id, place)
        for store, names in origins.values()
        for place in catalogue_places(environment, store)
        if place.remote_key in names and (store.id, place) not in moved
    )


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


def migration(
    environment: Environment, to_id: str, source_id: str | None, options: Options, setting: Setting
) -> Change:
    """The migration of the environment's secrets from `source_id`, or from the store that each reads, into `to_id`.

    Keeps only the routes of the environment, as a large one takes more memory than the rest of the run. Raises Refusal
    for names that the environment does not have and for one store as both ends, and AddressError.
    """
    to = store_named(environment, to_id)
    source = store_named(environment, source_id) if source_id is not None else None
    if source is to:
        raise Refusal("usage", f'--from and --to both name the store "{to.id}"', "name another one with --from")
    identity = identity_of(
        COMMAND,
        environment.name,
        {to.id: setting.stores.address(to).absolute},
        {
            "from": source.id if source is not None else None,
            "only": sorted(options.only),
            "allProperties": options.all_properties,
            "onConflict": str(options.on_conflict),
            "recover": options.recover,
            "stringify": options.stringify,
        },
    )
    routes = routes_of(environment, to, source, options.only)
    return Change(COMMAND, identity, partial(_planned, routes, setting, options), setting)


def _planned(routes: Routes, setting: Setting, options: Options, run: Run | None) -> Planned:
    return plan_migration(routes, setting.stores, options, run=run, writer_of=writers(setting.root))
