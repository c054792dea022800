"""Plans a migration: finds where every key comes from and goes to, reads both sides once and compares them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from compiler.change.apply import Change
from compiler.change.attributes import since_in_sources
from compiler.change.compare import judge_source, plan_change, uses_before_reading
from compiler.change.journal import Run, identity_of
from compiler.change.plan import Kind, Location, Options, Plan, Step, location_of
from compiler.live.observation import WORKERS, Observation
from compiler.live.stores import secret_named, store_named
from compiler.model.environment import Environment, Store
from compiler.model.inventory import Inventory, PlaceLimits, ValueName
from compiler.model.store import way_to_place
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.text.wording import command_line


@dataclass(frozen=True, slots=True)
class Routes:
    """What to move into the store `to`, from the stores `sources` by their ids: a step for each value, without it.

    `in_use` are the values that a secret uses, and whether it may use others in their place, as variants of the key. A
    value that several secrets have in common is one step. `mains` are each secret's own remote names in its source and
    in the destination, for its other properties. `shared` are places in the sources' remote secrets that belong to keys
    that do not move. `taken` are the places that any key of the catalogue has in the destination, and `limits` the
    limits there. Of the environment only its stores are kept, so that a large one need not stay in memory.
    """

    environment: str
    to: Store
    sources: Mapping[str, Store]
    steps: tuple[Step, ...]
    in_use: Mapping[ValueName, bool]
    mains: tuple[tuple[str, str, str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    shared: frozenset[Location]
    taken: frozenset[Location]
    limits: PlaceLimits


def routes_of(environment: Environment, to: Store, source: Store | None, only: Sequence[str]) -> Routes:
    """The routes of all secrets, or of `only`, from `source` or from the store that each reads.

    Raises Refusal for an id that the environment does not have.
    """
    for name in only:
        secret_named(environment, name)
    steps: dict[ValueName, Step] = {}
    in_use: dict[ValueName, bool] = {}
    inventory = Inventory(environment)
    mains: list[tuple[str, str, str, str]] = []
    skipped: list[tuple[str, str]] = []
    sources: dict[str, Store] = {}
    for secret in environment.secrets.values():
        origin = source or secret.store
        if (only and secret.id not in only) or origin is None:
            continue
        if origin.id == to.id:
            skipped.append((secret.id, f'it already reads from "{to.id}"'))
            continue
        sources[origin.id] = origin
        there = inventory.of(secret, to)
        for key, cell in inventory.of(secret, origin).items():
            if cell.in_use:
                in_use[cell.value] = bool(secret.entry.keys[key].value_key.variants)
            step = Step(*cell.value, Kind.UPDATE, location_of(origin, cell.place), location_of(to, there[key].place))
            steps[cell.value] = step if cell.place is not None else _refuse_unplaced(step, origin)
        own, theirs = inventory.own_remote(secret, origin), inventory.own_remote(secret, to)
        if own is not None and theirs is not None:
            mains.append((secret.id, origin.id, own, theirs))
    return Routes(
        environment.name,
        to,
        sources,
        tuple(step for called, step in steps.items() if step.source is not None or called in in_use),
        in_use,
        tuple(mains),
        tuple(skipped),
        _shared_places(inventory, sources, steps.values(), mains),
        frozenset(_locations(inventory, to)),
        inventory.limits(to),
    )


def _refuse_unplaced(step: Step, store: Store) -> Step:
    """A step whose key has no place in `store`."""
    reason = f'the catalogue gives the key no place in "{store.id}"'
    return step.refuse(reason, way_to_place(step.secret, store.provider))


def _shared_places(
    inventory: Inventory,
    sources: Mapping[str, Store],
    steps: Iterable[Step],
    mains: Iterable[tuple[str, str, str, str]],
) -> frozenset[Location]:
    moved = {step.source for step in steps}
    owned = {(store, own) for _, store, own, _ in mains}
    return frozenset(
        place
        for store in sources.values()
        for place in _locations(inventory, store)
        if (place.store, place.name) in owned and place not in moved
    )


def _locations(inventory: Inventory, store: Store) -> Iterator[Location]:
    for place in inventory.places(store):
        yield Location(store.id, place.remote_key, place.property)


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
    asked = {
        "from": source.id if source is not None else None,
        "only": sorted(options.only),
        "allProperties": options.all_properties,
        "onConflict": str(options.on_conflict),
        "recover": options.recover,
        "stringify": options.stringify,
    }
    identity = identity_of(COMMAND, environment.name, {to.id: options.stores.address(to).absolute}, asked)
    routes = routes_of(environment, to, source, options.only)
    return Change(identity, partial(plan_migration, routes, options), options)


def plan_migration(routes: Routes, options: Options, run: Run | None = None, workers: int = WORKERS) -> Plan:
    """Read both sides once and compare them; with `run`, narrow the plan to that unfinished run.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    origins = {name: options.stores.open(store) for name, store in routes.sources.items()}
    destination = options.stores.open(routes.to)
    own = {step.destination.name for step in routes.steps if step.destination is not None}
    destination.expect(dict.fromkeys(own, uses_before_reading(recovers=options.recover)))
    seen = Observation({**origins, routes.to.id: destination}, list(_names(routes)), workers)
    steps = [_judge_step(step, _way_to_add(step, routes), routes, seen, options) for step in routes.steps]
    extras = list(_extras(routes, seen))
    if options.all_properties:
        judged = (_judge_step(step, "", routes, seen, options) for step in extras)
        steps += [_unless_taken(step, routes) for step in judged if step is not None]
    draft = Plan(
        command=COMMAND,
        environment=routes.environment,
        stores={routes.to.id: destination},
        sources={name: store.address.absolute for name, store in origins.items()},
        options=options,
        steps=tuple(step for step in steps if step is not None),
        extras=tuple(step.source for step in extras if step.source is not None),
        skipped=routes.skipped,
    )
    used, limits = {routes.to.id: routes.to}, {routes.to.id: routes.limits}
    since_of = since_in_sources(origins)
    return plan_change(draft, seen.readings, run, used=used, limits=limits, since_of=since_of)


