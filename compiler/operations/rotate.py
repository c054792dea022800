"""Begins, closes and undoes a rotation: gives keys a new value in every place that holds the old one."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from compiler.change.apply import Change, Listener, carry_out, expect_servers
from compiler.change.attributes import (
    COMMAND,
    places_of_rotation,
)
from compiler.change.compare import plan_change
from compiler.change.journal import Run, find_run, runs
from compiler.change.operations import Operation
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
from compiler.change.undo import open_run, own_run, undo_run
from compiler.live.observation import (
    Likeness,
    Reading,
    compare_value,
    is_of_store,
    read_all,
    start_time,
    value_at,
)
from compiler.live.readers import readers_of
from compiler.live.stores import secret_named, store_named
from compiler.model.environment import SELF, Environment
from compiler.model.inventory import Inventory
from compiler.operations.put import Target, odd_forms, require_fit, target_of
from compiler.operations.rotate_live import (
    Rotation,
    lifetimes_of,
    record_phase,
    require_healthy,
    secrets_reading,
)
from compiler.operations.status_live import NEEDED, OPTIONAL
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.stores.interface import RemoteSecret, SecretReader, StoreState, Use
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import command_line, list_names

_OLD_VALUE_IS_DEAD = "the old value stopped working when the new one was created"


def begin_rotation(rotation: Rotation, secret_id: str, keys: Sequence[str], *, gives_values: bool) -> None:
    """Give keys of a secret new values, or find their open rotation; without `keys`, those with a limit are meant.

    An open rotation needs no value: a caller that `gives_values` is refused. Raises Refusal, StoreError and OSError.
    """
    environment, options, listener = rotation.environment, rotation.options, rotation.listener
    for store in rotation.access.options.accepted if rotation.access is not None else ():
        store_named(environment, store)
    secret = secret_named(environment, secret_id)
    own = target_of_rotation(environment, secret.id, keys).keys if keys else None
    run = open_rotation(options, environment, secret.id, own)
    if run is not None:
        if gives_values:
            line = command_line(COMMAND, environment.name, *run.secrets)
            message = f"the rotation {run.id} of {list_names(run.secrets)} is under way, and has its new value"
            raise Refusal("found", message, f"continue it: {line}")
        listener.note(f"continuing the rotation {run.id}")
        rotation.set_run(run)
        return
    target = target_of_rotation(environment, secret.id, keys)
    rotation.secret, rotation.keys = secret.id, target.keys
    rotation.elsewhere = _other_environments(rotation, target)
    _require_cluster(rotation, target)
    values = listener.enter_values(target)
    if not values:
        rotation.outcome = Outcome(Plan(COMMAND, environment.name), End.NOTHING)
        return
    require_together(target, values)
    new = NewValues(target, values, options)
    change = new.change()
    listener.note(*(f"{key}: {what}" for key, what in odd_forms(values)))
    rotation.outcome = outcome = carry_out(change, listener)
    rotation.kept = new.kept
    listener.note(*new.kept)
    if outcome.run and (run := find_run(options.root, outcome.run)).ended == "complete":
        rotation.set_run(run)


def _other_environments(rotation: Rotation, target: Target) -> tuple[str, ...]:
    """The secrets of other environments that read the same places, or may; they are only named."""
    options, note = rotation.options, rotation.listener.note
    try:
        others = [each for each in options.environments() if each.name != target.environment.name]
        readers = readers_of(target.store, others, options.stores, None)
    except Refusal as error:
        note(f"which other environments read the same value is not known: {error}")
        return ()
    cells = Inventory(target.environment).of(target.secret, target.store)
    own = filter(None, (cells[key].place for key in target.keys))
    read = ((place, each) for place in own for each in readers.of(place.remote_key))
    found = tuple(dict.fromkeys(each.name for place, each in read if each.property in (None, place.property)))
    if found:
        note(f"{list_names(found)} may read the same value and is not looked at")
    return found


def _require_cluster(rotation: Rotation, target: Target) -> None:
    """Raises Refusal if the cluster does not answer or, where the old value stops working, is not healthy."""
    access, options, note = rotation.access, rotation.options, rotation.listener.note
    if all(target.secret.entry.keys[key].lifetime.has_overlap for key in target.keys):
        if access is not None and (options.applies or options.asks):
            # Before the value is written: a person without a cluster has to say so first.
            access.view()
        return
    note("the old value stops working when the new one is created: there is no way back")
    if access is None:
        message = "without the cluster nobody knows whether it takes the new value when the old one stops working"
        raise Refusal("usage", message, "leave --without-cluster out, or use `put`")
    cells = Inventory(target.environment).of(target.secret, target.store)
    places = (location_of(target.store, cells[key].place) for key in target.keys)
    readers = secrets_reading(target.environment, [at for at in places if at is not None])
    only = replace(access.options, only=readers, seconds=None)
    # What may not be read counts as unhealthy.
    require_healthy(target.environment, only, options.stores, partial(access.connect, OPTIONAL - NEEDED), note)


def target_of_rotation(environment: Environment, secret_id: str, keys: Sequence[str]) -> Target:
    """The secret and the keys to rotate, with those that are made together with them.

    Without `keys`, those with a limit are meant. Raises Refusal, also for a key that takes another key's value.
    """
    secret = secret_named(environment, secret_id)
    known = secret.entry.keys
    kept = {key.lifetime.previous_key: key.name for key in known.values() if key.lifetime.previous_key is not None}
    if not keys:
        used = (item.key for item in secret.keys if item.key.lifetime.limit_days is not None)
        keys = [key.name for key in used if not key.is_taken and key.name not in kept]
    if not keys and known:
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
    """The open rotation of these keys of a secret, or of any for None: the values are written, and it is not closed."""
    for run in runs(options.root):
        asked = run.identity
        is_own = (run.command, run.environment, asked.get("secret")) == (COMMAND, environment.name, secret)
        is_same = keys is None or asked.get("keys") == sorted(keys)
        is_written = run.is_planned and all(entry.after is not None for entry in run.entries.values())
        is_open = is_written and run.ended != "conflict" and run.phase is not RotationPhase.CLOSED
        if is_own and is_same and is_open and not run.is_undo_begun:
            return run
    return None


def generated_values(target: Target) -> dict[str, SecretValue]:
    """A random value for each key, in the form that the catalogue asks for.

    Raises Refusal for a value that only an issuer can make.
    """
    values = dict[str, SecretValue]()
    for key in target.keys:
        life = target.secret.entry.keys[key].lifetime
        if life.issuer != SELF:
            message = f'the value of "{key}" cannot be generated: its issuer makes it'
            random = "if any random text will do, write `issuer: self` for the key in the catalogue"
            way = f"make it at {life.issuer}, and enter it" if life.issuer else random
            raise Refusal("usage", message, f"{way}; nothing was written")
        # Each character once: a repeated one would be more likely.
        alphabet = "".join(dict.fromkeys(life.alphabet))
        values[key] = SecretValue("".join(secrets.choice(alphabet) for _ in range(life.length)))
    return values


def require_together(target: Target, values: Mapping[str, SecretValue]) -> None:
    """Raises Refusal for a value that is not to be rotated, and if only one of two keys made together has a value."""
    if others := [key for key in values if key not in target.keys]:
        message = f"the input has a value for {list_names(others)}, which is not to be rotated"
        raise Refusal("usage", message, "name the keys to rotate; nothing was written")
    for key in values:
        missing = [each for each in target.secret.entry.keys[key].lifetime.rotate_with if each not in values]
        if missing:
            message = f'"{key}" has a new value, and {list_names(missing)}, made together with it, has none'
            raise Refusal("usage", message, "give both; nothing was written")


@dataclass(frozen=True, slots=True)
class _StoredKey:
    """What one store holds for a key that is rotated."""

    key: str
    at: Location
    previous_at: Location | None  # the place for the old value; None if it is not kept
    found: Reading

    @property
    def value(self) -> SecretValue | None:
        return value_at(self.found, self.at.property) if isinstance(self.found, RemoteSecret) else None

    def compare(self, value: SecretValue) -> Likeness:
        return compare_value(value, self.found, self.at.property, Comparer())


@dataclass(slots=True)
class NewValues:
    """A rotation of the keys of `target`. Planning finds which places keep another value, and why, in words."""

    target: Target
    values: Mapping[str, SecretValue]
    options: Options
    kept: tuple[str, ...] = ()

    def change(self) -> Change:
        """The change that sets the values. Raises Refusal for one that must not be written, and AddressError."""
        target, options = self.target, self.options
        cells = Inventory(target.environment).of(target.secret, target.store)
        for key, value in self.values.items():
            require_fit(target, key, value, cells[key].place)
        options.stores.address(target.store)
        asked = {"secret": target.secret.id, "keys": sorted(self.values)}
        lives = [target.secret.entry.keys[key].lifetime for key in self.values]
        no_way_back = () if all(life.has_overlap for life in lives) else (_OLD_VALUE_IS_DEAD,)
        return Change(COMMAND, self._plan, options, asked, no_way_back)

    def _plan(self) -> Plan:
        """Raises AddressError, and the StoreError of the secret's own store if that cannot be used at all."""
        environment, options = self.target.environment, self.options
        inventory, kept, steps = Inventory(environment), list[str](), list[Step]()
        places = {key: [*self._locate_values(inventory, key)] for key in self.values}
        used = {at.store: environment.stores[at.store] for own in places.values() for at, _ in own}
        stores = {store_id: options.stores.open(store) for store_id, store in used.items()}
        every = dict.fromkeys(at for own in places.values() for pair in own for at in pair if at is not None)
        for at in every:
            stores[at.store].expect({at.name: {Use.UPDATE}})
        readings = read_all((stores[at.store], at.name) for at in every)
        for at in every:
            reading = readings[stores[at.store], at.name]
            if isinstance(reading, StoreError) and is_of_store(reading) and at.store == self.target.store.id:
                raise reading
        for key, own in places.items():
            first, *others = (
                _StoredKey(key, at, previous_at, readings[stores[at.store], at.name]) for at, previous_at in own
            )
            old, own_steps = self._judge_first(first, others, stores[first.at.store])
            steps += own_steps
            for row in others:
                if why := self._why_kept(row, old):
                    kept.append(f"{row.at} keeps what it has: {why}")
                elif why is not None:
                    steps += self._steps(row, old)
        self.kept = tuple(kept)
        written = dict.fromkeys(step.place.store for step in steps)
        draft = Plan(
            COMMAND,
            environment.name,
            {store_id: stores[store_id] for store_id in written},
            options=replace(options, on_conflict=OnConflict.OVERWRITE),
            steps=tuple(steps),
        )
        dated = {store_id: used[store_id] for store_id in written}
        limits = {store_id: inventory.limits(store) for store_id, store in dated.items()}
        plan = plan_change(draft, readings, used=dated, limits=limits)
        who = {store_id: store.whoami().subject for store_id, store in draft.stores.items()}
        return replace(plan, writes=tuple(sorted(plan.writes, key=self._rank)), in_order=True, who=who)

    def _rank(self, write: Operation) -> int:
        """Places for old values come first, and the store in use last: the cluster gets a value that all have."""
        if not any(step.key in self.values for step in write.steps):
            return 0
        return 2 if write.store == self.target.store.id else 1

    def _locate_values(self, inventory: Inventory, key: str) -> Iterator[tuple[Location, Location | None]]:
        """Each place where the value of `key` may be, with the place for the old value, None if it is not kept."""
        names = key, self.target.secret.entry.keys[key].lifetime.previous_key
        for store in inventory.stores_of_value(self.target.secret, key):
            cells = inventory.of(self.target.secret, store)
            at, previous_at = (location_of(store, cells[name].place) if name in cells else None for name in names)
            if at is not None:
                yield at, previous_at

    def _judge_first(
        self, row: _StoredKey, others: Sequence[_StoredKey], store: SecretReader
    ) -> tuple[SecretValue | None, Sequence[Step]]:
        """The old value, None if it is not known, and the steps of the place in use."""
        step, held = self._step(row), row.value
        if isinstance(row.found, StoreError):
            return None, [step.refuse(f"it cannot be read: {row.found.reason}", row.found.remedy)]
        if held is None:
            line = command_line("put", self.target.environment.name, step.secret, row.key)
            return None, [step.refuse("it has no value to replace", f"set its first one: {line}")]
        if not Comparer().same(held, self.values[row.key]):
            return held, self._steps(row, held)
        # An earlier command was stopped after it had written this place.
        try:
            old = _value_before(row.at, held, row.found.version, store)
        except StoreError as error:
            return None, [step.refuse(f"the version before cannot be read: {error.reason}", error.remedy)]
        if old is None and not any(each.compare(self.values[row.key]) is Likeness.EQUAL for each in others):
            return None, [step.refuse("the new value is the one that is there already", "make a new one at its issuer")]
        return old, [step]

    def _why_kept(self, row: _StoredKey, old: SecretValue | None) -> str | None:
        """Why another place does not get the new value; empty if it gets it or has it, None if it holds no value."""
        likeness = row.compare(self.values[row.key])
        if likeness is Likeness.MISSING:
            return None
        if isinstance(row.found, StoreError):
            return f"{row.found.reason}, so that it may hold the old value"
        if likeness is Likeness.EQUAL or (old is not None and row.compare(old) is Likeness.EQUAL):
            return ""
        return "it holds another value"

    def _step(self, row: _StoredKey) -> Step:
        return Step(self.target.secret.id, row.key, Kind.UPDATE, None, row.at, value=self.values[row.key])

    def _steps(self, row: _StoredKey, old: SecretValue | None) -> Sequence[Step]:
        """The step that sets the new value in a place, and the step that puts the old one where it is kept."""
        step = self._step(row)
        is_set = row.compare(self.values[row.key]) is Likeness.EQUAL
        if row.previous_at is None or old is None or is_set:
            return [step]
        name = self.target.secret.entry.keys[row.key].lifetime.previous_key or ""
        return [step, replace(step, key=name, destination=row.previous_at, value=old)]


