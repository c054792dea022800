"""Reads every key of an environment's secrets from their stores for a backup: each remote secret once, no writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from compiler.operations.backup.format import Backup, KeyName
from compiler.operations.live.key_places import catalogue_places, key_places
from compiler.operations.live.read_many import read_many
from compiler.operations.live.value_names import value_names
from compiler.refusal import Refusal
from compiler.stores.errors import NotFoundError, StoreError
from compiler.stores.values.traits import UNWRITABLE, Trait, traits
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.model.environment import Environment, Secret
    from compiler.model.place import Place
    from compiler.operations.live.read_many import Reading
    from compiler.operations.live.stores import LiveStores
    from compiler.stores.interface import SecretReader
    from compiler.stores.values.secret import SecretValue

_WORKERS = 8
_UNFIT = UNWRITABLE | {Trait.NOT_A_STRING}


@dataclass(frozen=True, slots=True)
class Lacking:
    """A key that the environment uses or the store holds but the backup lacks, and why."""

    name: KeyName
    place: Place | None
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Gathered:
    """`left_out` are properties that no key of the catalogue names: (remote name, property)."""

    backup: Backup
    lacking: tuple[Lacking, ...]
    left_out: tuple[tuple[str, str], ...]

    def is_enough(self, *, is_partial: bool) -> bool:
        """Whether it may become a file: with all keys, or with some where a part will do. Raises Refusal for none."""
        if self.lacking and not is_partial:
            return False
        if not self.backup.values:
            message = "there is nothing to back up: the stores hold none of the keys"
            raise Refusal("usage", message, f"`{command_line('verify', self.backup.environment)}` shows what they hold")
        return True


@dataclass(frozen=True, slots=True)
class _Asked:
    name: KeyName
    is_used: bool
    reader: SecretReader
    place: Place | None


def gather(environment: Environment, only: Sequence[str], stores: LiveStores) -> Gathered:
    """The values of the secrets `only`, or of all, from the store that each reads.

    Keys of variants that are not in use are included where the store has them. Raises AddressError, and the
    StoreError of a store that cannot be used at all.
    """
    chosen = [secret for secret in environment.secrets.values() if not only or secret.id in only]
    asked = _asked(environment, chosen, stores)
    names = [(each.reader, each.place.remote_key) for each in asked if each.place is not None]
    readings = read_many(names, _WORKERS)
    values: dict[KeyName, SecretValue] = {}
    lacking: list[Lacking] = []
    for each in asked:
        reading = readings[each.reader, each.place.remote_key] if each.place is not None else None
        found = _value(each, reading)
        if isinstance(found, Lacking):
            lacking.append(found)
        elif found is not None:
            values[each.name] = found
    time = datetime.now(UTC).isoformat(timespec="seconds")
    backup = Backup(environment.name, time, values, tuple(each.name for each in lacking))
    return Gathered(backup, tuple(lacking), _left_out(asked, readings, _known(environment, chosen, stores)))


def _asked(environment: Environment, chosen: Sequence[Secret], stores: LiveStores) -> list[_Asked]:
    """Each value once, in use where one of the secrets that have it uses it."""
    names, asked = value_names(environment), dict[KeyName, _Asked]()
    for secret in chosen:
        if secret.store is None:
            continue
        used, reader = {key.key.name for key in secret.keys}, stores.open(secret.store)
        for key, place in key_places(environment, secret, secret.store).items():
            name = names.get((secret.id, key), (secret.id, key))
            is_used = key in used or (name in asked and asked[name].is_used)
            asked[name] = _Asked(name, is_used, reader, place)
    return list(asked.values())


def _value(asked: _Asked, reading: Reading | None) -> SecretValue | Lacking | None:
    """The value, the reason why there is none, or None for an unused key without a value."""
    if reading is None or asked.place is None or isinstance(reading, NotFoundError):
        return Lacking(asked.name, asked.place, "the store has no such secret") if asked.is_used else None
    if isinstance(reading, StoreError):
        return Lacking(asked.name, asked.place, f"{reading.reason}; {reading.remedy}")
    named = asked.place.property
    value = reading.whole if named is None else reading.properties.get(named)
    if value is None:
        return Lacking(asked.name, asked.place, "the secret has no such property") if asked.is_used else None
    if unfit := traits(value) & _UNFIT:
        what = ", ".join(sorted(trait.replace("-", " ") for trait in unfit))
        return Lacking(asked.name, asked.place, f"its value is {what}, which could not be restored")
    return value


def _known(
    environment: Environment, chosen: Sequence[Secret], stores: LiveStores
) -> frozenset[tuple[SecretReader, Place]]:
    used = {secret.store.id: secret.store for secret in chosen if secret.store is not None}
    return frozenset(
        (stores.open(store), place) for store in used.values() for place in catalogue_places(environment, store)
    )


def _left_out(
    asked: Sequence[_Asked],
    readings: Mapping[tuple[SecretReader, str], Reading],
    known: frozenset[tuple[SecretReader, Place]],
) -> tuple[tuple[str, str], ...]:
    own = {(each.reader, each.place) for each in asked if each.place is not None}
    named = {(reader, place.remote_key, place.property) for reader, place in known | own}
    wholes = {(reader, name) for reader, name, property_ in named if property_ is None}
    return tuple(
        (name, property_)
        for (reader, name), reading in readings.items()
        if not isinstance(reading, StoreError) and (reader, name) not in wholes
        for property_ in reading.properties
        if (reader, name, property_) not in named
    )
