"""Takes over a rotation whose journal is lost: rebuilds the journal from the tags and versions in the stores.

The tags get a new holder first, so that the machine that began it stops before its next write. What the stores cannot
show, such as the value from before, keeps the rotation from being undone.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from compiler.change.attributes import (
    COMMAND,
    TAKE_OVER,
    holder_of,
    person_of,
    run_held_here,
    tag_rotation,
    to_arguments,
    under_way,
    version_of_rotation,
)
from compiler.change.journal import Run, find_run, identity_of, new_id, new_run, runs_folder
from compiler.change.plan import Kind, Options, Plan, RotationPhase, Target
from compiler.change.run_files import caller, read_lines, run_lock
from compiler.change.run_log import RunLog
from compiler.live.observation import (
    NOT_HELD,
    RUN_ID,
    Reading,
    read_many,
    rotation_of,
    start_time,
    start_time_if_valid,
    value_at,
)
from compiler.live.stores import LiveStores, secret_named, store_named
from compiler.model.environment import Environment, Secret
from compiler.model.files import sync_folder
from compiler.model.inventory import Inventory
from compiler.refusal import Refusal
from compiler.stores.errors import DisabledError, NotFoundError, StoreError
from compiler.stores.interface import Attributes, RemoteSecret, SecretReader, SecretWriter, Use
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import command_line, list_names

_DEAD = "has no value to go back to: the old one stopped working when the new one was created"
_NOT_READABLE = (*NOT_HELD, DisabledError)
# The keys of a secret in one remote secret, each with its property; None for the whole value.
_Keys = Mapping[str, str | None]


class PlaceState(StrEnum):
    """What a remote secret holds of a rotation."""

    WRITTEN = "written"  # the new value, beside the tag
    UNTAGGED = "untagged"  # the new value, without the tag
    WAITING = "waiting"  # the old value, without the tag: the new one is still to come
    RESTORED = "restored"  # the old value, which an undo wrote once more
    REPLACED = "replaced"  # another writer's version, over the new value
    UNKNOWN = "unknown"  # the tag, and a version that may be the rotation's or another writer's
    UNCLEAR = "unclear"  # perhaps not the old value, where the rotation may have written the new one
    DIFFERENT = "different"  # another value, without the tag


@dataclass(frozen=True, slots=True)
class RotatedPlace:
    """A remote secret that a rotation wrote, or may have written."""

    target: Target
    state: PlaceState
    keys: _Keys
    version: str | None  # the one that is there now; None where none can be read
    is_tagged: bool = False
    own: str | None = None  # the rotation's version; None where it has none, or which one is not known
    before: str | None = None  # the version that it replaced, or is to replace; empty if that is unclear
    made: str | None = None  # when the store made `own`
    creates: bool = False  # there was nothing before
    doubt: str = ""  # why the rotation cannot be undone there, in words

    @property
    def is_copy(self) -> bool:
        """Whether another writer put the new value there."""
        return self.state is PlaceState.UNTAGGED and self.before is None

    @property
    def description(self) -> str:
        """What it holds, in words."""
        before = f"; the old one is version {self.before}" if self.before is not None else ""
        return {
            PlaceState.WRITTEN: f"has the new value, version {self.own}{before}",
            PlaceState.UNTAGGED: f"has the new value, version {self.version}, without the tag",
            PlaceState.WAITING: "has the old value, and is to get the new one",
            PlaceState.RESTORED: f"has the old value again, version {self.version}: an undo was begun",
            PlaceState.REPLACED: f"has another writer's version {self.version} over the new value, version {self.own}",
            PlaceState.UNKNOWN: f"has the tag, and its version {self.version} may be another writer's",
            PlaceState.UNCLEAR: "may lack the old value: the rotation may have written the new one beside it",
            PlaceState.DIFFERENT: "has another value, without the tag",
        }[self.state]

    def journal_fields(self, secret: str) -> dict[str, Any]:
        """Its fields in the rebuilt journal."""
        return {
            "store": self.target[0],
            "name": self.target[1],
            "kind": str(Kind.CREATE if self.creates else Kind.UPDATE),
            "before": self.before or None,
            "recover": False,
            "keys": [{"secret": secret, "key": key, "property": at} for key, at in self.keys.items()],
            "after": self.own,
            "afterMade": self.made,
            "undoneAs": self.version if self.state is PlaceState.RESTORED else None,
        }


@dataclass(frozen=True, slots=True)
class LostRotation:
    """A rotation as the stores show it."""

    run: str
    environment: str
    secret: str
    keys: tuple[str, ...]  # those that got a new value
    holder: str  # by the tags
    places: tuple[RotatedPlace, ...]
    identity: Mapping[str, Any]  # by which the same command goes on with it

    @property
    def no_way_back(self) -> tuple[str, ...]:
        """Why the rotation cannot be undone, in words; empty if it can."""
        return tuple(f"{':'.join(each.target)} {each.doubt}" for each in self.places if each.doubt)

    @property
    def own_places(self) -> tuple[RotatedPlace, ...]:
        """The places to name in the rebuilt journal."""
        states = {each.state for each in self.places}
        # A run with a begun undo, or whose new value is nowhere any more, writes no more places.
        goes_on = PlaceState.WRITTEN in states and PlaceState.RESTORED not in states
        left = {PlaceState.DIFFERENT} if goes_on else {PlaceState.DIFFERENT, PlaceState.WAITING}
        return tuple(each for each in self.places if each.state not in left)

    @property
    def is_complete(self) -> bool:
        """Whether the new value is in every place that should have it."""
        return all(each.state is not PlaceState.WAITING for each in self.own_places)

    @property
    def description(self) -> str:
        """The rotation in words: its secret, its age and its holder."""
        return under_way(self.run, list_names([self.secret]), person_of(self.holder))


def find_lost_rotation(
    run_id: str, secret_id: str, keys: Sequence[str], environment: Environment, options: Options
) -> LostRotation:
    """The rotation with this id, as the stores show it; a value of `secret_id` has its tag. Writes nothing.

    `keys` are those that got a new value, if no earlier version shows them. Raises Refusal for a rotation without a
    tag, and for one that this folder holds or has ended; and StoreError if a store does not answer.
    """
    asked = secret_named(environment, secret_id)
    known = command_line("runs", environment.name, "--stores")
    if not RUN_ID.fullmatch(run_id) or start_time_if_valid(run_id) is None:
        raise Refusal("usage", f'"{run_id[:60]}" is no id of a run', f"`{known}` lists those that the stores know")
    _refuse_ended(run_id, environment, options.root)
    evidence = _Evidence(run_id, environment, options.stores)
    tagged = evidence.find_tagged(asked)
    if not tagged:
        message = f'nothing that "{asked.id}" reads has the tag of the rotation {run_id}'
        raise Refusal("found", message, f"it was ended, or is of another secret: `{known}` lists those under way")
    if all(run_held_here(options.root, run_id, each.attributes) is not None for each in tagged.values()):
        line = command_line(COMMAND, environment.name, *to_arguments(find_run(options.root, run_id)))
        raise Refusal("found", f"the journal of the rotation {run_id} is here", f"continue it: {line}")
    secret, changed = evidence.find_owner(asked, tagged)
    names = _require_keys(secret, changed, keys, evidence.keys_at(secret, tagged), run_id, environment.name)
    store = secret.store
    addresses = {store.id: options.stores.address(store).absolute} if store is not None else {}
    return LostRotation(
        run_id,
        environment.name,
        secret.id,
        names,
        max(holder_of(each.attributes) for each in tagged.values()),
        _judge_places(evidence, secret, names),
        identity_of(COMMAND, environment.name, addresses, {"secret": secret.id, "keys": sorted(names)}),
    )


def _refuse_ended(run_id: str, environment: Environment, root: Path) -> None:
    """Raises Refusal for a run that ended by its journal, is of another command, or cannot be read."""
    path = runs_folder(root) / f"{run_id}.jsonl"
    if not path.is_file() or _is_empty(path):
        return
    try:
        run = find_run(root, run_id)
    except Refusal as error:
        raise Refusal(error.kind, error.message, "move it to another folder, then take the rotation over") from None
    if (run.command, run.environment) != (COMMAND, environment.name):
        what = f"`{run.command} {run.environment}`"
        raise Refusal("usage", f"the run {run_id} belongs to {what}", "name that environment, and a run of `rotate`")
    if run.phase is RotationPhase.CLOSED:
        line = command_line(COMMAND, environment.name, "--confirm-revoked", run_id)
        message = f"the rotation {run_id} is closed: its old value was revoked"
        raise Refusal("found", message, f"take its tags away: {line}")
    if run.is_undone:
        line = command_line(COMMAND, environment.name, "--undo", run_id, "--apply")
        raise Refusal("found", f"the rotation {run_id} is undone", f"take its tags away: {line}")


def _is_empty(path: Path) -> bool:
    """Whether a kill left no complete line in the journal."""
    return next(read_lines(path), None) is None


def _require_keys(
    secret: Secret, changed: Sequence[str], given: Sequence[str], known: Sequence[str], run_id: str, environment: str
) -> tuple[str, ...]:
    """The keys that got a new value: those that the stores show, else those that were named. Raises Refusal."""
    lives = {name: key.lifetime for name, key in secret.entry.keys.items()}
    if unknown := [key for key in given if key not in lives]:
        message = f'the secret "{secret.id}" has no key {list_names(unknown)}'
        raise Refusal("usage", message, f"the keys with the tag are {list_names(known, len(known))}")
    # A key that keeps another key's old value changed with that key.
    keeps = {life.previous_key: name for name, life in lives.items()}
    names = tuple(dict.fromkeys(keeps.get(key, key) for key in changed or known))
    if not changed and len(names) > 1:
        line = command_line(COMMAND, environment, secret.id, names[0], TAKE_OVER, run_id)
        message = f"no earlier version shows which keys the rotation {run_id} gave a new value"
        if not given:
            raise Refusal("found", message, f"name them, of {list_names(names, len(names))}: {line}")
        return tuple(given)
    if given and set(given) != set(names):
        message = f"the rotation {run_id} gave {list_names(names)} a new value, and not {list_names(given)}"
        raise Refusal("usage", message, "leave the keys out")
    return names


@dataclass(frozen=True, slots=True)
class _Versions:
    """The version of a remote secret that the rotation wrote, and the one before it."""

    own: RemoteSecret | None = None
    before: str | None = None
    old: RemoteSecret | None = None
    is_first: bool = False  # the store shows that there was none before
    doubt: str = ""


_UNKNOWN = _Versions(doubt="does not show which of its versions the rotation wrote")


class _Evidence:
    """What the stores hold of one rotation; each version is read once."""

    def __init__(self, run_id: str, environment: Environment, stores: LiveStores) -> None:
        self.run_id = run_id
        self._environment = environment
        self._stores = stores
        self._inventory = Inventory(environment)
        self._readings: dict[Target, Reading] = {}
        self._versions: dict[Target, _Versions] = {}

    def store(self, target: Target) -> SecretWriter:
        return self._stores.open(store_named(self._environment, target[0]))

    def rows(self, secret: Secret) -> dict[Target, dict[str, str | None]]:
        return self._inventory.keys_by_place(secret)

    def read(self, targets: Collection[Target]) -> dict[Target, Reading]:
        """The reading of each target. Raises the StoreError of a store that does not say: it may have the tag."""
        left = [target for target in targets if target not in self._readings]
        for target in left:
            self.store(target).expect({target[1]: {Use.RETAG}})
        found = read_many((self.store(target), target[1]) for target in left)
        for target in left:
            reading = found[self.store(target), target[1]]
            if isinstance(reading, StoreError) and not isinstance(reading, _NOT_READABLE):
                raise reading
            self._readings[target] = reading
        return {target: self._readings[target] for target in targets}

    def is_tagged(self, reading: Reading) -> bool:
        return isinstance(reading, RemoteSecret) and rotation_of(reading.attributes) == self.run_id

    def find_tagged(self, secret: Secret) -> dict[Target, RemoteSecret]:
        """The remote secrets with the rotation's tag, of all that `secret` reads."""
        holders = {self._inventory.value_of(secret.id, key)[0] for key in secret.entry.keys} - {secret.id}
        secrets = (secret, *(self._environment.secrets[each] for each in holders))
        readings = self.read({target: None for each in secrets for target in self.rows(each)})
        return {at: each for at, each in readings.items() if isinstance(each, RemoteSecret) and self.is_tagged(each)}

    def keys_at(self, secret: Secret, targets: Collection[Target]) -> list[str]:
        """The keys of the secret that are in one of `targets`."""
        return [*dict.fromkeys(key for target, keys in self.rows(secret).items() if target in targets for key in keys)]

    def find_owner(self, asked: Secret, tagged: Mapping[Target, RemoteSecret]) -> tuple[Secret, tuple[str, ...]]:
        """The secret whose keys the rotation changed, and these keys; no keys if no earlier version shows them."""
        others = [each for each in self._environment.secrets.values() if each is not asked]
        own = [each for each in (asked, *others) if self.rows(each).keys() & tagged.keys()]
        for secret in own:
            if changed := self._find_changed(secret):
                return secret, changed
        return own[0], ()

    def _find_changed(self, secret: Secret) -> tuple[str, ...]:
        comparer, changed = Comparer(), dict[str, None]()
        for target, keys in self.rows(secret).items():
            found = self.find_versions(target)
            if found is not None and found.own is not None and found.old is not None:
                values = {key: (_value(found.old, at), _value(found.own, at)) for key, at in keys.items()}
                changed |= {key: None for key, pair in values.items() if not _is_same(*pair, comparer)}
        return tuple(changed)

    def find_versions(self, target: Target) -> _Versions | None:
        """The rotation's versions in a remote secret that has its tag, or had it before a later version.

        None for any other remote secret. Raises StoreError.
        """
        reading = self.read([target])[target]
        if not isinstance(reading, RemoteSecret):
            return None
        if self.is_tagged(reading):
            return self._versions_of(target, reading)
        # In a store with one set of tags for all versions, this tag would be here too.
        has_one_set_of_tags = self.store(target).address.provider.deletes_by_version
        found = _UNKNOWN if has_one_set_of_tags else self._versions_of(target, reading)
        return found if found.own is not None else None

    def _versions_of(self, target: Target, current: RemoteSecret) -> _Versions:
        if target not in self._versions:
            store = self.store(target)
            listed = store.list_versions(target[1])
            found = (
                _find_in_list(self.run_id, listed, current)
                if listed is not None
                else self._find_by_count(store, current)
            )
            self._versions[target] = self._read_versions(store, current, *found) if found is not None else _UNKNOWN
        return self._versions[target]

    def _find_by_count(self, store: SecretReader, current: RemoteSecret) -> tuple[str, str | None] | None:
        """The rotation's version and the one before, in a store with version numbers and one set of tags."""
        own = version_of_rotation(current.attributes)
        if not current.version.isdecimal():
            return None
        if own is None and current.version != "1":
            # Earlier releases did not write the version: it is only clear if one version was made since.
            earlier = _read_version(store, current.name, str(int(current.version) - 1))
            times = [each.attributes.created if isinstance(each, RemoteSecret) else None for each in (earlier, current)]
            if None in times or not times[0] < start_time(self.run_id) <= times[1]:  # type: ignore[operator]
                return None
        number = int(own or current.version)
        return str(number), str(number - 1) if number > 1 else None

    @staticmethod
    def _read_versions(store: SecretReader, current: RemoteSecret, own: str, before: str | None) -> _Versions:
        new = current if own == current.version else _read_version(store, current.name, own)
        if not isinstance(new, RemoteSecret):
            return _UNKNOWN
        if before is None:
            return _Versions(new, is_first=True)
        if before == "":
            return _Versions(new, doubt="does not show which version was there before")
        old = _read_version(store, current.name, before)
        if isinstance(old, RemoteSecret):
            return _Versions(new, before, old)
        return _Versions(new, before, doubt=f"has lost its old value, version {before}: {old.reason}")


