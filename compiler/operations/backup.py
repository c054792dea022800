"""Reads every key of an environment for a backup, encodes and checks its text, and plans a restore."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import Any

from compiler.change.apply import Change
from compiler.change.compare import plan_entered_values
from compiler.change.plan import Kind, Options, Plan, Step, location_of
from compiler.live.ages import values_since
from compiler.live.observation import Observation, ask_many, value_at
from compiler.live.stores import LiveStores
from compiler.model import group_pairs
from compiler.model.environment import Environment, Secret, Store
from compiler.model.facts import has_more_values
from compiler.model.inventory import Cell, Inventory, ValueName
from compiler.model.store import Place, way_to_place
from compiler.refusal import Refusal
from compiler.stores.errors import NotFoundError, StoreError
from compiler.stores.interface import RemoteSecret
from compiler.stores.secret_value import (
    UNWRITABLE,
    Comparer,
    SecretValue,
    Trait,
    read_object,
    traits,
    write_object,
)
from compiler.text.wording import command_line, list_names, shell_line

FORMAT = "platform-secrets backup"
# Raised when an older program could not restore the file correctly; a new field of the manifest raises it too.
VERSION = 2

# A name takes 0.1 KB in memory, and other JSON 0.1 KB for each of its values: `[],` is three bytes of a file.
_LONGEST_MANIFEST = 16 * 1024 * 1024
_MOST_VALUES = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Backup:
    """The values of one environment at one time (ISO 8601, UTC), by names of the catalogue, so that any store fits.

    `missing` are keys in use that could not be read when the backup was made. `since` says since when each key with a
    limit had its value, None if that was not known.
    """

    environment: str
    time: str
    values: Mapping[ValueName, SecretValue]
    missing: tuple[ValueName, ...] = ()
    since: Mapping[ValueName, datetime | None] = field(default_factory=dict)

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(secret for secret, _ in self.values))


def encode(backup: Backup) -> bytes:
    """Two lines of JSON: the manifest, and an object of the values by `secret/KEY`; see docs/reference/backup.md."""
    ordered = sorted(backup.values)
    content = write_object({f"{secret}/{key}": backup.values[secret, key] for secret, key in ordered})
    body = content.encode("utf-8", "surrogatepass")
    dates = {f"{secret}/{key}": _date_text(backup.since[secret, key]) for secret, key in sorted(backup.since)}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "environment": backup.environment,
        "time": backup.time,
        "secrets": group_pairs(ordered),
        "missing": group_pairs(sorted(backup.missing)),
        "counts": {"secrets": len(backup.secrets), "keys": len(ordered)},
        "digest": _digest(body),
        "since": dates,
    }
    return json.dumps(manifest).encode() + b"\n" + body + b"\n"


def decode(data: bytes) -> Backup:
    """The backup in `data`. Raises Refusal if its parts do not match."""
    head, _, rest = data.partition(b"\n")
    if len(head) > _LONGEST_MANIFEST:
        raise _unusable("its manifest is too large")
    manifest = _parse_manifest(head)
    body = rest.removesuffix(b"\n")
    if manifest["digest"] != _digest(body):
        raise _unusable("its content does not match the digest in its manifest")
    values = _parse_values(body)
    ordered = sorted(values)
    counts = {"secrets": len({secret for secret, _ in ordered}), "keys": len(ordered)}
    if manifest["secrets"] != group_pairs(ordered) or manifest["counts"] != counts:
        raise _unusable("its manifest does not list the keys that it holds")
    missing = tuple((secret, key) for secret, keys in manifest["missing"].items() for key in keys)
    return Backup(manifest["environment"], manifest["time"], values, missing, _parse_dates(manifest["since"]))


def _date_text(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment is not None else None


def _parse_dates(dates: Mapping[str, Any]) -> dict[ValueName, datetime | None]:
    found: dict[ValueName, datetime | None] | None = None
    with suppress(TypeError, ValueError):
        found = {
            _parse_name(name): datetime.fromisoformat(text) if text is not None else None
            for name, text in dates.items()
        }
    if found is None or any(each is not None and each.tzinfo is None for each in found.values()):
        raise _unusable("its manifest is damaged")
    return found


def _parse_name(text: str) -> ValueName:
    """The value named SECRET/KEY. Raises ValueError."""
    secret, _, key = text.partition("/")
    if not (secret and key):
        raise ValueError
    return secret, key


def _parse_manifest(head: bytes) -> dict[str, Any]:
    try:
        text = _limit_values(head.decode())
        manifest = json.loads(text)
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise _unusable("it is not a backup of platform-secrets")
    version = manifest.get("version")
    if type(version) is not int or version != VERSION:
        raise _unusable(f"its format is not version {VERSION}, which this program reads")
    texts = dict.fromkeys(("environment", "time", "digest"), str)
    fields = {**texts, **dict.fromkeys(("secrets", "missing", "counts", "since"), dict)}
    if manifest.keys() != fields.keys() | {"format", "version"} or not all(
        isinstance(manifest[name], kind) for name, kind in fields.items()
    ):
        raise _unusable("its manifest is damaged")
    for keys in (*manifest["secrets"].values(), *manifest["missing"].values()):
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise _unusable("its manifest is damaged")
    return manifest


def _parse_values(body: bytes) -> dict[ValueName, SecretValue]:
    values: dict[ValueName, SecretValue] | None = None
    # The error may quote the content.
    with suppress(ValueError):
        found = read_object(_limit_values(body.decode("utf-8", "surrogatepass")))
        values = {_parse_name(name): value for name, value in found.items()}
    if values is None or not all(value.is_string for value in values.values()):
        raise _unusable("its content is damaged")
    return values


def _limit_values(text: str) -> str:
    """The text itself. Raises Refusal if it has more values than `encode` would ever write."""
    if has_more_values(text, _MOST_VALUES):
        raise _unusable(f"it has more than {_MOST_VALUES} values")
    return text


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _unusable(why: str) -> Refusal:
    return Refusal("cannot run", f"the backup cannot be used: {why}", "use another backup")


_WORKERS = 8
_UNFIT = UNWRITABLE | {Trait.NOT_A_STRING}


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """A backup and what it lacks.

    `lacking` are keys that the environment uses or a store holds, and that could not be read, each with the reason.
    `left_out` are properties that no key of the catalogue names: (remote name, property).
    """

    backup: Backup
    lacking: tuple[Step, ...]
    left_out: tuple[tuple[str, str], ...]

    def is_enough(self, *, is_partial: bool) -> bool:
        """Whether to write the backup: it has all keys, or some if a part is accepted. Raises Refusal for none."""
        if self.lacking and not is_partial:
            return False
        if not self.backup.values:
            message = "there is nothing to back up: the stores hold none of the keys"
            raise Refusal("usage", message, f"`{command_line('verify', self.backup.environment)}` shows what they hold")
        return True


def gather(environment: Environment, only: Sequence[str], stores: LiveStores) -> Gathered:
    """The values of the secrets `only`, or of all, from the store that each reads.

    Keys of variants that are not in use are included if the store has them. Raises AddressError, and the StoreError of
    a store that cannot be used at all.
    """
    inventory, cells = Inventory(environment), dict[ValueName, Cell]()
    for cell in inventory.cells(only):
        # A shared value is in use if one of its secrets uses it.
        is_used = cell.in_use or (cell.value in cells and cells[cell.value].in_use)
        cells[cell.value] = replace(cell, in_use=is_used)
    used = {cell.store.id: cell.store for cell in cells.values()}
    readers = {name: stores.open(store) for name, store in used.items()}
    places = [(cell.store.id, cell.remote_key) for cell in cells.values() if cell.place is not None]
    seen = Observation(readers, places, _WORKERS)
    values: dict[ValueName, SecretValue] = {}
    lacking: list[Step] = []
    cells |= _unlisted_cells(tuple(cells.values()), seen)
    for name, cell in cells.items():
        found = _value_of(cell, seen)
        if isinstance(found, SecretValue):
            values[name] = found
        elif found:
            lacking.append(Step(*name, Kind.MISSING, location_of(cell.store, cell.place), None, found))
    time = datetime.now(UTC).isoformat(timespec="seconds")
    missing = tuple((step.secret, step.key) for step in lacking)
    limited = [cell for name, cell in cells.items() if name in values and cell.lifetime.limit_days is not None]
    backup = Backup(environment.name, time, values, missing, _dates_of(limited, seen))
    known = {(name, *place) for name, store in used.items() for place in inventory.places(store)}
    known |= {(cell.store.id, *cell.place) for cell in cells.values() if cell.place is not None and not cell.is_all}
    return Gathered(backup, tuple(lacking), _extra_properties(seen, known))


def _dates_of(limited: Iterable[Cell], seen: Observation) -> dict[ValueName, datetime | None]:
    """Since when each value with a limit is the same; a store is read only if it has such a value."""
    by_remote: dict[tuple[str, str], dict[ValueName, tuple[int, str | None]]] = {}
    for cell in limited:
        days = cell.lifetime.limit_days or 0
        by_remote.setdefault((cell.store.id, cell.remote_key), {})[cell.value] = days, cell.property
    now = datetime.now(UTC)

    def dates(at: tuple[str, str]) -> dict[ValueName, datetime | None]:
        remote = seen.held[at]
        return values_since(seen.stores[at[0]], remote, by_remote[at], now) if isinstance(remote, RemoteSecret) else {}

    return {name: date for found in ask_many(dates, tuple(by_remote), _WORKERS) for name, date in found.items()}


def _value_of(cell: Cell, seen: Observation) -> SecretValue | str:
    """The value, or why there is none; an empty string for an unused key without a value."""
    reading = seen.held[cell.store.id, cell.remote_key] if cell.place is not None else None
    if reading is None or isinstance(reading, NotFoundError):
        return "the store has no such secret" if cell.in_use else ""
    if isinstance(reading, StoreError):
        return f"{reading.reason}; {reading.remedy}"
    if cell.is_all:
        # Its properties are cells of their own.
        return "" if reading.properties else "the secret has no property"
    value = value_at(reading, cell.property)
    if value is None:
        return "the secret has no such property" if cell.in_use else ""
    if unfit := traits(value) & _UNFIT:
        what = ", ".join(sorted(trait.replace("-", " ") for trait in unfit))
        return f"its value is {what}, which could not be restored"
    return value


def _unlisted_cells(cells: Iterable[Cell], seen: Observation) -> dict[ValueName, Cell]:
    """The properties that become keys of a Secret without being listed, each as a cell."""
    found: dict[ValueName, Cell] = {}
    for cell in cells:
        reading = seen.held[cell.store.id, cell.own] if cell.uses_all and cell.own is not None else None
        for name in reading.properties if isinstance(reading, RemoteSecret) else ():
            place = Place(cell.own or "", name)
            found.setdefault((cell.secret, name), replace(cell, key=name, value=(cell.secret, name), place=place))
    for cell in cells:
        found.pop(cell.value, None)
    return found


def _extra_properties(seen: Observation, named: Collection[tuple[str, str, str | None]]) -> tuple[tuple[str, str], ...]:
    wholes = {(store, name) for store, name, property_ in named if property_ is None}
    return tuple(
        (at[1], property_)
        for at, reading in seen.held.items()
        if not isinstance(reading, StoreError) and at not in wholes
        for property_ in reading.properties
        if (*at, property_) not in named
    )


COMMAND = "restore"


def require_origin(backup: Backup, environment: str, said: str | None) -> None:
    """Raises Refusal unless the backup is of this environment, or of the one named by `said`."""
    wanted = said or environment
    if backup.environment != wanted:
        message = f'the backup is of the environment "{backup.environment}", not of "{wanted}"'
        # The file may come from anybody: the name is quoted for a shell.
        option = shell_line("--from-environment", backup.environment)
        raise Refusal("usage", message, f"if that is intended, add {option}")


def require_only(backup: Backup, environment: Environment, only: Sequence[str]) -> None:
    """Raises Refusal for a secret for which the backup has no value, under its own name or another key's."""
    for secret in only:
        if not any(_is_chosen(environment, name, (secret,)) for name in backup.values):
            known = list_names(backup.secrets) or "no secrets"
            raise Refusal("usage", f'the backup has no secret "{secret}"', f"the backup has {known}")


