"""Holds how old the program takes a value to be against when somebody first put it somewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from compiler.live.ages import MOST_READS, AgeState, age_keys
from compiler.live.read_many import value_at
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
    """When each value was `first` put somewhere, and since when it was `said` to be there.

    Both begin anew where a value is given once more, and after a copy that was cut off before its date was written.
    With more versions in a place than the program reads, a value may be said to be younger than it is, not in time.
    """

    platform: Platform
    first: dict[str, datetime] = field(default_factory=dict)
    said: dict[str, datetime] = field(default_factory=dict)

    def check(self, asked: Asked, moved: Moved) -> None:
        """Only a command that gives a value makes it younger than it was said to be. Raises BrokenError."""
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
                is_written = is_changed and (moved.before.get((store, name)) or {}).get(prop) != value
                if (is_changed and is_given) or (is_written and moved.fired):
                    for dates in (self.first, self.said):
                        dates[value] = max(dates[value], remote.attributes.created or dates[value])
                if (changed := _green_since(shelf, name, prop)) is None:
                    continue
                is_exact = is_written or _is_read_whole(shelf, name)
                if (changed > self.said[value] and is_exact) or self.first[value] + LIMIT <= datetime.now(UTC):
                    since = f"{changed}, and it is of {self.first[value]}, said to be of {self.said[value]}"
                    raise BrokenError(f"{key} of {secret} is younger in {store} than its value: {since}")
                self.said[value] = max(changed, self.said[value])

    def note(self) -> None:
        """Take in the values that are new. One command may write one to several places: the last one counts."""
        found: dict[str, datetime] = {}
        for shelf in self.platform.stores.values():
            for each in (each.secret for versions in shelf.kept.values() for each in versions):
                made, values = each.attributes.created, list(each.properties.values())
                if not each.is_object and each.whole is not None:
                    values.append(each.whole)
                for text in (value.reveal() for value in values):
                    if made is not None and text not in self.first:
                        found[text] = max(made, found.get(text, made))
        self.first |= found
        self.said |= found


def _is_read_whole(shelf: Shelf, name: str) -> bool:
    """Whether the program reads every version, so that it knows each date."""
    versions = shelf.kept[name]
    return len(versions) <= MOST_READS and not any(each.is_gone for each in versions)


def _green_since(shelf: Shelf, name: str, prop: str | None) -> datetime | None:
    """The date of a value as the program has it, None where it is overdue or its age is not known."""
    keys = {prop: (LIMIT.days, partial(_value, prop))}
    age = age_keys(shelf, shelf.read(name), keys, datetime.now(UTC))[prop]
    return age.changed if age.state is AgeState.IN_TIME else None


def _value(prop: str | None, remote: RemoteSecret) -> SecretValue | None:
    return value_at(remote, prop)