def _find_in_list(
    run_id: str, listed: Mapping[str, Attributes], current: RemoteSecret
) -> tuple[str, str | None] | None:
    """The rotation's version and the one before, in a store where each version has its own tags.

    The one before is None if there was none, and empty if it is unclear: versions of one second have no order.
    """
    second = {version: int(has.created.timestamp()) if has.created else 0 for version, has in listed.items()}
    tagged = sorted(
        (version for version, has in listed.items() if rotation_of(has) == run_id),
        key=lambda version: (second[version], version == current.version),
    )
    if not tagged or (len(tagged) > 1 and second[tagged[0]] == second[tagged[1]] and current.version != tagged[1]):
        return None
    own = tagged[0]
    others = [version for version in listed if version not in tagged and version != current.version]
    if own != current.version and any(second[version] == second[own] for version in others):
        return own, ""
    earlier = [version for version in others if second[version] <= second[own]]
    newest = [version for version in earlier if second[version] == max(second[each] for each in earlier)]
    return own, (newest[0] if len(newest) == 1 else "") if earlier else None


def _read_version(store: SecretReader, name: str, version: str) -> Reading:
    """A version, or the error for one that can no longer be read. Raises StoreError."""
    try:
        return store.read_version(name, version)
    except _NOT_READABLE as error:
        return error.with_traceback(None)


