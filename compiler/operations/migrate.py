"""Plans a migration: finds where every key comes from and goes to, reads both sides once and compares them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from compiler.change.apply import Change
from compiler.change.attributes import since_in_sources
from compiler.change.compare import judge_source, plan_change, uses_before_reading
from compiler.change.plan import Kind, Location, Options, Plan, Step, location_of
from compiler.live.observation import Observation
from compiler.live.stores import secret_named, store_named
from compiler.model.environment import Environment, Store
from compiler.model.inventory import Cell, Inventory
from compiler.model.store import way_to_place
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.text.wording import command_line, quote

COMMAND = "migrate"


def migration(environment: Environment, to_id: str, source_id: str | None, options: Options) -> Change:
    """The change that copies secrets into `to_id`, from `source_id` or from the store that each reads.

    Raises Refusal for names that the environment does not have and for the same store as both ends, and AddressError.
    """
    to = store_named(environment, to_id)
    source = store_named(environment, source_id) if source_id is not None else None
    if source is to:
        raise Refusal("usage", f'--from and --to both name the store "{to.id}"', "name another one with --from")
    return Change(COMMAND, Migration(environment, to, source, options).plan, options)


class Migration:
    """Plans what to copy into the store `to`, from `source` or from the store that each secret reads.

    Keeps steps, and not the environment: a large one takes more memory than the rest of the run. Raises Refusal for a
    secret that the environment does not have.
    """

    def __init__(self, environment: Environment, to: Store, source: Store | None, options: Options) -> None:
        for name in options.only:
            secret_named(environment, name)
        self._environment, self._to, self._options = environment.name, to, options
        inventory = Inventory(environment)
        asked = tuple(inventory.cells(options.only, source))
        already = dict.fromkeys(cell.secret for cell in asked if cell.store.id == to.id)
        self._skipped = tuple((secret, f'it already reads from "{to.id}"') for secret in already)
        rows = [(cell, inventory.in_store(cell, to)) for cell in asked if cell.store.id != to.id]
        self._sources = {cell.store.id: cell.store for cell, _ in rows}
        # For each value in use, whether it has variants: a secret may use others in its place.
        self._has_variants = {cell.value: cell.has_variants for cell, _ in rows if cell.in_use}
        found = {cell.value: _step_of(cell, there) for cell, there in rows if not cell.is_all}
        self._steps_without_keys = [_step_of(cell, there) for cell, there in rows if cell.is_all]
        self._steps = [step for name, step in found.items() if step.source is not None or name in self._has_variants]
        self._own_remotes = _find_own_remotes(rows)
        # Secrets that have every property as a key: no property may be left behind.
        self._using_all = frozenset(cell.secret for cell, _ in rows if cell.uses_all)
        # The places of catalogue keys: no property there is an extra one, and no extra one is copied to such a place.
        stores = self._sources.values()
        self._places_of_keys = {Location(store.id, *place) for store in stores for place in inventory.places(store)}
        is_wide = options.all_properties or bool(self._using_all)
        self._sources_by_place = _origins(inventory, stores, to) if is_wide else {}
        self._limits = {to.id: inventory.limits(to)}

    def plan(self) -> Plan:
        """Read both sides once and compare them.

        Raises AddressError, and the StoreError of a store that cannot be used at all.
        """
        options, to = self._options, self._to
        origins = {name: options.stores.open(store) for name, store in self._sources.items()}
        destination = options.stores.open(to)
        planned = (*self._steps, *self._steps_without_keys)
        own = {step.destination.name for step in planned if step.destination is not None}
        destination.expect(dict.fromkeys(own, uses_before_reading(recovers=options.recover)))
        # Every place of both sides is read once.
        pairs = [*((step.source, step.destination) for step in planned), *self._own_remotes.values()]
        names = [(place.store, place.name) for pair in pairs for place in pair if place is not None]
        seen = Observation({**origins, to.id: destination}, names)
        # The steps of keys, then of secrets that list no keys, then of properties that no key names.
        steps = [_judge_step(step, self._way_to_add(step), to, seen, options) for step in self._steps]
        steps += [_judge_all(step, to, seen, options) for step in self._steps_without_keys]
        extras = list(_extras(self._own_remotes, self._places_of_keys, self._using_all, self._steps, seen))
        copied = [step for step in extras if options.all_properties or step.secret in self._using_all]
        judged = (_judge_step(step, self._way_to_fill(step), to, seen, options) for step in copied)
        steps += [_unless_taken(step, self._sources_by_place) for step in judged if step is not None]
        draft = Plan(
            command=COMMAND,
            environment=self._environment,
            stores={to.id: destination},
            sources={name: store.address.absolute for name, store in origins.items()},
            options=options,
            steps=tuple(step for step in steps if step is not None),
            extras=tuple(
                step.source for step in extras if step.source is not None and step.secret not in self._using_all
            ),
            skipped=self._skipped,
        )
        since_of = since_in_sources(origins)
        return plan_change(draft, seen.readings, used={to.id: to}, limits=self._limits, since_of=since_of)

    def _way_to_add(self, step: Step) -> str:
        """How to give the step's source its value; empty for a value that no secret uses.

        The command is for the whole secret: it adds all missing values, and changes none.
        """
        name = step.secret, step.key
        if name not in self._has_variants or step.source is None:
            return ""
        others = "choose variants without it, or " if self._has_variants[name] else ""
        put = command_line("put", self._environment, step.secret, "--store", step.source.store)
        return f"{others}set it in the source: {put}"

    def _way_to_fill(self, extra: Step) -> str:
        """The remedy for a blank property that becomes a key without being listed; empty for any other property."""
        return "remove it from the source, or give it a value there" if extra.secret in self._using_all else ""


def _step_of(cell: Cell, there: Cell) -> Step:
    """The step that copies a value from its place to the destination; refused if the source has no place for it."""
    step = Step(*cell.value, Kind.UPDATE, location_of(cell.store, cell.place), location_of(there.store, there.place))
    return step if cell.place is not None else _refuse_unplaced(step, cell.store)


def _refuse_unplaced(step: Step, store: Store) -> Step:
    """The step, refused because its key has no place in `store`."""
    reason = f'the catalogue gives the key no place in "{store.id}"'
    return step.refuse(reason, way_to_place(step.secret, store.provider))


def _origins(inventory: Inventory, sources: Iterable[Store], to: Store) -> dict[Location, set[Location | None]]:
    """For each place in `to`, from where its catalogue key comes; None for a key without a place in the source."""
    found: dict[Location, set[Location | None]] = {}
    for source in sources:
        for cell, there in zip(inventory.every(source), inventory.every(to), strict=True):
            if (place := location_of(to, there.place)) is not None:
                found.setdefault(place, set()).add(location_of(source, cell.place))
    return found


# By secret: its own remote secret in the source and in the destination, which may have properties without a key.
_OwnRemotes = Mapping[str, tuple[Location, Location]]


def _find_own_remotes(rows: Iterable[tuple[Cell, Cell]]) -> _OwnRemotes:
    return {
        cell.secret: (Location(cell.store.id, cell.own, None), Location(there.store.id, there.own, None))
        for cell, there in rows
        if cell.own is not None and there.own is not None
    }


def _extras(
    mains: _OwnRemotes, named: Collection[Location], whole: Collection[str], steps: Sequence[Step], seen: Observation
) -> Iterator[Step]:
    """A step for each property of a secret's own remote secret that no key names.

    The Secrets in `whole` have every property as a key, also those that are keys of other entries: such a property is
    copied too, unless another step does so.
    """
    known, moved = set(named), {(step.source, step.destination) for step in steps}
    # Those of `whole` first: a secret that shares their remote one may need less of it.
    for secret, (own, theirs) in sorted(mains.items(), key=lambda each: each[0] not in whole):
        reading = seen.held[own.store, own.name]
        # If the whole value is a key, its properties are no keys of their own.
        if isinstance(reading, StoreError) or own in known:
            continue
        for name in reading.properties:
            place, there = replace(own, property=name), replace(theirs, property=name)
            if (place, there) not in moved and (secret in whole or place not in known):
                known.add(place)
                moved.add((place, there))
                yield Step(secret, name, Kind.UPDATE, place, there)


def _judge_step(step: Step, way_to_add: str, to: Store, seen: Observation, options: Options) -> Step | None:
    """The step with the value to copy, or refused or missing; None for an unused key without a value."""
    source = step.source
    if source is None:
        return step
    judged = judge_source(step, seen.held[source.store, source.name], options, way_to_add)
    if judged is None or judged.value is None:
        return judged
    if step.destination is None:
        return _refuse_unplaced(judged, to)
    is_one = (source.name, source.property) == (step.destination.name, step.destination.property)
    if is_one and seen.stores[source.store].address.is_same_place(seen.stores[to.id].address):
        reason = f'"{source.store}" and "{to.id}" are the same place, seen from this machine'
        remedy = "check their addresses and reachableAt, and VAULT_ADDR, which replaces the address of every Vault"
        return judged.refuse(reason, remedy)
    return judged


def _judge_all(step: Step, to: Store, seen: Observation, options: Options) -> Step | None:
    """The problem with the source of a secret that lists no keys; None if its properties have steps of their own."""
    if step.source is None:
        return step
    reading = seen.held[step.source.store, step.source.name]
    way_to_add = f"write it there, or list keys of {quote(step.secret)} in the catalogue for `put`"
    if isinstance(reading, StoreError):
        return judge_source(step, reading, options, way_to_add)
    if not reading.is_object:
        reason = "the source's value is not a JSON object, so it has no properties"
        return step.refuse(reason, "store a JSON object there")
    if not reading.properties:
        return replace(step, kind=Kind.MISSING, reason="the source has no property", remedy=way_to_add)
    return _refuse_unplaced(step, to) if step.destination is None else None


def _unless_taken(extra: Step, taken: Mapping[Location, Collection[Location | None]]) -> Step:
    """The extra step, refused if its destination is the place of a key that comes from elsewhere."""
    if extra.value is None or extra.destination is None or set(taken.get(extra.destination, ())) <= {extra.source}:
        return extra
    # This run may not write that key: then the extra property would take its place.
    reason = "a key of the catalogue already has that place in the destination"
    return extra.refuse(reason, "add the property to the catalogue, with its own place")
