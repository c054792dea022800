"""Holds how old the program takes a value to be against when somebody first put it somewhere."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from compiler.live.ages import MOST_READS, AgeState, age_keys
from compiler.live.observation import value_at
from tests.proofs.machine.platform import BrokenError
from tests.proofs.machine.project import KEYS, LIMIT, STORES, UNLIMITED, place

if TYPE_CHECKING:
    from compiler.stores.interface import RemoteSecret
    from compiler.stores.secret_value import SecretValue
    from tests.proofs.machine.commands import Asked
    from tests.proofs.machine.platform import Moved, Platform
    from tests.proofs.machine.shelves import Shelf

_LIMITED = [(secret, key) for secret, keys in KEYS.items() for key in keys if key not in UNLIMITED]


@dataclass
class Ages:
    """When each value was `first` put somewhere.

    That begins anew where a value is given once more, and after a copy that was cut off before its date was written.
    Where a value lies with more versions than the program reads, it may be said to be younger than it is, not in time;
    a copy of it may not, nor what an undo puts back.
    """

    platform: Platform
    first: dict[str, datetime] = field(default_factory=dict)
    _known: dict[tuple[str, str, str | None], tuple[object, datetime | None]] = field(default_factory=dict)

    def check(self, asked: Asked, moved: Moved) -> None:
        """Only a command that gives a value makes it younger. Raises BrokenError."""
        self.note()
        is_giving = asked.words[0] in {"put", "rotate"} and asked.run is None
        for store in STORES:
            for secret, key in _LIMITED:
                name, prop = place(store, secret, key)
                shelf, is_changed = self.platform.stores[store], (store, name) in moved.changed
                value, remote = shelf.value(name, prop), shelf.newest(name)
                if value is None or remote is None:
                    continue
                is_given = is_giving and asked.words[2] == secret and key in {*asked.values, *asked.keys}
                is_written = is_changed and _values_since(shelf, name, prop, moved.versions.get((store, name))) != {
                    value
                }
                first = self.first[value]
                if (is_changed and is_given) or (is_written and moved.fired):
                    first = self.first[value] = max(first, remote.attributes.created or first)
                if (changed := self._green_since(store, name, prop)) is None:
                    continue
                is_exact = is_written or _is_read_whole(shelf, name)
                if (changed > first and is_exact) or first + LIMIT <= datetime.now(UTC):
                    since = f"{changed}, and it is of {first}"
                    raise BrokenError(f"{key} of {secret} is younger in {store} than its value: {since}")

    def _green_since(self, store: str, name: str, prop: str | None) -> datetime | None:
        """The date of a value as the program has it, None where it is overdue or its age is not known.

        Found once for the same versions and tags: no date passes its limit while the machine runs.
        """
        shelf = self.platform.stores[store]
        versions = [(each.version, each.attributes.tags, shelf.is_gone(each)) for each in shelf.versions[name]]
        stands = versions, shelf.tags.get(name)
        known = self._known.get((store, name, prop))
        if known is None or known[0] != stands:
            known = self._known[store, name, prop] = stands, _judged_now(shelf, name, prop)
        return known[1]

    def note(self) -> None:
        """Take in the values that are new. One command may write one to several places: the last one counts."""
        found: dict[str, datetime] = {}
        for shelf in self.platform.stores.values():
            for each in itertools.chain.from_iterable(shelf.versions.values()):
                made, values = each.attributes.created, list(each.properties.values())
                if not each.is_object and each.whole is not None:
                    values.append(each.whole)
                for text in (value.reveal() for value in values):
                    if made is not None and text not in self.first:
                        found[text] = max(made, found.get(text, made))
        self.first |= found


def _values_since(shelf: Shelf, name: str, prop: str | None, version: str | None) -> set[str | None]:
    """The values from a version on, also in one that is deleted: a recovery brings it back, and does not write it.

    Where another writer came in between, the value that stands again was written again.
    """
    versions = shelf.versions[name]
    start = next((at for at, each in enumerate(versions) if each.version == version), None)
    values = [value_at(each, prop) for each in versions[start or 0 :]]
    missing = {None} if start is None else set[str | None]()
    return missing | {value.reveal() if value is not None else None for value in values}


def _is_read_whole(shelf: Shelf, name: str) -> bool:
    """Whether the program reads every version, so that it knows each date."""
    versions = shelf.versions[name]
    return len(versions) <= MOST_READS and not any(shelf.is_gone(each) for each in versions)


def _judged_now(shelf: Shelf, name: str, prop: str | None) -> datetime | None:
    keys = {prop: (LIMIT.days, partial(_value, prop))}
    age = age_keys(shelf, shelf.read(name), keys, datetime.now(UTC))[prop]
    return age.changed if age.state is AgeState.IN_TIME else None


def _value(prop: str | None, remote: RemoteSecret) -> SecretValue | None:
    return value_at(remote, prop)
