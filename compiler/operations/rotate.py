"""Plans a rotation: the keys that get a new value, every place that holds the old one, and who else may read it."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime

from compiler.change.apply import Change, Listener, expect_servers
from compiler.change.attributes import (
    COMMAND,
    journal_place,
    mark,
    rotated_places,
    tags_of,
    to_arguments,
    under_way,
    unmark,
)
from compiler.change.compare import plan_change
from compiler.change.journal import Run, find_run, identity_of, journals, new_id, runs
from compiler.change.plan import (
    End,
    Kind,
    Location,
    OnConflict,
    Options,
    Outcome,
    Plan,
    RotationPhase,
    Step,
    location_of,
)
from compiler.change.run_files import caller, caller_of, run_lock
from compiler.change.run_log import RunLog
from compiler.change.undo import open_run, own_run, undo_run
from compiler.live.read_many import (
    RUN_ID,
    Likeness,
    Reading,
    compare_value,
    is_of_store,
    read_all,
    rotation_of,
    value_at,
)
from compiler.live.readers import readers_of
from compiler.live.stores import AddressError, LiveStores, secret_named
from compiler.model.catalogue import SELF, UNLIMITED, Lifetime
from compiler.model.environment import Environment, other_store, progress_of
from compiler.model.inventory import Inventory
from compiler.operations.put import Target, require_fit, target_of
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.stores.interface import ROTATION_BY, RemoteSecret, SecretReader, Use
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import command_line, listed

NONE, DISABLE_FIRST = "none", "disable-first"
_USES = frozenset({Use.UPDATE, Use.TAG})


def target_of_rotation(environment: Environment, secret_id: str, keys: Sequence[str]) -> Target:
    """The secret and the keys to rotate, with those that are made together with them; without keys, those with a limit.

    Raises Refusal, also for a key whose value is another's.
    """
    secret = secret_named(environment, secret_id)
    known = secret.entry.keys
    kept = {key.lifetime.previous_key: key.name for key in known.values() if key.lifetime.previous_key is not None}
    if not keys:
        used = (item.key for item in secret.keys)
        keys = [key.name for key in used if key.lifetime.limit_days is not None and not key.is_taken]
        keys = [key for key in keys if key not in kept]
    if not keys:
        message = f'no key of "{secret.id}" has a value of its own with a `rotate` or `maxAge`'
        example = command_line(COMMAND, environment.name, secret.id, "KEY")
        raise Refusal("usage", message, f"name the keys that get a new value: {example}")
    target = target_of(environment, secret_id, keys, None)
    inventory = Inventory(environment)
    for key in target.keys:
        holder = inventory.value_of(secret.id, key)
        if holder != (secret.id, key):
            line = command_line(COMMAND, environment.name, *holder)
            message = f'"{key}" of "{secret.id}" is the value of {"/".join(holder)}'
            raise Refusal("usage", message, f"rotate that: {line}")
        if key in kept:
            line = command_line(COMMAND, environment.name, secret.id, kept[key])
            message = f'"{key}" keeps the previous value of "{kept[key]}"'
            raise Refusal("usage", message, f"rotate that one, and its old value goes there: {line}")
    together = [other for key in target.keys for other in (key, *known[key].lifetime.rotate_with) if other in known]
    return replace(target, keys=tuple(dict.fromkeys(together)))


def open_rotation(options: Options, environment: Environment, secret: str, keys: Sequence[str] | None) -> Run | None:
    """The rotation of these keys of a secret, or of any for None, that is written and not ended; None where none is."""
    for run in runs(options.root):
        asked = run.identity
        is_own = (run.command, run.environment, asked.get("secret")) == (COMMAND, environment.name, secret)
        is_same = keys is None or asked.get("keys") == sorted(keys)
        is_open = run.ended == "complete" and run.phase is not RotationPhase.CLOSED
        if is_own and is_same and is_open and not run.is_undo_begun:
            return run
    return None


def generated_values(target: Target) -> dict[str, SecretValue]:
    """A random value for each key, in the form that the catalogue asks for. Raises Refusal for an issuer's own."""
    values = dict[str, SecretValue]()
    for key in target.keys:
        life = target.secret.entry.keys[key].lifetime
        if life.issuer != SELF:
            message = f'the value of "{key}" cannot be generated: its issuer makes it'
            random = "if any random text will do, write `issuer: self` for the key in the catalogue"
            way = f"make it at {life.issuer}, and enter it" if life.issuer else random
            raise Refusal("usage", message, f"{way}; nothing was written")
        # Each character once: one that is named twice would be likelier than the others.
        alphabet = "".join(dict.fromkeys(life.alphabet))
        values[key] = SecretValue("".join(secrets.choice(alphabet) for _ in range(life.length)))
    return values