def _value(remote: RemoteSecret | None, property_: str | None) -> SecretValue | None:
    return value_at(remote, property_) if remote is not None else None


def _is_same(one: SecretValue | None, other: SecretValue | None, comparer: Comparer) -> bool:
    return one is other if one is None or other is None else comparer.same(one, other)


def _judge_places(evidence: _Evidence, secret: Secret, names: Sequence[str]) -> tuple[RotatedPlace, ...]:
    """What each remote secret holds of the keys `names`, and of the keys that keep their old values."""
    lives = {name: secret.entry.keys[name].lifetime for name in names}
    values = _Values({name: life.previous_key for name, life in lives.items() if life.previous_key is not None})
    rows = {
        target: {key: at for key, at in keys.items() if key in names or key in values.keepers.values()}
        for target, keys in evidence.rows(secret).items()
    }
    readings = evidence.read([target for target, keys in rows.items() if keys])
    # Judge the places that the rotation wrote first: they show the values.
    in_order = sorted(readings, key=lambda target: evidence.find_versions(target) is None)
    found = [_judge_place(evidence, target, readings[target], rows[target], values) for target in in_order]
    places = [each for each in found if each is not None]
    places = [each for place in places for each in _keep_place(place, places, values.keepers)]
    if not all(life.has_overlap for life in lives.values()):
        # Nothing undoes such a rotation, so another writer wrote the old value again.
        places = [replace(each, doubt=each.doubt or _DEAD) if each.own is not None else each for each in places]
    if any(each.doubt for each in places):
        # If the undo cannot be continued, it must not keep the rotation from being closed.
        is_begun = PlaceState.RESTORED
        places = [replace(each, state=PlaceState.REPLACED) if each.state is is_begun else each for each in places]
    return tuple(places)