def restoration(backup: Backup, environment: Environment, to: Store | None, options: Options) -> Change:
    """The change that restores the secrets `options.only`, or all, to the store `to`, or to the stores that they read.

    Raises AddressError.
    """
    named = tuple(_plan_steps(backup, environment, to, options.only))
    # If the backup has no dates, the age of its values is not known.
    dates = {(step.secret, step.key): backup.since.get(name) for name, step in named}
    steps = tuple(_drop_superseded(named, environment, options.only))
    used = {step.place.store: environment.stores[step.place.store] for step in steps if step.value is not None}
    for store in used.values():
        options.stores.address(store)

    def since_of(aged: Sequence[tuple[Step, int]]) -> list[datetime | None]:
        return [dates.get((step.secret, step.key)) for step, _ in aged]

    draft = Plan(COMMAND, environment.name, options=options, steps=steps)
    inventory = Inventory(environment)
    limits = {name: inventory.limits(store) for name, store in used.items()}
    plan = partial(plan_entered_values, draft, used, limits, since_of=since_of)
    return Change(COMMAND, plan, options)


def _drop_superseded(
    found: Iterable[tuple[ValueName, Step]], environment: Environment, only: Sequence[str]
) -> Iterator[Step]:
    """The steps; refused for a key that had its own value then and now takes another key's, if they differ.

    If such a key was not asked for, its step is left out: its place is the other key's, which keeps its value.
    """
    named = tuple(found)
    comparer, inventory = Comparer(), Inventory(environment)
    holders = {
        step.destination: (name, step.value)
        for name, step in named
        if step.value is not None and inventory.holder_of(name) == name
    }
    for name, step in named:
        holder = holders.get(step.destination) if step.value is not None else None
        if step.value is None or holder is None or comparer.same(holder[1], step.value):
            yield step
        elif not only or name[0] in only:
            reason = f"it takes the value of {'/'.join(holder[0])} now, of which the backup holds another"
            remedy = "leave the secret out with --only, or restore with the project of then"
            yield Step(*name, Kind.REFUSE, None, None, reason, remedy)


