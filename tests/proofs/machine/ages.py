"""Holds how old the program takes a value to be against when somebody first put it somewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from compiler.live.ages import AgeState, age_keys
from compiler.live.read_many import value_at
from tests.proofs.machine.platform import BrokenError
from tests.proofs.machine.project import KEYS, LIMIT, STORES, UNLIMITED, place

if TYPE_CHECKING:
    from compiler.stores.interface import RemoteSecret
    from compiler.stores.secret_value.secret import SecretValue
    from tests.proofs.machine.commands import Asked
    from tests.proofs.machine.platform import Moved, Platform, Target

_LIMITED = [(secret, key) for secret, keys in KEYS.items() for key in keys if key not in UNLIMITED]


@dataclass
class Ages:
    """When each value was first put somewhere; `lost` are those whose copy was cut off before its date was written,
    and those that were given twice.
    """

    platform: Platform
    first: dict[str, datetime] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    def check(self, asked: Asked, moved: Moved) -> None:
        """No overdue value that a command copied or brought back passes for a young one. Raises BrokenError."""
        self.note()
        # Whoever gives a value a second time says that it is new.
        is_given = asked.words[0] in {"put", "rotate"} and asked.run is None
        for store in STORES:
            for secret, key in _LIMITED:
                name, prop = place(store, secret, key)
                if (store, name) in moved.changed and (younger := self._younger((store, name), prop)) is not None:
                    value, why = younger
                    if moved.fired or is_given:
                        self.lost.add(value)
                    elif value not in self.lost:
                        raise BrokenError(f"{key} of {secret} is younger in {store} than its value: {why}")

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

    def _younger(self, target: Target, prop: str | None) -> tuple[str, str] | None:
        """The value at a place and how old it is taken to be, where it is overdue and that is not seen."""
        shelf, now = self.platform.stores[target[0]], datetime.now(UTC)
        if shelf.value(target[1], prop) is None:
            return None
        remote = shelf.read(target[1])
        value = (shelf.content(target[1]) or {})[prop]
        age = age_keys(shelf, remote, {prop: (LIMIT.days, partial(_value, prop))}, now)[prop]
        since = self.first[value]
        is_green = age.state is not AgeState.NOT_KNOWN and age.state is not AgeState.OVERDUE
        return (value, f"{age.changed}, and it is of {since}") if is_green and since + LIMIT <= now else None


def _value(prop: str | None, remote: RemoteSecret) -> SecretValue | None:
    return value_at(remote, prop)