def _keep_place(
    place: RotatedPlace, places: Sequence[RotatedPlace], keepers: Mapping[str, str]
) -> Iterator[RotatedPlace]:
    """The place, unless it is only for old values and the rotation wrote no new one beside it in that store."""
    if place.is_tagged or place.keys.keys() - set(keepers.values()):
        yield place
        return
    new = {key for key, keeper in keepers.items() if keeper in place.keys}
    beside = [each for each in places if each.target[0] == place.target[0] and each.keys.keys() & new]
    # What was copied there without the tag is not the rotation's.
    own = [each for each in beside if each.state is not PlaceState.DIFFERENT and not each.is_copy]
    if own:
        is_unclear = place.state is PlaceState.WAITING and all(each.before == "" for each in own)
        yield replace(place, state=PlaceState.UNCLEAR) if is_unclear else place


@dataclass(slots=True)
class _Values:
    """The old and the new values of the keys, as far as the rotation's versions show them."""

    keepers: Mapping[str, str]  # by a key, the one that keeps its old value
    old: dict[str, SecretValue | None] = field(default_factory=dict)
    new: dict[str, SecretValue | None] = field(default_factory=dict)
    comparer: Comparer = field(default_factory=Comparer)

    def learn(self, keys: _Keys, found: _Versions) -> None:
        for key, at in keys.items():
            self.new.setdefault(key, _value(found.own, at))
            if found.old is not None:
                self.old.setdefault(key, _value(found.old, at))
                if key in self.keepers:
                    self.new.setdefault(self.keepers[key], _value(found.old, at))

    def has(self, values: Mapping[str, SecretValue | None], keys: _Keys, remote: RemoteSecret) -> bool:
        """Whether all `keys` are known and have these values in `remote`."""
        return all(
            key in values and _is_same(values[key], _value(remote, at), self.comparer) for key, at in keys.items()
        )


