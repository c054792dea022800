"""Finds when each key of an environment needs a new value, and lists what is due until a date."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from compiler.live.ages import AgeState, KeyAge
from compiler.live.stores import LiveStores, value_names
from compiler.operations.ages import DueKey, ages_of, limits_of, rotations_of
from compiler.operations.references import Reference
from compiler.operations.status import Row, Status
from compiler.operations.verify import Verification


@dataclass(frozen=True, slots=True)
class DueList:
    """The keys that are overdue, due `until` then, or not known not to be, and how many have no limit."""

    until: datetime
    keys: tuple[DueKey, ...]
    without_limit: int

    @property
    def is_pressing(self) -> bool:
        """Whether any is overdue now, or may be."""
        return any(each.age.state in (AgeState.OVERDUE, AgeState.NOT_KNOWN) for each in self.keys)


def with_ages(status: Status, found: Verification, stores: LiveStores, now: datetime) -> Status:
    """The rows with the ages of their keys, and with the rotations that their stores say are under way."""
    own = [each.reference for each in found.keys if not each.reference.is_elsewhere]
    by_secret: dict[str, dict[Reference, KeyAge]] = {}
    for each, age in ages_of(found, limits_of(status.environment, own), stores, now).items():
        by_secret.setdefault(each.secret, {})[each] = age
    rows: list[Row] = []
    for row in status.rows:
        ages = by_secret.get(row.secret.id, {})
        keys = (_due_key(row, each, age) for each, age in ages.items())
        rotations = rotations_of(found.origins[each] for each in ages if each in found.origins)
        rows.append(replace(row, keys=tuple(sorted(keys, key=lambda key: key.urgency)), rotations=rotations))
    return replace(status, rows=tuple(rows))


def _due_key(row: Row, reference: Reference, age: KeyAge) -> DueKey:
    lifetime = row.secret.entry.keys[reference.key].lifetime
    return DueKey(row.secret.id, reference.key, row.store.id, lifetime.owner, lifetime.limit_days is not None, age)


def values_of(status: Status) -> list[DueKey]:
    """The values with their ages, the most urgent first: that of several secrets is there once a store."""
    names = value_names(status.environment)
    found: dict[tuple[str, str, str], DueKey] = {}
    for each in (key for row in status.rows for key in row.keys):
        secret, key = names.get((each.secret, each.key), (each.secret, each.key))
        found.setdefault((secret, key, each.store), replace(each, secret=secret, key=key))
    return sorted(found.values(), key=lambda each: each.urgency)


def due_list(status: Status, until: datetime) -> DueList:
    """What is due of an environment whose rows have ages."""
    values = values_of(status)
    due = tuple(each for each in values if _is_due(each.age, until))
    return DueList(until, due, sum(each.age.state is AgeState.NO_LIMIT for each in values))


def _is_due(age: KeyAge, until: datetime) -> bool:
    return age.state is AgeState.NOT_KNOWN or (age.due is not None and age.due <= until)
