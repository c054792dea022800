"""Plans a retirement: deletes only what nobody reads in the store any more and the serving stores hold too."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from compiler.change.apply import Change
from compiler.change.compare import narrow_to_run, refuse_denied
from compiler.change.journal import Run, identity_of
from compiler.change.operations import DeleteVersions, Operation
from compiler.change.plan import Kind, Location, Options, Plan, Step, Target, location_of
from compiler.cluster.view import ClusterView
from compiler.live.observation import NOT_HELD, Likeness, Observation, Reading, States, value_at
from compiler.live.readers import Reader, ReadIndex, every_environment, one_environment, read_by, readers_of, way_out
from compiler.live.stores import LiveStores, secret_named, store_named
from compiler.live.versions import end_before, keep_command
from compiler.model.environment import Environment, Secret, Store
from compiler.model.inventory import Inventory, ValueName
from compiler.model.store import Sameness, compare_stores
from compiler.refusal import Refusal
from compiler.stages.resolve import Outside
from compiler.stores.errors import NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret, SecretReader, StoreState, Use, VersionStates
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import command_line, name_versions, quote

COMMAND = "retire"
_HAS_VERSIONS = (RemoteSecret, SoftDeletedError, VersionGoneError)
_PARTLY = "the same, but not all of this remote secret is, so it stays"


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote secret of the store. `mains` are the secrets whose own it is, each with where it is served now.

    `keys` are its values, each once: a step from the place that serves it now, refused where that store has none.
    `served_by` are the stores that serve what it holds now, also one without a place for it. `secrets` are all that
    have one of the values, and `readers` still read it.
    """

    name: str
    keys: tuple[Step, ...]
    served_by: tuple[str, ...]
    mains: tuple[tuple[str, Location], ...]
    readers: tuple[Reader, ...]
    secrets: tuple[str, ...]

    @property
    def current_places(self) -> Iterator[Location]:
        """Where what it holds is served now."""
        yield from (step.source for step in self.keys if step.source is not None)
        yield from (place for _, place in self.mains)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The remote secrets of `store`, and secrets with none there. `only` are the secrets that were named, if any."""

    environment: Environment
    store: Store
    only: tuple[str, ...]
    remotes: tuple[Remote, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def free(self) -> tuple[Remote, ...]:
        """Those that may be deleted."""
        return tuple(each for each in self.remotes if not each.readers)

    @property
    def read(self) -> tuple[Remote, ...]:
        return tuple(each for each in self.remotes if each.readers)


def candidates_of(environment: Environment, store: Store, only: Sequence[str], readers: ReadIndex) -> Candidates:
    """The candidates of all secrets, or of `only`. Raises Refusal for a secret that the environment does not have."""
    for name in only:
        secret_named(environment, name)
    groups: dict[str, tuple[str, dict[ValueName, Step], dict[str, None], dict[str, None]]] = {}
    inventory = Inventory(environment)
    mains: dict[str, list[tuple[str, Location]]] = {}
    skipped: list[tuple[str, str]] = []
    # By name: the readers of this environment whose own place is read and compared before anything is deleted.
    compared: dict[str, set[tuple[str, str]]] = {}
    for secret in environment.secrets.values():
        serving = secret.store
        if serving is None:
            continue
        held = list(_values_in(store, inventory, secret, serving))
        for step in held:
            name = step.place.name
            _, values, stores, secrets = groups.setdefault(store.provider.remote_name(name), (name, {}, {}, {}))
            if values.setdefault((step.secret, step.key), step) is step:
                stores[serving.id] = None
            secrets[secret.id] = None
            if step.source is not None:
                reader = (f"{environment.name}/{secret.id}", f"{environment.name}/{serving.id}")
                compared.setdefault(step.source.name, set()).add(reader)
        own, theirs = inventory.own_remote(secret, store), inventory.own_remote(secret, serving)
        if own is not None and theirs is not None:
            main = (secret.id, Location(serving.id, theirs, None))
            mains.setdefault(store.provider.remote_name(own), []).append(main)
        if not held and (not only or secret.id in only):
            skipped.append((secret.id, f"the catalogue gives it no place in {quote(store.id)}"))
    remotes: list[Remote] = []
    for key, (name, values, stores, secrets) in groups.items():
        ends, known = mains.get(key, ()), compared.get(name, set())
        served_by = dict.fromkeys((*stores, *(place.store for _, place in ends)))
        still = tuple(each for each in readers.of(name) if each.is_proven or (each.name, each.store) not in known)
        remotes.append(Remote(name, tuple(values.values()), tuple(served_by), tuple(ends), still, tuple(secrets)))
    wanted = tuple(each for each in remotes if not only or not set(only).isdisjoint(each.secrets))
    return Candidates(environment, store, tuple(only), wanted, tuple(skipped))


def _values_in(store: Store, inventory: Inventory, secret: Secret, serving: Store) -> Iterator[Step]:
    """A step for each key that has a place in `store`, by the name of its value."""
    there = inventory.of(secret, serving)
    for key, cell in inventory.of(secret, store).items():
        if cell.place is None:
            continue
        step = Step(*cell.value, Kind.DELETE, location_of(serving, there[key].place), location_of(store, cell.place))
        if step.source is None:
            step = step.refuse(f"the catalogue gives it no place in {quote(serving.id)}, which serves it", "add one")
        yield step


class _HeldValues:
    """Reads the free candidates and what serves them now, and judges each.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """

    def __init__(self, candidates: Candidates, stores: LiveStores) -> None:
        self._environment = candidates.environment
        self._left = candidates.store
        self.writer = stores.open(candidates.store)
        self.writer.expect({remote.name: {Use.DELETE_VERSIONS} for remote in candidates.free})
        served_at = [place for remote in candidates.free for place in remote.current_places]
        served_by = [store for remote in candidates.free for store in remote.served_by]
        self.serving = {store: stores.open(self._environment.stores[store]) for store in served_by}
        own = [(self._left.id, remote.name) for remote in candidates.free]
        readers: dict[str, SecretReader] = {**self.serving, self._left.id: self.writer}
        self._seen = Observation(readers, [*own, *((each.store, each.name) for each in served_at)])
        self._states = self._seen.states(each for each in own if isinstance(self._seen.held[each], _HAS_VERSIONS))

    def reading(self, remote: Remote) -> Reading:
        return self._seen.held[self._left.id, remote.name]

    def states(self, remote: Remote) -> States:
        return self._states.get((self._left.id, remote.name), VersionStates())

    def steps(self, remote: Remote, readable: tuple[str, ...]) -> tuple[Step, ...]:
        """A step for each value that it holds; `readable` are the versions that a deletion takes."""
        reading, states = self.reading(remote), self.states(remote)
        if isinstance(states, StoreError):
            reason = f"which versions of it can be read is not known: {states.reason}"
            return _all(remote, Kind.REFUSE, reason, states.remedy)
        if isinstance(reading, StoreError):
            return _unreadable(remote, reading, readable)
        if not readable or readable[-1] != reading.version:
            return _all(remote, Kind.REFUSE, "it changed while it was looked at", "run the command again")
        for problem in self.writer.check_deletion(reading):
            return _all(remote, Kind.REFUSE, problem.reason, problem.remedy)
        found = tuple(self._compare_remote(remote, reading, readable))
        if not found:
            reason = "what it holds cannot be compared: no key of the catalogue is in it"
            return _all(remote, Kind.REFUSE, reason, "look at it by hand")
        if all(step.kind is Kind.DELETE for step in found):
            return found
        return tuple(replace(s, kind=Kind.KEEP, reason=_PARTLY) if s.kind is Kind.DELETE else s for s in found)

    def _compare_remote(self, remote: Remote, reading: RemoteSecret, readable: tuple[str, ...]) -> Iterator[Step]:
        named = {step.place.property for step in remote.keys}
        for step in remote.keys:
            value = value_at(reading, step.place.property)
            if value is not None:
                yield self._judge_value(step, value, reading, readable)
        if None in named:
            # Apparent properties are a part of the whole value.
            return
        if not reading.is_object:
            reason = "its value is not a JSON object, so that it cannot be compared"
            yield from _all(remote, Kind.REFUSE, reason, "look at it by hand")
            return
        for prop in reading.properties:
            if prop not in named:
                yield self._extra(remote, prop, reading, readable)

    def _extra(self, remote: Remote, prop: str, reading: RemoteSecret, readable: tuple[str, ...]) -> Step:
        """A property that no key of the catalogue names; a migration with all properties copies it as it is."""
        place = Location(self._left.id, remote.name, prop)
        for secret, main in remote.mains:
            step = Step(secret, prop, Kind.DELETE, replace(main, property=prop), place)
            return self._judge_value(step, reading.properties[prop], reading, readable, "--all-properties")
        reason = "no key of the environment names it, so that it cannot be compared"
        step = Step(remote.keys[0].secret, prop, Kind.REFUSE, None, place)
        return step.refuse(reason, "add it to the catalogue, or look at it by hand")

    def _judge_value(
        self, step: Step, value: SecretValue, reading: RemoteSecret, readable: tuple[str, ...], *more: str
    ) -> Step:
        """The step of a value that is held; `more` are the options that a migration of it needs."""
        if step.source is None:
            return step
        store, left = self._environment.stores[step.source.store], self._left
        serving, writer = quote(store.id), self.serving[store.id]
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
        """Whether both are one remote secret, by address, or as the store itself tells of them."""
        here, other = self.writer.address, self.serving[served.store].address
        if other.provider is not here.provider:
            return False
        if compare_stores(other.identity, here.identity) is Sameness.SAME:
            return here.provider.remote_name(served.name) == here.provider.remote_name(reading.name)
        # Two names of one server: a copy is never of the same moment, and in a Key Vault never of the same version.
        made = reading.attributes.created
        return (
            not isinstance(there, StoreError)
            and made is not None
            and (there.version, there.attributes.created) == (reading.version, made)
        )

    def _migrate(self, to: Store, source: Store, secret: str, *more: str) -> str:
        words = ("migrate", self._environment.name, "--to", to.id, "--from", source.id, "--only", secret)
        return command_line(*words, *more, "--apply")


def _all(remote: Remote, kind: Kind, reason: str, remedy: str = "") -> tuple[Step, ...]:
    return tuple(replace(step, kind=kind, source=None, reason=reason, remedy=remedy) for step in remote.keys)


def _unreadable(remote: Remote, error: StoreError, readable: tuple[str, ...]) -> tuple[Step, ...]:
    if not isinstance(error, NOT_HELD):
        return _all(remote, Kind.REFUSE, f"it cannot be read: {error.reason}", error.remedy)
    if not readable:
        is_absent = isinstance(error, NotFoundError)
        return _all(remote, Kind.KEEP, "it is not there" if is_absent else "it is deleted already")
    reason = f"{error.reason}, but {name_versions(readable)} can still be read, so that it cannot be compared"
    return _all(remote, Kind.REFUSE, reason, "recover its newest version, and run the command again")


def plan_retirement(candidates: Candidates, stores: LiveStores, *, run: Run | None = None) -> Plan:
    """The plan that deletes the free ones of `candidates`, without a writing request; `run` narrows it to that run.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    judge = _HeldValues(candidates, stores)
    steps = [step for remote in candidates.read if candidates.only for step in _still_read(remote)]
    writes: list[Operation] = []
    gone: dict[Target, str] = {}
    for remote in candidates.free:
        target, reading, states = (candidates.store.id, remote.name), judge.reading(remote), judge.states(remote)
        known = VersionStates() if isinstance(states, StoreError) else states
        readable = tuple(version for version, state in known.items() if state is StoreState.PRESENT)
        deleted = tuple(version for version, state in known.items() if state is StoreState.SOFT_DELETED)
        own = judge.steps(remote, readable)
        steps += own
        if any(step.kind is Kind.DELETE for step in own) and isinstance(reading, RemoteSecret):
            made = {version: known.made[version] for version in readable if version in known.made}
            writes.append(DeleteVersions(*target, own, base=reading, versions=readable, others=deleted, made=made))
        elif not readable and deleted:
            gone[target] = deleted[-1]
    plan = Plan(
        command=COMMAND,
        environment=candidates.environment.name,
        stores={candidates.store.id: judge.writer},
        sources={name: each.address.absolute for name, each in judge.serving.items()},
        options=Options(candidates.only),
        steps=tuple(steps),
        writes=tuple(writes),
        skipped=candidates.skipped,
    )
    # What the caller may do is not asked again of a run that goes on: refused, it would be ended.
    plan = narrow_to_run(plan, run, gone) if run is not None else refuse_denied(plan)
    if plan.writes:
        plan = replace(plan, who={candidates.store.id: judge.writer.whoami().subject})
    return plan