def require_together(target: Target, values: Mapping[str, SecretValue]) -> None:
    """Raises Refusal where a key has a new value, and one that is made together with it has none."""
    for key in values:
        missing = [each for each in target.secret.entry.keys[key].lifetime.rotate_with if each not in values]
        if missing:
            message = f'"{key}" has a new value, and {listed(missing)}, made together with it, has none'
            raise Refusal("usage", message, "give both; nothing was written")


# A place that may hold the value of a key, and the place beside it into which the old one goes; None for none.
_Place = tuple[Location, "Location | None"]


@dataclass(slots=True)
class NewValues:
    """A rotation of the keys of `target`; planning it finds which places keep another value, and why, in words."""

    target: Target
    values: Mapping[str, SecretValue]
    options: Options
    is_generated: bool = False
    kept: tuple[str, ...] = ()

    def change(self) -> Change:
        """What sets the values. Raises Refusal for one that must not be written, and AddressError."""
        target, options = self.target, self.options
        cells = Inventory(target.environment).of(target.secret, target.store)
        for key, value in self.values.items():
            require_fit(target, key, value, cells[key].place)
        addresses = {target.store.id: options.stores.address(target.store).absolute}
        asked = {"secret": target.secret.id, "keys": sorted(self.values)}
        identity = identity_of(COMMAND, target.environment.name, addresses, asked)
        run_id = new_id()
        return Change(identity, lambda run: self._plan(run, run.id if run is not None else run_id), options, run_id)

    def _plan(self, run: Run | None, run_id: str) -> Plan:
        """Raises AddressError, and the StoreError of the secret's own store where that cannot be used at all."""
        target, options, kept = self.target, self.options, list[str]()
        known, places = target.environment.stores, {key: _places(target, key) for key in self.values}
        used = dict.fromkeys(at.store for own in places.values() for at, _ in own)
        stores = {store_id: options.stores.open(known[store_id]) for store_id in used}
        names = [
            (stores[at.store], at.name) for own in places.values() for each in own for at in each if at is not None
        ]
        for store, name in names:
            store.expect({name: _USES})
        readings = read_all(names)

        def read(at: Location) -> Reading:
            found = readings[stores[at.store], at.name]
            is_planned = at.store == target.store.id or (run is not None and (at.store, at.name) in run.entries)
            if isinstance(found, StoreError) and is_of_store(found) and is_planned:
                # Not enough to plan on, or to end a run by.
                raise found
            return found

        steps = list[Step]()
        for key, own in places.items():
            value = self._value(key, own, read, run)
            first, _ = own[0]
            old = _held(read(first), first)
            for each in own:
                at, _ = each
                entry = run.entries.get((at.store, at.name)) if run is not None else None
                # By key: beside it, a remote secret may keep another value.
                is_planned = entry is not None and any(name == key for _, name, _ in entry.keys)
                why = _why_kept(old, read(at), at) if each is not own[0] and run is None else ""
                if why:
                    kept.append(f"{at} keeps what it has: {why}")
                elif why is not None and (run is None or is_planned):
                    steps += self._steps(key, each, value, read, run)
        self.kept = tuple(kept)
        written = {step.place.store for step in steps}
        draft = Plan(
            COMMAND,
            target.environment.name,
            {store_id: store for store_id, store in stores.items() if store_id in written},
            options=replace(options, on_conflict=OnConflict.OVERWRITE),
            steps=tuple(steps),
            tags=tags_of(run_id, run.who if run is not None else caller()),
        )
        dated = {store_id: known[store_id] for store_id in used if store_id in written}
        limits = {store_id: Inventory(target.environment).limits(store) for store_id, store in dated.items()}
        plan = plan_change(draft, readings, run, used=dated, limits=limits)
        return replace(plan, who={store_id: store.whoami().subject for store_id, store in draft.stores.items()})

    def _value(
        self, key: str, places: Sequence[_Place], read: Callable[[Location], Reading], run: Run | None
    ) -> SecretValue:
        """The new value; where a run that made a random one continues, the one that it has written already."""
        if run is not None and self.is_generated:
            for at, _ in places:
                found = read(at)
                held = _held(found, at)
                if held is not None and isinstance(found, RemoteSecret) and self._is_of_run(at, found, held, run):
                    return held
        return self.values[key]

    def _is_of_run(self, at: Location, found: RemoteSecret, held: SecretValue, run: Run) -> bool:
        """Whether the run wrote it; on a Vault it may have been stopped between a value and its tags."""
        entry = run.entries.get((at.store, at.name))
        if entry is not None and (entry.after is not None or not entry.maybe_stored):
            # Another writer's value may stand beside the run's tag, or where the run was refused.
            return entry.is_own(found.version, found.attributes.created)
        if rotation_of(found.attributes) not in (None, run.id):
            return False
        # In a Vault the run's tag stays beside what others write, such as the former value once more.
        former = self._former(at, found, run)
        old = _held(former, at) if former is not None else None
        return old is not None and not Comparer().same(old, held)

    def _former(self, at: Location, found: RemoteSecret, run: Run) -> Reading | None:
        """The version that the run has replaced by `found`, None where it has not."""
        entry = run.entries.get((at.store, at.name))
        if entry is None or entry.before is None or entry.before == found.version:
            return None
        try:
            store = self.options.stores.open(self.target.environment.stores[at.store])
            return store.read_version(at.name, entry.before)
        except StoreError as error:
            return error

    def _steps(
        self, key: str, place: _Place, value: SecretValue, read: Callable[[Location], Reading], run: Run | None
    ) -> Iterator[Step]:
        """The step that sets the value at a place, and the one that keeps the old value in the key for that."""
        at, beside = place
        step = Step(self.target.secret.id, key, Kind.UPDATE, None, at, value=value)
        found = read(at)
        old = _held(found, at)
        if old is None:
            if isinstance(found, StoreError):
                yield step.refused(f"it cannot be read: {found.reason}", found.remedy)
            else:
                line = command_line("put", self.target.environment.name, step.secret, key)
                yield step.refused("it has no value to replace", f"set its first one: {line}")
            return
        is_set = Comparer().same(old, value)
        if is_set and run is None:
            yield step.refused("the new value is the one that is there already", "make a new one at its issuer")
            return
        yield step
        if beside is not None:
            name = self.target.secret.entry.keys[key].lifetime.previous_key or ""
            keeping = replace(step, key=name, destination=beside, value=old)
            if not is_set:
                yield keeping
                return
            # Another remote secret may keep it, which the run did not come to.
            former = self._former(at, found, run) if run is not None and isinstance(found, RemoteSecret) else None
            if isinstance(former, StoreError):
                yield keeping.refused(f"the former value cannot be read: {former.reason}", former.remedy)
            elif former is not None:
                yield replace(keeping, value=_held(former, at))