def _value_before(at: Location, held: SecretValue, version: str, store: SecretReader) -> SecretValue | None:
    """The newest value in versions before `version` that is not `held`; None if none can be read. Raises StoreError."""
    states = store.version_states(at.name)
    readable = [each for each, state in states.items() if state is StoreState.PRESENT and each != version]
    for each in reversed(readable):
        value = value_at(store.read_version(at.name, each), at.property)
        if value is not None and not Comparer().same(value, held):
            return value
    return None


def close_rotation(rotation: Rotation, run_id: str) -> None:
    """Record that the old value is revoked, and find out which pods have the old value.

    A rotation that another writer has ended can be closed too. For a run that was closed before, `foreign` stays None:
    others may have written its places since. Raises Refusal for a run of another command, and for one that is undone,
    and StoreError.
    """
    environment, options, access = rotation.environment, rotation.options, rotation.access
    run = own_run(find_run(options.root, run_id), COMMAND, environment.name)
    if run.is_undo_begun:
        message = f"the rotation {run.id} is undone, or its undo was started: the old value is in use"
        line = command_line(COMMAND, environment.name, "--undo", run.id, "--apply")
        way = f"finish the undo: {line}; then rotate once more, if the old value was revoked all the same"
        raise Refusal("found", message, way)
    expect_servers(run, options.stores)
    writers = open_run(run, environment, options.stores)
    rotation.set_run(run)
    if run.phase is not RotationPhase.CLOSED:
        places = places_of_rotation(run, writers)
        rotation.foreign = tuple((f"{':'.join(at)}: {why}", _put_line(run, at)) for at, _, why in places if why)
    record_phase(run, options, RotationPhase.CLOSED)
    if access is not None and run.followed is not RotationPhase.RESTARTED:
        try:
            # Pods that read before the run began have the old value.
            rotation.watch_pods(access, start_time(run.id))
        except Refusal as error:
            rotation.listener.note(str(error))