def _judge_place(
    evidence: _Evidence, target: Target, reading: Reading, keys: _Keys, values: _Values
) -> RotatedPlace | None:
    """What a remote secret holds; None if the rotation has nothing to do with it."""
    rotated = {key: at for key, at in keys.items() if key not in values.keepers.values()}
    if isinstance(reading, StoreError):
        if isinstance(reading, NotFoundError) and not rotated:
            return RotatedPlace(target, PlaceState.WAITING, keys, None, creates=True)
        doubt = f"cannot be read: {reading.reason}"
        is_held = isinstance(reading, DisabledError)
        return RotatedPlace(target, PlaceState.DIFFERENT, keys, None, doubt=doubt) if is_held else None
    place = RotatedPlace(target, PlaceState.UNKNOWN, keys, reading.version)
    if (found := evidence.find_versions(target)) is not None:
        return _judge_written(replace(place, is_tagged=evidence.is_tagged(reading)), reading, found, values, rotated)
    if values.has(values.new, keys, reading):
        doubt = "has the new value without the tag: the rotation may have been closed"
        before = _version_before_untagged(evidence.store(target), reading, rotated, values)
        return replace(place, state=PlaceState.UNTAGGED, own=reading.version, before=before, doubt=doubt)
    if rotated and all(_value(reading, at) is None for at in rotated.values()):
        return None
    if values.has(values.old, rotated, reading):
        return replace(place, state=PlaceState.WAITING, before=reading.version)
    return replace(place, state=PlaceState.DIFFERENT, doubt="has another value, without the tag")