def _held(found: Reading, at: Location) -> SecretValue | None:
    return value_at(found, at.property) if isinstance(found, RemoteSecret) else None


def _places(target: Target, key: str) -> list[_Place]:
    """The places of the key: in the secret's own store, and then in those that may hold the same value.

    These are the other end of its move, and the stores from which others read the same value.
    """
    environment, found = target.environment, {target.store.id: target.store}
    inventory = Inventory(environment)
    progress = progress_of(environment)
    held = target.secret.entry.keys[key].held
    for secret in environment.secrets.values():
        if secret.id == target.secret.id or any(item.key.held is held for item in secret.keys):
            both = filter(None, (secret.store, other_store(secret, environment, progress)))
            found |= {store.id: store for store in both if store.id not in found}
    places = list[_Place]()
    previous = target.secret.entry.keys[key].lifetime.previous_key
    for store in found.values():
        own = inventory.of(target.secret, store)
        cells = (own.get(name or "") for name in (key, previous))
        at, beside = (location_of(store, cell.place) if cell is not None else None for cell in cells)
        if at is not None:
            places.append((at, beside))
    return places


def _why_kept(old: SecretValue | None, found: Reading, at: Location) -> str | None:
    """Why a place beside the secret's own is left as it is: empty where it is set too, None where nothing is there."""
    if old is None:
        return None
    likeness = compare_value(old, found, at.property, Comparer())
    if likeness is Likeness.MISSING:
        return None
    if isinstance(found, StoreError):
        return f"{found.reason}, so that it may hold the old value"
    return "" if likeness is Likeness.EQUAL else "it holds another value"


