"""Keeps an undo from taking away what an environment of the project reads by now, from the store that it undoes in.

A run may have created a secret that nobody read then; once a switch has put it to use, its deletion would be an outage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.change.leave_out import without
from compiler.operations.live.identity import folded, identities, is_same
from compiler.text.wording import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from compiler.model.environment import Environment, Store
    from compiler.operations.change.plan import Plan, Write
    from compiler.operations.live.stores import LiveStores

_REMEDY = "let another store serve it first (`cutover`), or set the right value (`put`)"


def spared(
    plan: Plan,
    own: Mapping[str, Store],
    environments: Callable[[], Sequence[Environment]],
    stores: LiveStores,
) -> Plan:
    """The plan of an undo without the writes that would take away a key in use; their steps say who reads it.

    `own` are the stores of the plan by their ids. `environments` is called where a write takes something away at all.
    Raises what it raises, and AddressError.
    """
    taking = {write.target: write for write in plan.writes if _takes(write) is not None}
    if not taking:
        return plan
    every = tuple({each.name: each for each in environments()}.values())
    # Once a store: looking through all environments for each write would take minutes for thousands.
    reads = {name: _Reads.of(own[name], every, stores) for name in dict.fromkeys(name for name, _ in taking)}
    readers = {target: _readers(write, reads[write.store]) for target, write in taking.items()}
    in_use = {
        target: f"it is in use again, read there by {listed(found)}" for target, found in readers.items() if found
    }
    return without(plan, {target: (reason, _REMEDY) for target, reason in in_use.items()})


def _takes(write: Write) -> Callable[[str | None], bool] | None:
    """Whether a property would be gone after the write, None where none would."""
    if write.recover:
        return None
    earlier = write.earlier
    if earlier is None:
        return lambda _property: True
    base = write.base.properties if write.base is not None else {}
    gone = base.keys() - earlier.properties.keys()
    return gone.__contains__ if gone else None


def _readers(write: Write, reads: _Reads) -> tuple[str, ...]:
    takes = _takes(write)
    found = reads.by_name.get(folded(write.name, reads.provider), ())
    return tuple(dict.fromkeys(reader for prop, reader in found if takes is not None and takes(prop)))


@dataclass(frozen=True, slots=True)
class _Reads:
    """What is read in one store: by a remote secret's folded name each property with its reader."""

    provider: str
    by_name: Mapping[str, Sequence[tuple[str | None, str]]]

    @classmethod
    def of(cls, own: Store, every: Iterable[Environment], stores: LiveStores) -> _Reads:
        addresses, provider = identities(own, stores), own.provider
        found: dict[str, list[tuple[str | None, str]]] = {}
        for environment in every:
            for store in environment.stores_in_use():
                if store.provider != provider or not is_same(store, addresses, stores):
                    continue
                for secret in environment.secrets.values():
                    for key in secret.keys if secret.store is store else ():
                        if key.place is not None:
                            line = (key.place.property, f"{environment.name}/{secret.id}")
                            found.setdefault(folded(key.place.remote_key, provider), []).append(line)
        return cls(provider, found)