def _still_read(remote: Remote) -> tuple[Step, ...]:
    other = way_out(remote.readers)
    remedy = "switch whoever reads it to another store first" + (f"; {other}" if other else "")
    return _all(remote, Kind.REFUSE, read_by(remote.readers, "still read by"), remedy)


def retire(
    environment: Environment,
    store_id: str,
    only: Sequence[str],
    cluster: ClusterView | None,
    options: Options,
    outside: Outside,
    tell: Callable[[Candidates], None] = lambda _found: None,
) -> Change:
    """The deletion from a store of what no environment, and nothing in the cluster, reads in it any more.

    It is of the secrets `only`, of all where none is named; `cluster` is None where no cluster is asked.
    Who reads is found out as it is planned, which is under the lock where it is applied: until then a switch may put to
    use what is to be deleted. `tell` is called with it before the plan is shown. Raises Refusal for names that the
    environment does not have, and AddressError; planning raises Refusal where who reads the store is not known.
    """
    store = store_named(environment, store_id)
    address = options.stores.address(store).absolute
    for secret in only:
        secret_named(environment, secret)
    more = {"notTheSame": sorted(options.not_the_same)} if options.not_the_same else {}
    what = {"only": sorted(only), "cluster": cluster is not None, **more}
    identity = identity_of(COMMAND, environment.name, {store.id: address}, what)

    def make_plan(run: Run | None) -> Plan:
        # As all files and the cluster are now.
        now = one_environment(options.root, environment.name, outside)
        every = {each.name: each for each in (*every_environment(options.root, outside), now)}
        store = store_named(now, store_id)
        if options.stores.address(store).absolute != address:
            raise Refusal("cannot run", f"the address of {store.id} changed meanwhile", "run the same command again")
        readers = readers_of(store, every.values(), options.stores, cluster, options.not_the_same)
        readers.check_excluded()
        found = candidates_of(now, store, only, readers)
        tell(found)
        return plan_retirement(found, options.stores, run=run)

    return Change(identity, make_plan, options)
