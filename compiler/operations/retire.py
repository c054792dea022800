"""Plans a retirement: deletes only what nobody reads in the store any more and the serving stores hold too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.change.apply import Change
from compiler.change.compare import refuse_denied
from compiler.change.operations import DeleteVersions, Operation
from compiler.change.plan import Kind, Location, Options, Plan, Step, location_of
from compiler.live.observation import (
    NOT_HELD,
    Likeness,
    Observation,
    Reading,
    States,
    end_before,
    keep_command,
    value_at,
)
from compiler.live.readers import Reader, ReadIndex, every_environment, one_environment, read_by, readers_of, way_out
from compiler.live.stores import LiveStores, secret_named, store_named
from compiler.model.environment import ALL_KEYS, Environment, Store
from compiler.model.inventory import Cell, Inventory, ValueName
from compiler.model.store import Sameness, compare_stores
from compiler.refusal import Refusal
from compiler.stages.resolve import Outside
from compiler.stores.errors import NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret, SecretReader, StoreState, Use, VersionStates
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import command_line, name_versions, quote

if TYPE_CHECKING:
    from compiler.cluster.view import ClusterView

COMMAND = "retire"
_HAS_VERSIONS = (RemoteSecret, SoftDeletedError, VersionGoneError)
_PARTLY = "the same, but not all of this remote secret is, so it stays"


@dataclass(frozen=True, slots=True)
class RetirementCandidate:
    """A remote secret that may be deleted from the store."""

    name: str
    # A step for each of its values, from the place that serves the value now; refused without such a place.
    keys: tuple[Step, ...]
    served_by: tuple[str, ...]  # the stores that serve what it holds now, also one without a place for it
    owners: tuple[tuple[str, Location], ...]  # the secrets whose own it is, each with where it is served now
    readers: tuple[Reader, ...]  # who still reads it
    secrets: tuple[str, ...]  # all that have one of the values

    @property
    def current_places(self) -> Iterator[Location]:
        """Where its values are served now."""
        yield from (step.source for step in self.keys if step.source is not None)
        yield from (place for _, place in self.owners)


class Retirement:
    """The remote secrets with values of the secrets `only`, or of all, that a store may lose, and who reads them.

    Raises Refusal for a secret that the environment does not have.
    """

    def __init__(self, environment: Environment, store: Store, only: Sequence[str], readers: ReadIndex) -> None:
        for name in only:
            secret_named(environment, name)
        self._environment, self.store, self.only = environment, store, tuple(only)
        inventory = Inventory(environment)
        rows = [(cell, inventory.in_store(cell, store)) for cell in inventory.cells()]
        wanted = [
            each for each in self._candidates(rows, readers) if not only or not set(only).isdisjoint(each.secrets)
        ]
        # Candidates without readers.
        self.free = tuple(each for each in wanted if not each.readers)
        self.read = tuple(each for each in wanted if each.readers)
        placed = {there.secret for _, there in rows if there.place is not None}
        lacking = dict.fromkeys(cell.secret for cell, _ in rows if cell.secret not in placed)
        reason = f"the catalogue gives it no place in {quote(store.id)}"
        self.skipped = tuple((secret, reason) for secret in lacking if not only or secret in only)

    def _candidates(self, rows: Sequence[tuple[Cell, Cell]], readers: ReadIndex) -> Iterator[RetirementCandidate]:
        environment, groups = self._environment.name, dict[str, list[tuple[Cell, Cell]]]()
        owners: dict[str, dict[str, Location]] = {}
        # By remote name, readers of this environment whose own place is compared before anything is deleted.
        compared: dict[str, set[tuple[str, str]]] = {}
        for cell, there in rows:
            if cell.own is not None and there.own is not None:
                own = owners.setdefault(self.store.provider.remote_name(there.own), {})
                own[cell.secret] = Location(cell.store.id, cell.own, None)
            if there.place is not None:
                groups.setdefault(there.remote_name, []).append((cell, there))
                if cell.place is not None:
                    reader = (f"{environment}/{cell.secret}", f"{environment}/{cell.store.id}")
                    compared.setdefault(cell.remote_key, set()).add(reader)
        for key, held in groups.items():
            name, ends = held[0][1].remote_key, owners.get(key, {})
            known = compared.get(name, set())
            values: dict[ValueName, tuple[Cell, Cell]] = {}
            for pair in held:
                values.setdefault(pair[0].value, pair)
            serving = [cell.store.id for cell, _ in values.values()]
            served_by = dict.fromkeys((*serving, *(each.store for each in ends.values())))
            still = tuple(each for each in readers.of(name) if each.is_proven or (each.name, each.store) not in known)
            yield RetirementCandidate(
                name,
                tuple(_step_of(*pair) for pair in values.values()),
                tuple(served_by),
                tuple(ends.items()),
                still,
                tuple(dict.fromkeys(cell.secret for cell, _ in held)),
            )

    def plan(self, stores: LiveStores) -> Plan:
        """Reads the free candidates and the stores that serve their values now; the plan changes no store yet.

        Raises AddressError, and the StoreError of a store that cannot be used.
        """
        self._observe(stores)
        # Secrets with readers are refused if they were named, and otherwise left out.
        steps = [step for remote in self.read if self.only for step in _still_read(remote)]
        writes: list[Operation] = []
        for remote in self.free:
            target, reading, states = (self.store.id, remote.name), self._reading(remote), self._states_of(remote)
            known = VersionStates() if isinstance(states, StoreError) else states
            readable = tuple(version for version, state in known.items() if state is StoreState.PRESENT)
            deleted = tuple(version for version, state in known.items() if state is StoreState.SOFT_DELETED)
            own = self._steps(remote, readable)
            steps += own
            if any(step.kind is Kind.DELETE for step in own) and isinstance(reading, RemoteSecret):
                made = {version: known.made[version] for version in readable if version in known.made}
                writes.append(DeleteVersions(*target, own, base=reading, versions=readable, others=deleted, made=made))
        plan = Plan(
            command=COMMAND,
            environment=self._environment.name,
            stores={self.store.id: self._writer},
            sources={name: each.address.absolute for name, each in self._serving.items()},
            options=Options(self.only),
            steps=tuple(steps),
            writes=tuple(writes),
            skipped=self.skipped,
        )
        plan = refuse_denied(plan)
        if plan.writes:
            plan = replace(plan, who={self.store.id: self._writer.whoami().subject})
        return plan

    def _observe(self, stores: LiveStores) -> None:
        self._writer = stores.open(self.store)
        self._writer.expect({remote.name: {Use.DELETE_VERSIONS} for remote in self.free})
        served_at = [place for remote in self.free for place in remote.current_places]
        served_by = [store for remote in self.free for store in remote.served_by]
        self._serving = {store: stores.open(self._environment.stores[store]) for store in served_by}
        own = [(self.store.id, remote.name) for remote in self.free]
        readers: dict[str, SecretReader] = {**self._serving, self.store.id: self._writer}
        self._seen = Observation(readers, [*own, *((each.store, each.name) for each in served_at)])
        self._states = self._seen.states(each for each in own if isinstance(self._seen.held[each], _HAS_VERSIONS))

    def _reading(self, remote: RetirementCandidate) -> Reading:
        return self._seen.held[self.store.id, remote.name]

    def _states_of(self, remote: RetirementCandidate) -> States:
        return self._states.get((self.store.id, remote.name), VersionStates())

    def _steps(self, remote: RetirementCandidate, readable: tuple[str, ...]) -> tuple[Step, ...]:
        """A step for each value that it holds; `readable` are the versions that would be deleted."""
        reading, states = self._reading(remote), self._states_of(remote)
        if isinstance(states, StoreError):
            reason = f"which versions of it can be read is not known: {states.reason}"
            return _set_all(remote, Kind.REFUSE, reason, states.remedy)
        if isinstance(reading, StoreError):
            return _unreadable(remote, reading, readable)
        if not readable or readable[-1] != reading.version:
            return _set_all(remote, Kind.REFUSE, "it changed while it was looked at", "run the command again")
        for problem in self._writer.check_deletion(reading):
            return _set_all(remote, Kind.REFUSE, problem.reason, problem.remedy)
        found = tuple(self._compare_remote(remote, reading, readable))
        if not found:
            reason = "what it holds cannot be compared: no key of the catalogue is in it"
            return _set_all(remote, Kind.REFUSE, reason, "look at it by hand")
        if all(step.kind is Kind.DELETE for step in found):
            return found
        return tuple(replace(s, kind=Kind.KEEP, reason=_PARTLY) if s.kind is Kind.DELETE else s for s in found)

    def _compare_remote(
        self, remote: RetirementCandidate, reading: RemoteSecret, readable: tuple[str, ...]
    ) -> Iterator[Step]:
        # Without listed keys, each property is compared by its own name.
        keys = [step for step in remote.keys if step.key != ALL_KEYS]
        named = {step.place.property for step in keys}
        for step in keys:
            value = value_at(reading, step.place.property)
            if value is not None:
                yield self._judge_value(step, value, reading, readable)
        if None in named:
            # The properties are a part of the whole value.
            return
        if not reading.is_object:
            reason = "its value is not a JSON object, so that it cannot be compared"
            yield from _set_all(remote, Kind.REFUSE, reason, "look at it by hand")
            return
        for prop in reading.properties:
            if prop not in named:
                yield self._judge_extra(remote, prop, reading, readable)

    def _judge_extra(
        self, remote: RetirementCandidate, prop: str, reading: RemoteSecret, readable: tuple[str, ...]
    ) -> Step:
        """The step of a property that no key of the catalogue names; `migrate --all-properties` copies it."""
        place = Location(self.store.id, remote.name, prop)
        for secret, main in remote.owners:
            step = Step(secret, prop, Kind.DELETE, replace(main, property=prop), place)
            return self._judge_value(step, reading.properties[prop], reading, readable, "--all-properties")
        reason = "no key of the environment names it, so that it cannot be compared"
        step = Step(remote.keys[0].secret, prop, Kind.REFUSE, None, place)
        return step.refuse(reason, "add it to the catalogue, or look at it by hand")

    def _judge_value(
        self, step: Step, value: SecretValue, reading: RemoteSecret, readable: tuple[str, ...], *more: str
    ) -> Step:
        """The step of a value; `more` are the options that `migrate` needs to copy it."""
        if step.source is None:
            return step
        store, left = self._environment.stores[step.source.store], self.store
        serving, writer = quote(store.id), self._serving[store.id]
        there = self._seen.held[store.id, step.source.name]
        if self._is_same_place(step.source, reading, there):
            reason = f"it is the same remote secret in {serving}, seen from this machine"
            return step.refuse(reason, "check the addresses of the stores, and VAULT_ADDR")
        found = self._seen.compare(value, (store.id, step.source.name), step.source.property)
        if isinstance(there, StoreError) and found is Likeness.UNKNOWN:
            return step.refuse(f"it cannot be compared with {serving}: {there.reason}", there.remedy)
        if isinstance(there, StoreError) or found is Likeness.MISSING:
            why = f": {there.reason}" if isinstance(there, StoreError) else ""
            copy = self._migrate(store, left, step.secret, *more)
            return step.refuse(f"{serving}, which serves it, does not hold it{why}", copy)
        if found is not Likeness.EQUAL:
            over = self._migrate(left, store, step.secret, *more, "--on-conflict", "overwrite")
            remedy = f"if {serving} is right, write its value here first: {over}"
            reason = f"{serving}, which serves it, holds another value"
            return replace(step, kind=Kind.CONFLICT, reason=reason, remedy=remedy)
        if (ends := end_before(store, there, left, reading)) is not None:
            what = f"version {there.version} deletes itself on {ends:%Y-%m-%d}"
            remedy = f"to have it stay: {keep_command(writer, there.name, there.version)}"
            return step.refuse(f"in {serving}, which serves it, {what}", remedy)
        taken = name_versions(readable) if left.provider.deletes_by_version else "all versions"
        return replace(step, reason=f"{taken}; {serving} holds the same")

    def _is_same_place(self, served: Location, reading: RemoteSecret, there: Reading) -> bool:
        """Whether both are one remote secret, by address, or by version and date."""
        here, other = self._writer.address, self._serving[served.store].address
        if other.provider is not here.provider:
            return False
        if compare_stores(other.identity, here.identity) is Sameness.SAME:
            return here.provider.remote_name(served.name) == here.provider.remote_name(reading.name)
        # One server may have two names. A copy never has the same date, nor in a Key Vault the same version.
        made = reading.attributes.created
        return (
            not isinstance(there, StoreError)
            and made is not None
            and (there.version, there.attributes.created) == (reading.version, made)
        )

    def _migrate(self, to: Store, source: Store, secret: str, *more: str) -> str:
        words = ("migrate", self._environment.name, "--to", to.id, "--from", source.id, "--only", secret)
        return command_line(*words, *more, "--apply")


def _set_all(remote: RetirementCandidate, kind: Kind, reason: str, remedy: str = "") -> tuple[Step, ...]:
    return tuple(replace(step, kind=kind, source=None, reason=reason, remedy=remedy) for step in remote.keys)


def _unreadable(remote: RetirementCandidate, error: StoreError, readable: tuple[str, ...]) -> tuple[Step, ...]:
    if not isinstance(error, NOT_HELD):
        return _set_all(remote, Kind.REFUSE, f"it cannot be read: {error.reason}", error.remedy)
    if not readable:
        is_absent = isinstance(error, NotFoundError)
        return _set_all(remote, Kind.KEEP, "it is not there" if is_absent else "it is deleted already")
    reason = f"{error.reason}, but {name_versions(readable)} can still be read, so that it cannot be compared"
    return _set_all(remote, Kind.REFUSE, reason, "recover its newest version, and run the command again")


def _step_of(cell: Cell, there: Cell) -> Step:
    """The step that deletes a value; refused if the store that serves the value has no place for it."""
    step = Step(*cell.value, Kind.DELETE, location_of(cell.store, cell.place), location_of(there.store, there.place))
    if cell.place is None:
        return step.refuse(f"the catalogue gives it no place in {quote(cell.store.id)}, which serves it", "add one")
    return step


def _still_read(remote: RetirementCandidate) -> tuple[Step, ...]:
    other = way_out(remote.readers)
    remedy = "switch whoever reads it to another store first" + (f"; {other}" if other else "")
    return _set_all(remote, Kind.REFUSE, read_by(remote.readers, "still read by"), remedy)


def retire(
    environment: Environment,
    store_id: str,
    only: Sequence[str],
    cluster: ClusterView | None,
    options: Options,
    outside: Outside,
    tell: Callable[[Retirement], None] = lambda _found: None,
) -> Change:
    """The change that deletes from a store what no environment, and nothing in the cluster, reads there any more.

    `only` limits it to these secrets; `cluster` is None if no cluster is asked. Who reads the store is found out while
    planning, which is under the lock if it is applied: until then, a switch may put to use what would be deleted.
    `tell` gets the result before the plan is shown. Raises Refusal for names that the environment does not have, and
    AddressError; planning raises Refusal if it is not known who reads the store.
    """
    store = store_named(environment, store_id)
    address = options.stores.address(store).absolute
    for secret in only:
        secret_named(environment, secret)

    def make_plan() -> Plan:
        # Read all files and the cluster again.
        now = one_environment(options.root, environment.name, outside)
        every = {each.name: each for each in (*every_environment(options.root, outside), now)}
        store = store_named(now, store_id)
        if options.stores.address(store).absolute != address:
            raise Refusal("cannot run", f"the address of {store.id} changed meanwhile", "run the same command again")
        readers = readers_of(store, every.values(), options.stores, cluster, options.not_the_same)
        readers.check_excluded()
        found = Retirement(now, store, only, readers)
        tell(found)
        return found.plan(options.stores)

    asked = {"notTheSame": sorted(options.not_the_same)} if options.not_the_same else {}
    return Change(COMMAND, make_plan, options, asked)