def other_environments(target: Target, environments: Iterable[Environment], stores: LiveStores) -> tuple[str, ...]:
    """The secrets of other environments that read the same places, or may; none of them is looked at."""
    others = [each for each in environments if each.name != target.environment.name]
    readers = readers_of(target.store, others, stores, None)
    cells = Inventory(target.environment).of(target.secret, target.store)
    own = filter(None, (cells[key].place for key in target.keys))
    found = ((place, each) for place in own for each in readers.of(place.remote_key))
    return tuple(dict.fromkeys(each.name for place, each in found if each.property in (None, place.property)))


def revocations(environment: Environment, run: Run) -> tuple[tuple[str, Lifetime], ...]:
    """The keys whose old values are to be revoked once nothing uses them; without an overlap nothing is left of one."""
    return tuple((key, life) for key, life in _lifetimes(environment, keys_of(run)) if life.overlap != NONE)


def keys_of(run: Run) -> tuple[tuple[str, str], ...]:
    """The keys of a rotation that got a new value, without those that keep an old one."""
    asked = run.identity.get("keys")
    named = {str(each) for each in asked} if isinstance(asked, list) else set()
    every = ((secret, key) for entry in run.entries.values() for secret, key, _ in entry.keys)
    return tuple(dict.fromkeys(each for each in every if each[1] in named))


def is_without_overlap(environment: Environment, keys: Iterable[tuple[str, str]]) -> bool:
    """Whether an old value dies when its new one is made."""
    return any(life.overlap == NONE for _, life in _lifetimes(environment, keys))


def _lifetimes(environment: Environment, keys: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Lifetime]]:
    """The lifetime of each key by its name; UNLIMITED for one that the catalogue no longer has."""
    for secret, key in keys:
        entry = environment.catalogue.entries.get(secret)
        yield key, entry.keys[key].lifetime if entry is not None and key in entry.keys else UNLIMITED


def begin_overlap(run: Run, environment: Environment, options: Options) -> datetime | None:
    """See that each place has the run's own version beside its id, and record that; returns when that was made.

    None where no store tells. Raises StoreError, ConflictError where another writer was there, and what `record_phase`
    raises.
    """
    expect_servers(run, options.stores)
    made = mark(run, open_run(run, environment, options.stores))
    record_phase(run, options, RotationPhase.WRITTEN)
    return made


def record_phase(run: Run, options: Options, phase: RotationPhase) -> None:
    """Record that the run came so far, where it had not come as far before. Raises Refusal and OSError."""
    phases = list(RotationPhase)
    if run.phase is not None and phases.index(run.phase) >= phases.index(phase):
        return
    with run_lock(options.root, f"{COMMAND}, run {run.id}"), closing(RunLog(run)) as log:
        log.reached(phase)


# Why a place does not hold the version of a run, and the command that sets its value.
ForeignPlace = tuple[str, str]


def close_rotation(run_id: str, environment: Environment, options: Options) -> tuple[Run, list[ForeignPlace] | None]:
    """Record that the old value is revoked, and take the run's id away from the new one.

    One that another writer has ended can be closed too: nothing else would let anybody write there again. Returns
    which places do not hold the run's own version, None for a run that was closed before, whose places others may have
    written since. Raises Refusal for a run of another command, and for one that can go on or is undone, and StoreError.
    """
    run = own_run(_run_here(run_id, environment, options, "--confirm-revoked"), COMMAND, environment.name)
    if run.is_resumable and _is_continued(run, environment):
        line = command_line(COMMAND, environment.name, *to_arguments(run))
        message = f"the rotation {run.id} is not complete: the new value is not in every place"
        raise Refusal("found", message, f"run the same command again: {line}")
    if run.is_undo_begun:
        message = f"the rotation {run.id} is undone, or its undo was started: the old value is in use"
        line = command_line(COMMAND, environment.name, "--undo", run.id, "--apply")
        way = f"finish the undo: {line}; then rotate once more, if the old value was revoked all the same"
        raise Refusal("found", message, way)
    expect_servers(run, options.stores)
    writers = open_run(run, environment, options.stores)
    foreign = None
    if run.phase is not RotationPhase.CLOSED:
        foreign = [(f"{':'.join(at)}: {why}", _put_line(run, at)) for at, _, why in rotated_places(run, writers) if why]
    # First: a rotation that is open must be seen by its tag.
    record_phase(run, options, RotationPhase.CLOSED)
    unmark(run, writers)
    return run, foreign


