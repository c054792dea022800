"""Plans a retirement: deletes only what nobody reads in the store any more and the serving stores hold too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from compiler.change.apply import Change
from compiler.change.compare import narrow_to_run, refuse_denied
from compiler.change.journal import Run, identity_of
from compiler.change.plan import Kind, Location, Options, Plan, Step, Target, Write
from compiler.cluster.view import ClusterView
from compiler.live.read_many import (
    NOT_HELD,
    WORKERS,
    Likeness,
    Reading,
    States,
    compare_value,
    end_before,
    keep_command,
    read_many,
    value_at,
    version_states,
)
from compiler.live.readers import Reader, ReadIndex, every_environment, one_environment, read_by, readers_of, way_out
from compiler.live.stores import LiveStores, ValueName, key_places, secret_named, store_named, value_names
from compiler.model.environment import Environment, Secret, Store
from compiler.model.store import Place, Sameness, compare_stores, remote_of
from compiler.refusal import Refusal
from compiler.stages.resolve import Outside
from compiler.stores.errors import NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret, SecretReader, SecretWriter, Use, VersionState, VersionStates
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import command_line, numbered, quoted

_PARTLY = "the same, but not all of this remote secret is, so it stays"


@dataclass(frozen=True, slots=True)
class Sides:
    """The store `left`, open as `writer`, and the serving stores by their ids, with everything that was read."""

    environment: str
    left: Store
    writer: SecretWriter
    serving: Mapping[str, SecretWriter]
    readings: Mapping[tuple[SecretReader, str], Reading]
    states: Mapping[tuple[SecretReader, str], States]

    def there(self, store: Store, name: str) -> Reading:
        return self.readings[self.serving[store.id], name]


class Judging:
    """Judges one remote secret; `steps` is a step for each key that it holds, `readable` what a deletion takes."""

    def __init__(self, remote: Remote, sides: Sides, comparer: Comparer) -> None:
        self._remote = remote
        self._sides = sides
        self._comparer = comparer
        states = sides.states.get((sides.writer, remote.name), VersionStates())
        self._unknown = states if isinstance(states, StoreError) else None
        known = states if not isinstance(states, StoreError) else VersionStates()
        self.readable = tuple(version for version, state in known.items() if state is VersionState.READABLE)
        self.made = {version: known.made[version] for version in self.readable if version in known.made}
        self.deleted = tuple(version for version, state in known.items() if state is VersionState.DELETED)

    def steps(self) -> tuple[Step, ...]:
        reading = self._sides.readings[self._sides.writer, self._remote.name]
        if self._unknown is not None:
            reason = f"which versions of it can be read is not known: {self._unknown.reason}"
            return self._all(Kind.REFUSE, reason, self._unknown.remedy)
        if isinstance(reading, StoreError):
            return self._unreadable(reading)
        if not self.readable or self.readable[-1] != reading.version:
            return self._all(Kind.REFUSE, "it changed while it was looked at", "run the command again")
        for problem in self._sides.writer.check_deletion(reading):
            return self._all(Kind.REFUSE, problem.reason, problem.remedy)
        found = tuple(self._compared(reading))
        if not found:
            reason = "what it holds cannot be compared: no key of the catalogue is in it"
            return self._all(Kind.REFUSE, reason, "look at it by hand")
        if all(step.kind is Kind.DELETE for step in found):
            return found
        return tuple(replace(s, kind=Kind.KEEP, reason=_PARTLY) if s.kind is Kind.DELETE else s for s in found)

    def _unreadable(self, error: StoreError) -> tuple[Step, ...]:
        if not isinstance(error, NOT_HELD):
            return self._all(Kind.REFUSE, f"it cannot be read: {error.reason}", error.remedy)
        if not self.readable:
            is_absent = isinstance(error, NotFoundError)
            return self._all(Kind.KEEP, "it is not there" if is_absent else "it is deleted already")
        reason = f"{error.reason}, but {numbered(self.readable)} can still be read, so that it cannot be compared"
        return self._all(Kind.REFUSE, reason, "recover its newest version, and run the command again")

    def _all(self, kind: Kind, reason: str, remedy: str = "") -> tuple[Step, ...]:
        return tuple(self._step(key.secret, key.key, key.property, kind, reason, remedy) for key in self._remote.keys)

    def _step(self, secret: str, key: str, prop: str | None, kind: Kind, reason: str = "", remedy: str = "") -> Step:
        place = Location(self._sides.left.id, self._remote.name, prop)
        return Step(secret, key, kind, None, place, reason, remedy)

    def _compared(self, reading: RemoteSecret) -> Iterator[Step]:
        named = set()
        for held in self._remote.keys:
            named.add(held.property)
            value = value_at(reading, held.property)
            if value is not None:
                yield self._judged(held, value, reading)
        if None in named:
            # Apparent properties are a part of the whole value.
            return
        if not reading.is_object:
            reason = "its value is not a JSON object, so that it cannot be compared"
            yield from self._all(Kind.REFUSE, reason, "look at it by hand")
            return
        for prop in reading.properties:
            if prop not in named:
                yield self._extra(prop, reading)

    def _extra(self, prop: str, reading: RemoteSecret) -> Step:
        """A property that no key of the catalogue names; a migration with all properties copies it as it is."""
        for secret, serving, name in self._remote.mains:
            held = Held(secret, prop, prop, serving, Place(name, prop))
            return self._judged(held, reading.properties[prop], reading, is_extra=True)
        secret = self._remote.keys[0].secret
        reason = "no key of the environment names it, so that it cannot be compared"
        return self._step(secret, prop, prop, Kind.REFUSE, reason, "add it to the catalogue, or look at it by hand")

    def _judged(self, held: Held, value: SecretValue, reading: RemoteSecret, *, is_extra: bool = False) -> Step:
        serving, more = held.serving, ("--all-properties",) if is_extra else ()
        kind, reason, remedy = self._verdict(held, value, reading, more)
        step = self._step(held.secret, held.key, held.property, kind, reason, remedy)
        if held.there is None:
            return step
        return replace(step, source=Location(serving.id, held.there.remote_key, held.there.property))

    def _verdict(
        self, held: Held, value: SecretValue, reading: RemoteSecret, more: tuple[str, ...]
    ) -> tuple[Kind, str, str]:
        serving = quoted(held.serving.id)
        copy = self._migrate(held.serving, self._sides.left, held, *more)
        if held.there is None:
            return Kind.REFUSE, f"the catalogue gives it no place in {serving}, which serves it", "add one"
        there = self._sides.there(held.serving, held.there.remote_key)
        if self._is_same_place(held, reading, there):
            reason = f"it is the same remote secret in {serving}, seen from this machine"
            return Kind.REFUSE, reason, "check the addresses of the stores, and VAULT_ADDR"
        found = compare_value(value, there, held.there.property, self._comparer, or_its_text=True)
        if isinstance(there, StoreError) and found is Likeness.UNKNOWN:
            return Kind.REFUSE, f"it cannot be compared with {serving}: {there.reason}", there.remedy
        if isinstance(there, StoreError) or found is Likeness.MISSING:
            why = f": {there.reason}" if isinstance(there, StoreError) else ""
            return Kind.REFUSE, f"{serving}, which serves it, does not hold it{why}", copy
        if found is Likeness.DIFFERENT:
            over = self._migrate(self._sides.left, held.serving, held, *more, "--on-conflict", "overwrite")
            remedy = f"if {serving} is right, write its value here first: {over}"
            return Kind.CONFLICT, f"{serving}, which serves it, holds another value", remedy
        if (ends := end_before(held.serving, there, self._sides.left, reading)) is not None:
            what = f"version {there.version} deletes itself on {ends:%Y-%m-%d}"
            store = self._sides.serving[held.serving.id]
            remedy = f"to have it stay: {keep_command(store, there.name, there.version)}"
            return Kind.REFUSE, f"in {serving}, which serves it, {what}", remedy
        taken = numbered(self.readable) if self._sides.left.provider.deletes_by_version else "all versions"
        return Kind.DELETE, f"{taken}; {serving} holds the same", ""

    def _is_same_place(self, held: Held, reading: RemoteSecret, there: Reading) -> bool:
        """Whether both are one remote secret, by address, or as the store itself tells of them."""
        writer, serving = self._sides.writer, self._sides.serving[held.serving.id]
        provider = writer.address.provider
        if serving.address.provider is not provider:
            return False
        name = held.there.remote_key if held.there is not None else ""
        if compare_stores(serving.address.identity, writer.address.identity) is Sameness.SAME:
            return provider.remote_name(name) == provider.remote_name(self._remote.name)
        # Two names of one server: a copy is never of the same moment, and in a Key Vault never of the same version.
        made = reading.attributes.created
        return (
            not isinstance(there, StoreError)
            and made is not None
            and (there.version, there.attributes.created) == (reading.version, made)
        )

    def _migrate(self, to: Store, source: Store, held: Held, *more: str) -> str:
        words = ("migrate", self._sides.environment, "--to", to.id, "--from", source.id, "--only", held.secret)
        return command_line(*words, *more, "--apply")


@dataclass(frozen=True, slots=True)
class Held:
    """A key in the store that is left, and the place that serves it now; `there` is None where it has none."""

    secret: str
    key: str
    property: str | None
    serving: Store
    there: Place | None


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote secret of the store. `mains` are the secrets whose own it is, with the one that serves them now.

    `keys` are its values, each once, and `secrets` all that have one of them. `readers` still read it.
    """

    name: str
    keys: tuple[Held, ...]
    mains: tuple[tuple[str, Store, str], ...]
    readers: tuple[Reader, ...]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The remote secrets of `store` that may be deleted, those that are still read, and secrets with none there.

    `only` are the secrets that were named, if any.
    """

    environment: str
    store: Store
    only: tuple[str, ...]
    free: tuple[Remote, ...]
    read: tuple[Remote, ...]
    skipped: tuple[tuple[str, str], ...]


def candidates_of(environment: Environment, store: Store, only: Sequence[str], readers: ReadIndex) -> Candidates:
    """The candidates of all secrets, or of `only`. Raises Refusal for a secret that the environment does not have."""
    for name in only:
        secret_named(environment, name)
    groups: dict[str, tuple[str, dict[ValueName, Held], list[str]]] = {}
    names = value_names(environment)
    mains: dict[str, list[tuple[str, Store, str]]] = {}
    skipped: list[tuple[str, str]] = []
    # By name: the readers of this environment whose own place is read and compared before anything is deleted.
    compared: dict[str, set[tuple[str, str]]] = {}
    for secret in environment.secrets.values():
        if secret.store is None:
            continue
        held = _held(environment, secret, store, secret.store)
        for name, each in held:
            _, values, secrets = groups.setdefault(store.provider.remote_name(name), (name, {}, []))
            called = names.get((each.secret, each.key), (each.secret, each.key))
            values.setdefault(called, replace(each, secret=called[0], key=called[1]))
            secrets.append(secret.id)
            if each.there is not None:
                reader = (f"{environment.name}/{secret.id}", f"{environment.name}/{secret.store.id}")
                compared.setdefault(each.there.remote_key, set()).add(reader)
        own, theirs = (remote_of(secret.entry, each.provider.id, secret.node) for each in (store, secret.store))
        if own is not None and theirs is not None:
            main = (secret.id, secret.store, secret.store.prefix + theirs)
            mains.setdefault(store.provider.remote_name(store.prefix + own), []).append(main)
        if not held and (not only or secret.id in only):
            skipped.append((secret.id, f"the catalogue gives it no place in {quoted(store.id)}"))
    remotes = [
        Remote(
            name,
            tuple(values.values()),
            tuple(mains.get(key, ())),
            _but(readers.of(name), compared.get(name, set())),
            tuple(dict.fromkeys(secrets)),
        )
        for key, (name, values, secrets) in groups.items()
    ]
    wanted = [each for each in remotes if not only or not set(only).isdisjoint(each.secrets)]
    return Candidates(
        environment.name,
        store,
        tuple(only),
        tuple(each for each in wanted if not each.readers),
        tuple(each for each in wanted if each.readers),
        tuple(skipped),
    )


def _but(readers: tuple[Reader, ...], compared: set[tuple[str, str]]) -> tuple[Reader, ...]:
    return tuple(each for each in readers if each.is_proven or (each.name, each.store) not in compared)


def _held(environment: Environment, secret: Secret, store: Store, serving: Store) -> list[tuple[str, Held]]:
    """The remote name and the key of each place of `secret` in `store`."""
    there = key_places(environment, secret, serving)
    return [
        (place.remote_key, Held(secret.id, key, place.property, serving, there[key]))
        for key, place in key_places(environment, secret, store).items()
        if place is not None
    ]


COMMAND = "retire"


def plan_retirement(
    candidates: Candidates, stores: LiveStores, *, run: Run | None = None, workers: int = WORKERS
) -> Plan:
    """The plan that deletes the free ones of `candidates`, without a writing request; `run` narrows it to that run.

    Raises AddressError, and the StoreError of a store that cannot be used at all.
    """
    writer = stores.open(candidates.store)
    writer.expect({remote.name: {Use.DELETE_VERSIONS} for remote in candidates.free})
    sides = _read(candidates, writer, stores, workers)
    steps = [step for remote in candidates.read if candidates.only for step in _read_by(remote, candidates)]
    writes: list[Write] = []
    gone: dict[Target, str] = {}
    comparer = Comparer()
    for remote in candidates.free:
        judging = Judging(remote, sides, comparer)
        own = judging.steps()
        steps += own
        target = (candidates.store.id, remote.name)
        reading = sides.readings[writer, remote.name]
        if any(step.kind is Kind.DELETE for step in own) and isinstance(reading, RemoteSecret):
            versions, others, made = judging.readable, judging.deleted, judging.made
            writes.append(Write(*target, own, {}, base=reading, versions=versions, others=others, made=made))
        elif not judging.readable and judging.deleted:
            gone[target] = judging.deleted[-1]
    plan = Plan(
        command=COMMAND,
        environment=candidates.environment,
        stores={candidates.store.id: writer},
        sources={name: each.address.absolute for name, each in sides.serving.items()},
        options=Options(candidates.only),
        steps=tuple(steps),
        writes=tuple(writes),
        skipped=candidates.skipped,
    )
    # What the caller may do is not asked again of a run that goes on: refused, it would be ended.
    plan = narrow_to_run(plan, run, gone) if run is not None else refuse_denied(plan)
    if plan.writes:
        plan = replace(plan, who={candidates.store.id: writer.whoami().subject})
    return plan


def _read(candidates: Candidates, writer: SecretWriter, stores: LiveStores, workers: int) -> Sides:
    serving = {
        store.id: stores.open(store)
        for remote in candidates.free
        for store in (*(key.serving for key in remote.keys), *(each for _, each, _ in remote.mains))
    }
    wanted: list[tuple[SecretReader, str]] = [(writer, remote.name) for remote in candidates.free]
    for remote in candidates.free:
        wanted += [(serving[key.serving.id], key.there.remote_key) for key in remote.keys if key.there is not None]
        wanted += [(serving[store.id], name) for _, store, name in remote.mains]
    readings = read_many(wanted, workers)
    asked = [(writer, each.name) for each in candidates.free if _may_have_versions(readings[writer, each.name])]
    states = version_states(asked, workers)
    return Sides(candidates.environment, candidates.store, writer, serving, readings, states)


def _may_have_versions(reading: RemoteSecret | StoreError) -> bool:
    if isinstance(reading, StoreError):
        return isinstance(reading, SoftDeletedError | VersionGoneError)
    return True


def _read_by(remote: Remote, candidates: Candidates) -> Iterator[Step]:
    """Of a secret that was named: it is not in silence that it stays."""
    reason, other = read_by(remote.readers, "still read by"), way_out(remote.readers)
    remedy = "switch whoever reads it to another store first" + (f"; {other}" if other else "")
    for key in remote.keys:
        place = Location(candidates.store.id, remote.name, key.property)
        yield Step(key.secret, key.key, Kind.REFUSE, None, place, reason, remedy)


@dataclass(frozen=True, slots=True)
class Retirement:
    """What is asked for: the secrets `only` to delete from the store `store_id`, of all where none is named.

    `cluster` is None where no cluster is asked.
    """

    store_id: str
    only: Sequence[str] = ()
    cluster: ClusterView | None = None


def retire(
    asked: Retirement,
    environment: Environment,
    options: Options,
    outside: Outside,
    tell: Callable[[Candidates], None] = lambda _found: None,
) -> Change:
    """The deletion from the store of what no environment, and nothing in the cluster, reads in it any more.

    Who reads is found out as it is planned, which is under the lock where it is applied: until then a switch may put to
    use what is to be deleted. `tell` is called with it before the plan is shown. Raises Refusal for names that the
    environment does not have, and AddressError; planning raises Refusal where who reads the store is not known.
    """
    store = store_named(environment, asked.store_id)
    address = options.stores.address(store).absolute
    for secret in asked.only:
        secret_named(environment, secret)
    more = {"notTheSame": sorted(options.not_the_same)} if options.not_the_same else {}
    what = {"only": sorted(asked.only), "cluster": asked.cluster is not None, **more}
    identity = identity_of(COMMAND, environment.name, {store.id: address}, what)

    def planned(run: Run | None) -> Plan:
        found = _candidates(asked, environment.name, address, options, outside)
        tell(found)
        return plan_retirement(found, options.stores, run=run)

    return Change(identity, planned, options)


def _candidates(asked: Retirement, name: str, address: str, options: Options, outside: Outside) -> Candidates:
    """What may be deleted, as all files and the cluster are now."""
    environment = one_environment(options.root, name, outside)
    every = {each.name: each for each in (*every_environment(options.root, outside), environment)}
    store = store_named(environment, asked.store_id)
    if options.stores.address(store).absolute != address:
        raise Refusal("cannot run", f"the address of {store.id} changed meanwhile", "run the same command again")
    readers = readers_of(store, every.values(), options.stores, asked.cluster, options.not_the_same)
    readers.check_excluded()
    return candidates_of(environment, store, asked.only, readers)