def _put_line(run: Run, target: tuple[str, str]) -> str:
    """The command that sets the keys that `run` wrote, or was to write, in one place."""
    asked = run.identity.get("keys") or ()
    own = [key for _, key, _ in run.entries[target].keys]
    # A place only for old values has none of those.
    keys = [key for key in own if key in asked] or own
    return command_line("put", run.environment, *run.secrets, *keys, "--store", target[0])


def undo_rotation(run_id: str, environment: Environment, options: Options, listener: Listener) -> Outcome:
    """Restore the old value, as every undo does.

    Raises Refusal if the old value does not work any more, and what `undo_run` raises.
    """
    run = own_run(find_run(options.root, run_id), COMMAND, environment.name)
    if run.phase is RotationPhase.CLOSED:
        message = f"the rotation {run.id} is closed: its old value was revoked"
        raise Refusal("found", message, "rotate once more instead")
    if not (run.is_undo_begun or all(life.has_overlap for life in lifetimes_of(run, environment).values())):
        message = f"the rotation {run.id} cannot be undone: {_OLD_VALUE_IS_DEAD}"
        line = command_line(COMMAND, environment.name, "--confirm-revoked", run.id)
        raise Refusal("found", message, f"end it: {line}; then rotate once more, to a value that works")
    return undo_run(COMMAND, run_id, environment, options, listener)