def _version_before_untagged(store: SecretReader, current: RemoteSecret, rotated: _Keys, values: _Values) -> str | None:
    """The version that the rotation may have replaced without its tag, empty if that is unclear; None for a copy.

    A Vault takes the tag after the value, and the rotation may have been stopped between them.
    """
    is_vault = store.address.provider.deletes_by_version
    if not (rotated and is_vault and current.version.isdecimal() and int(current.version) > 1):
        return None
    number = str(int(current.version) - 1)
    former = _read_version(store, current.name, number)
    if not isinstance(former, RemoteSecret) or values.has(values.new, rotated, former):
        return ""
    if values.has(values.old, rotated, former):
        return number
    return None if rotated.keys() <= values.old.keys() else ""


def _judge_written(
    place: RotatedPlace, current: RemoteSecret, found: _Versions, values: _Values, rotated: _Keys
) -> RotatedPlace:
    """What a remote secret holds that the rotation has written to."""
    if found.own is None:
        return replace(place, doubt=found.doubt)
    values.learn(place.keys, found)
    created = found.own.attributes.created
    made = created.isoformat() if created is not None else None
    place = replace(place, own=found.own.version, before=found.before, made=made, doubt=found.doubt)
    if found.is_first:
        # The rotation creates only places for old values.
        place = replace(place, creates=not rotated, doubt="" if not rotated else "does not show its old value")
    if found.own.version == current.version:
        return replace(place, state=PlaceState.WRITTEN)
    is_old = found.old is not None and values.has(values.old, place.keys, current)
    return replace(place, state=PlaceState.RESTORED if is_old else PlaceState.REPLACED)