def _names(routes: Routes) -> Iterator[tuple[str, str]]:
    for step in routes.steps:
        yield from ((place.store, place.name) for place in (step.source, step.destination) if place is not None)
    for _, store, own, theirs in routes.mains:
        yield store, own
        yield routes.to.id, theirs


def _extras(routes: Routes, seen: Observation) -> Iterator[Step]:
    """The properties that no key names in each secret's own remote secret, as steps of their own."""
    known = {step.source for step in routes.steps} | routes.shared
    for secret, store, own, theirs in routes.mains:
        reading = seen.held[store, own]
        # Where a key is the whole value, apparent properties are a part of it.
        if isinstance(reading, StoreError) or Location(store, own, None) in known:
            continue
        for name in reading.properties:
            place = Location(store, own, name)
            if place not in known:
                known.add(place)
                yield Step(secret, name, Kind.UPDATE, place, Location(routes.to.id, theirs, name))


def _way_to_add(step: Step, routes: Routes) -> str:
    """How to give the step's source its value; empty for a value that no secret uses.

    The line is for the whole secret: it leaves what has a value already, and adds all that is missing.
    """
    has_variants = routes.in_use.get((step.secret, step.key))
    if has_variants is None or step.source is None:
        return ""
    others = "choose variants without it, or " if has_variants else ""
    put = command_line("put", routes.environment, step.secret, "--store", step.source.store)
    return f"{others}set it in the source: {put}"


def _judge_step(step: Step, way_to_add: str, routes: Routes, seen: Observation, options: Options) -> Step | None:
    """The step with the value to move, or refused or missing; None for an unused key without a value."""
    source = step.source
    if source is None:
        return step
    judged = judge_source(step, seen.held[source.store, source.name], options, way_to_add)
    if judged is None or judged.value is None:
        return judged
    if step.destination is None:
        return _refuse_unplaced(judged, routes.to)
    is_one = (source.name, source.property) == (step.destination.name, step.destination.property)
    origin, to = (seen.stores[each].address for each in (source.store, routes.to.id))
    if is_one and origin.is_same_place(to):
        reason = f'"{source.store}" and "{routes.to.id}" are the same place, seen from this machine'
        remedy = "check their addresses and reachableAt, and VAULT_ADDR, which replaces the address of every Vault"
        return judged.refuse(reason, remedy)
    return judged


def _unless_taken(extra: Step, routes: Routes) -> Step:
    if extra.value is None or extra.destination not in routes.taken:
        return extra
    # That key may not be part of this run, or its source may lack it: the extra's value would take its place.
    reason = "a key of the catalogue already has that place in the destination"
    return extra.refuse(reason, "add the property to the catalogue, with its own place")