def _put_line(run: Run, target: tuple[str, str]) -> str:
    """The command that sets the keys which `run` gave a new value at one place."""
    asked, (secret, *_) = {key for _, key in keys_of(run)}, run.secrets
    keys = [key for _, key, _ in run.entries[target].keys if key in asked]
    return command_line("put", run.environment, secret, *keys, "--store", target[0])


def _is_continued(run: Run, environment: Environment) -> bool:
    """Whether the command that began the run continues it, which it does not once the secret reads another store."""
    secret = environment.secrets.get(str(run.identity.get("secret")))
    return secret is not None and secret.store is not None and secret.store.id in run.identity.get("addresses", {})


def undo_rotation(run_id: str, environment: Environment, options: Options, listener: Listener) -> Outcome:
    """Bring the old value back, as every undo does, and take the run's id away once nothing more can be brought back.

    Raises Refusal where the old value does not work any more, and what `undo_run` raises.
    """
    run = own_run(_run_here(run_id, environment, options, "--undo"), COMMAND, environment.name)
    if run.phase is RotationPhase.CLOSED:
        message = f"the rotation {run.id} is closed: its old value was revoked"
        raise Refusal("found", message, "rotate once more instead")
    if is_without_overlap(environment, keys_of(run)):
        message = f"the rotation {run.id} cannot be undone: the old value died when the new one was made"
        raise Refusal("found", message, "rotate once more, to a value that works")
    outcome = undo_run(COMMAND, run_id, environment, options, listener)
    run = find_run(options.root, run_id)
    if not options.applies or not (run.is_undone or _is_at_end(outcome)):
        return outcome
    writers = open_run(run, environment, options.stores)
    if not run.is_undo_begun:
        if run.is_resumable or not all(why for _, _, why in rotated_places(run, writers)):
            # It may have a value of its own, which waits for the cluster all the same.
            return outcome
        with run_lock(options.root, f"{COMMAND}, run {run.id}"), closing(RunLog(run)) as log:
            log.end("conflict")
    unmark(run, writers)
    return outcome


def _is_at_end(undo: Outcome) -> bool:
    """Whether an undo did all that it can; what is left is another writer's, or has no earlier version any more."""
    if undo.plan.unread:
        return False
    return undo.end is End.STUCK or (undo.end is End.APPLIED and not undo.is_incomplete)


def _run_here(run_id: str, environment: Environment, options: Options, option: str) -> Run:
    """The run of this id. Raises Refusal, which names who began it elsewhere where a store says that."""
    try:
        return find_run(options.root, run_id)
    except Refusal as error:
        found = _tagged(run_id, environment, options.stores)
        is_here = any(path.stem == run_id for path in journals(options.root))
        if not found and option != "--undo" and not is_here:
            # Nothing is to be restored: how that is done by hand is for an undo to say.
            here = f"`{command_line('runs', environment.name)}` lists those of this folder"
            raise Refusal(error.kind, error.message, f"{here}; another machine has its own") from None
        if not found:
            raise
    who = next(filter(None, found.values()), "")
    line = command_line(COMMAND, environment.name, option, run_id, *(["--apply"] if option == "--undo" else []))
    message = f"{under_way(run_id, listed(found), who)}, is under way, and its journal is not here"
    what = "undo" if option == "--undo" else "close"
    raise Refusal("usage", message, f"{journal_place(who)}: {what} it there: {line}")


def _tagged(run_id: str, environment: Environment, stores: LiveStores) -> dict[str, str]:
    """The secrets beside whose values the tag of this run is, and who began it, as far as stores answer."""
    progress = progress_of(environment)
    secrets_at, inventory = dict[tuple[SecretReader, str], list[str]](), Inventory(environment)
    for secret in environment.secrets.values() if RUN_ID.fullmatch(run_id) else ():
        for store in filter(None, (secret.store, other_store(secret, environment, progress))):
            with suppress(StoreError, AddressError):
                cells = inventory.of(secret, store).values()
                for remote in {cell.remote_key for cell in cells if cell.place is not None}:
                    secrets_at.setdefault((stores.open(store), remote), []).append(secret.id)
    found = dict[str, str]()
    for at, reading in read_all(secrets_at).items():
        if isinstance(reading, RemoteSecret) and rotation_of(reading.attributes) == run_id:
            found |= dict.fromkeys(secrets_at[at], caller_of(reading.attributes.tags.get(ROTATION_BY)))
    return found