def take_over_rotation(
    run_id: str,
    secret_id: str,
    keys: Sequence[str],
    environment: Environment,
    options: Options,
    shows: Callable[[LostRotation], None],
    waits: Callable[[str], None],
) -> Run:
    """Make this folder the holder of the rotation, with a journal rebuilt from the stores; `shows` gets it first.

    The tags get the new holder and are read again, then the journal is written: after a kill in between, it can be
    taken over once more. Raises what `find_lost_rotation` raises, and OSError.
    """
    with run_lock(options.root, f"{COMMAND}, take-over of run {run_id}", waits):
        found = find_lost_rotation(run_id, secret_id, keys, environment, options)
        shows(found)
        places = found.own_places
        stores = {each.target[0]: store_named(environment, each.target[0]) for each in places}
        writers = {store_id: options.stores.open(store) for store_id, store in stores.items()}
        holder = f"{caller()} {new_id()}".strip()
        tagged = [each for each in places if each.is_tagged]
        for each in tagged:
            store, name = each.target
            tag_rotation(run_id, holder, writers[store], name, str(each.version), each.own)
        _require_tags(found, tagged, writers, holder)
        return _write_journal(found, places, writers, holder, options.root)


def _require_tags(
    lost: LostRotation, tagged: Sequence[RotatedPlace], writers: Mapping[str, SecretWriter], holder: str
) -> None:
    """Raises Refusal if another machine took the rotation over, or wrote, at the same moment."""
    for each in tagged:
        store, name = each.target
        found = writers[store].describe(name)
        if (found.version, holder_of(found.attributes)) != (each.version, holder):
            line = command_line(COMMAND, lost.environment, lost.secret, TAKE_OVER, lost.run, "--apply")
            message = f"another machine wrote {':'.join(each.target)}, or took the rotation over, at the same moment"
            raise Refusal("found", message, f"agree who goes on, and there: {line}")


def _write_journal(
    found: LostRotation,
    places: Sequence[RotatedPlace],
    writers: Mapping[str, SecretWriter],
    holder: str,
    root: Path,
) -> Run:
    plan = Plan(COMMAND, found.environment, writers)
    run = new_run(root, found.run, plan, found.identity)
    is_new = not run.path.exists() or _is_empty(run.path)
    run = replace(run, who=person_of(found.holder)) if is_new else find_run(root, found.run)
    fields = {
        "holder": holder,
        "noWayBack": list(found.no_way_back),
        "destinations": [{"store": store, "address": address} for store, address in plan.destinations.items()],
        "entries": [each.journal_fields(found.secret) for each in places],
        "ended": "complete" if found.is_complete else "incomplete",
    }
    with closing(RunLog(run)) as log:
        log.record_take_over(plan, fields, is_new=is_new)
    sync_folder(run.path.parent)
    return run
