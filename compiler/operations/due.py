"""Finds the age of each key that an environment reads, and lists those that need a new value until a date.

Most of it is known from what was verified; a key with a limit may take a few reads.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from compiler.live.ages import AgeState, KeyAge, age_keys
from compiler.live.observation import ask_many
from compiler.live.stores import LiveStores
from compiler.model import group_pairs
from compiler.model.document import Severity
from compiler.model.environment import Environment
from compiler.model.inventory import Cell, Inventory
from compiler.model.provider import InvalidReferenceError, UnprovenReferenceError
from compiler.operations.verify import KeyStatus, Verification, extract, resolve
from compiler.stores.interface import RemoteSecret, SecretReader
from compiler.stores.secret_value import NotAnObjectError, SecretValue
from compiler.text.wording import command_line

_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class DueKey:
    """A key of a secret in its store in use, by id, and the age of its value; `has_limit` is from the catalogue."""

    secret: str
    key: str
    store: str
    owner: str | None
    has_limit: bool
    age: KeyAge

    @property
    def has_due(self) -> bool:
        """Whether a date is known by which it needs a new value: by its limit, or because it expires."""
        return self.age.state is not AgeState.NO_LIMIT

    @property
    def urgency(self) -> tuple[int, datetime, str, str]:
        """For sorting: overdue keys first, then those of unknown age, then the others by date."""
        rank = {AgeState.OVERDUE: 0, AgeState.NOT_KNOWN: 1}.get(self.age.state, 2)
        return rank, self.age.due or _NEVER, self.secret, self.key


def rotation_commands(environment: Environment, keys: Iterable[DueKey]) -> Iterator[str]:
    """The command that rotates the secret with the key that is overdue for longest; none if none is overdue."""
    late = [each for each in values_of(environment, keys) if each.age.overdue is not None]
    if late:
        first = late[0]
        own = dict.fromkeys(each.key for each in late if each.secret == first.secret)
        yield command_line("rotate", environment.name, first.secret, *own)


def ages_of(found: Verification, stores: LiveStores, now: datetime) -> dict[Cell, KeyAge]:
    """The age of each key in the store in use, by `age_keys`; NOT_KNOWN for a key with a limit that was not read.

    A key that takes another key's value has that key's limit. `found` is of the same stores. They are asked again only
    if a key has a limit: at most three reads of a remote secret, and one list of its versions.
    """
    own = [status for status in found.keys if not status.cell.is_elsewhere]
    limits = {each.cell: each.cell.lifetime.limit_days for each in own}
    read = {each.cell: each.remote for each in own if each.remote is not None}
    ages = {each.cell: _age_of_unread(each, limits[each.cell]) for each in own if each.remote is None}
    remotes = group_pairs(((stores.open(each.store), remote.name), each) for each, remote in read.items())

    def judge(item: tuple[tuple[SecretReader, str], list[Cell]]) -> dict[Cell, KeyAge]:
        (reader, _), group = item
        keys = {each: (limits[each], partial(_value, each)) for each in group}
        return age_keys(reader, read[group[0]], keys, now)

    for judged in ask_many(judge, tuple(remotes.items())):
        ages |= judged
    return {each: ages[each] for each in limits}


def _age_of_unread(status: KeyStatus, limit: int | None) -> KeyAge:
    if limit is None:
        return KeyAge(AgeState.NO_LIMIT)
    errors = (each.message for each in status.found if each.severity is Severity.ERROR)
    return KeyAge(AgeState.NOT_KNOWN, why=next(errors, "it was not read"))


def _value(asked: Cell, remote: RemoteSecret) -> SecretValue | None:
    """The value that the operator takes from a version of the remote secret."""
    try:
        source = extract(remote) if asked.by_name else remote
        return resolve(asked.store.provider, source, asked.property, by_name=asked.by_name)
    except (InvalidReferenceError, UnprovenReferenceError, NotAnObjectError):
        return None


@dataclass(frozen=True, slots=True)
class DueList:
    """The keys that are overdue, due before `until` or of unknown age, and the number of keys without a limit."""

    until: datetime
    keys: tuple[DueKey, ...]
    without_limit: int

    @property
    def is_pressing(self) -> bool:
        """Whether a key is overdue now, or may be."""
        return any(each.age.state in (AgeState.OVERDUE, AgeState.NOT_KNOWN) for each in self.keys)


def keys_by_secret(found: Verification, stores: LiveStores, now: datetime) -> dict[str, tuple[DueKey, ...]]:
    """The keys of each secret, the most urgent first."""
    ages = ages_of(found, stores, now).items()
    keys = group_pairs((each.secret, _due_key(each, age)) for each, age in ages)
    return {secret: tuple(sorted(its, key=lambda key: key.urgency)) for secret, its in keys.items()}


def _due_key(key: Cell, age: KeyAge) -> DueKey:
    lifetime = key.lifetime
    return DueKey(key.secret, key.key, key.store.id, lifetime.owner, lifetime.limit_days is not None, age)


def values_of(environment: Environment, keys: Iterable[DueKey]) -> list[DueKey]:
    """One key for each value and store, the most urgent first: keys that share a value count once."""
    inventory = Inventory(environment)
    found: dict[tuple[str, str, str], DueKey] = {}
    for each in keys:
        secret, key = inventory.value_of(each.secret, each.key)
        found.setdefault((secret, key, each.store), replace(each, secret=secret, key=key))
    return sorted(found.values(), key=lambda each: each.urgency)


def due_list(environment: Environment, keys: Iterable[DueKey], until: datetime) -> DueList:
    """The keys of an environment that are due."""
    values = values_of(environment, keys)
    due = tuple(each for each in values if _is_due(each.age, until))
    return DueList(until, due, sum(each.age.state is AgeState.NO_LIMIT for each in values))


def _is_due(age: KeyAge, until: datetime) -> bool:
    return age.state is AgeState.NOT_KNOWN or (age.due is not None and age.due <= until)
