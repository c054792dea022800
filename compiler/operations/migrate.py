"""Plans a migration: finds where every key comes from and goes to, reads both sides once and compares them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.change.compare import Readings, judge_source, plan_change, uses_before_reading
from compiler.change.journal import Run, identity_of, writers
from compiler.change.plan import Kind, Location, Options, Plan, Step
from compiler.change.run import Change
from compiler.live.read_many import WORKERS, WriterOf, no_writer, read_many
from compiler.live.stores import LiveStores, catalogue_places, key_places, secret_named, store_named, value_names
from compiler.model.environment import Environment, Store
from compiler.model.store import Place, remote_of, way_to_place
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.stores.interface import SecretWriter
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
        own, theirs = (remote_of(secret.entry, store.provider.id, secret.node) for store in (origin, to))
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


def migration(environment: Environment, to_id: str, source_id: str | None, options: Options) -> Change:
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
        {to.id: options.stores.address(to).absolute},
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
    writer_of = writers(options.root)
    return Change(identity, lambda run: plan_migration(routes, options.stores, options, run, writer_of), options)


def plan_migration(
    routes: Routes,
    stores: LiveStores,
    options: Options,
    run: Run | None = None,
    writer_of: WriterOf = no_writer,
    workers: int = WORKERS,
) -> Plan:
    """Read both sides once and compare them; with `run`, narrow the plan to that unfinished run.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    # Each once: thousands of keys come from the same few.
    sources = {route.source_store.id: route.source_store for route in routes.keys}
    origins = {name: stores.open(store) for name, store in sources.items()}
    destination = stores.open(routes.to)
    readings: Readings = {}
    if routes.keys:
        own = {route.destination.remote_key for route in routes.keys if route.destination is not None}
        destination.expect(dict.fromkeys(own, uses_before_reading(recovers=options.recover)))
        readings = read_many(list(_names(routes, origins, destination)), workers)
    extras = list(_extras(routes, origins, readings))
    chosen = (*routes.keys, *extras) if options.all_properties else routes.keys
    steps = (_step(route, routes, origins, destination, readings, options) for route in chosen)
    draft = Plan(
        command=COMMAND,
        environment=routes.environment,
        stores={routes.to.id: destination},
        sources={name: store.address.absolute for name, store in origins.items()},
        options=options,
        steps=tuple(step for step in steps if step is not None),
        extras=tuple(_location(route.source_store, route.source) for route in extras if route.source is not None),
        skipped=routes.skipped,
    )
    return plan_change(draft, readings, run, writer_of)


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


def _extras(routes: Routes, origins: Mapping[str, SecretWriter], readings: Readings) -> Iterator[Route]:
    """The properties that no key names in each secret's own remote secret, as routes of their own."""
    known = {(route.source_store.id, route.source) for route in routes.keys if route.source is not None}
    known |= routes.shared
    for secret, store, own, theirs in routes.mains:
        reading = readings[origins[store.id], own]
        # Where a key is the whole value, apparent properties are a part of it.
        if isinstance(reading, StoreError) or (store.id, Place(own, None)) in known:
            continue
        for name in reading.properties:
            place = Place(own, name)
            if (store.id, place) not in known:
                known.add((store.id, place))
                yield Route(secret, name, False, store, place, Place(theirs, name), is_extra=True)


def _step(
    route: Route,
    routes: Routes,
    origins: Mapping[str, SecretWriter],
    destination: SecretWriter,
    readings: Readings,
    options: Options,
) -> Step | None:
    """The step with the value to move, or refused or missing; None for an unused key without a value."""
    to, origin = routes.to, origins[route.source_store.id]
    source_place = _location(route.source_store, route.source) if route.source is not None else None
    own_place = _location(to, route.destination) if route.destination is not None else None
    step = Step(route.secret, route.key, Kind.UPDATE, source_place, own_place)
    if route.source is None:
        remedy = way_to_place(route.secret, route.source_store.provider)
        reason = f'the catalogue gives the key no place in "{route.source_store.id}"'
        return step.refused(reason, remedy) if route.in_use else None
    reading = readings[origin, route.source.remote_key]
    way_to_add = _way_to_add(route, routes.environment)
    judged = judge_source(step, reading, options, in_use=route.in_use, way_to_add=way_to_add)
    if judged is None or judged.value is None:
        return judged
    if route.destination is None:
        remedy = way_to_place(route.secret, to.provider)
        return judged.refused(f'the catalogue gives the key no place in "{to.id}"', remedy)
    if route.source == route.destination and origin.address.place_here == destination.address.place_here:
        reason = f'"{route.source_store.id}" and "{to.id}" are the same place, seen from this machine'
        remedy = "check their addresses and reachableAt, and VAULT_ADDR, which replaces the address of every Vault"
        return judged.refused(reason, remedy)
    if route.is_extra and route.destination in routes.taken:
        # That key may not be part of this run, or its source may lack it: the extra's value would take its place.
        reason = "a key of the catalogue already has that place in the destination"
        return judged.refused(reason, "add the property to the catalogue, with its own place")
    return judged


def _way_to_add(route: Route, environment: str) -> str:
    # Of the whole secret: it leaves what has a value already, and one line is enough for all that is missing of it.
    put = command_line("put", environment, route.secret, "--store", route.source_store.id)
    return f"{'choose variants without it, or ' if route.has_variants else ''}set it in the source: {put}"


def _location(store: Store, place: Place) -> Location:
    return Location(store.id, place.remote_key, place.property)