def _plan_steps(
    backup: Backup, environment: Environment, to: Store | None, only: Sequence[str]
) -> Iterator[tuple[ValueName, Step]]:
    """A step for each value of the backup, with the value's name there."""
    inventory = Inventory(environment)
    row_of = cache(inventory.of)
    for name in sorted(backup.values):
        if not only or _is_chosen(environment, name, only):
            step = Step(*inventory.name_here(name), Kind.UPDATE, None, None, value=backup.values[name])
            yield name, _place_step(step, environment, to, row_of)


def _place_step(
    step: Step, environment: Environment, to: Store | None, row_of: Callable[[Secret, Store], Mapping[str, Cell]]
) -> Step:
    """`step` with the destination of its key, or refused if there is none."""
    secret = environment.secrets.get(step.secret)
    if secret is None:
        return step.refuse("the environment has no such secret", "leave it out with --only, or enable it")
    store, key = to or secret.store, secret.entry.keys.get(step.key)
    if store is None:
        return step.refuse("the environment has no store for it", "name one with --to")
    if key is None and secret.uses_all:
        return _place_unlisted(step, secret, store, row_of(secret, store))
    if key is None:
        reason = "the catalogue no longer has this key of the secret"
        return step.refuse(reason, "leave the secret out with --only, or add the key to the catalogue")
    place = row_of(secret, store)[step.key].place
    if place is None:
        remedy = way_to_place(key.holder(secret.entry).id, store.provider)
        return step.refuse(f'the catalogue names no place for it in "{store.id}"', remedy)
    return replace(step, destination=location_of(store, place))


def _place_unlisted(step: Step, secret: Secret, store: Store, row: Mapping[str, Cell]) -> Step:
    """`step` for a key that is not listed: it goes to the remote secret whose properties become keys."""
    own = next(iter(row.values())).own
    if own is None:
        reason = f'the catalogue names no place for it in "{store.id}"'
        return step.refuse(reason, way_to_place(secret.id, store.provider))
    return replace(step, destination=location_of(store, Place(own, step.key)))


def _is_chosen(environment: Environment, name: ValueName, only: Sequence[str]) -> bool:
    """Whether a value of the backup belongs to one of the secrets `only`, as its own or as one that it takes over."""
    if name[0] in only:
        return True
    inventory = Inventory(environment)
    value = inventory.holder_of(name)
    secrets = (environment.secrets[each] for each in only if each in environment.secrets)
    return value is not None and any(
        inventory.holder_of((secret.id, key)) == value for secret in secrets for key in secret.entry.keys
    )
