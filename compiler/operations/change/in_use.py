"""Keeps an undo from taking away what an environment of the project reads by now, from the store that it undoes in.

A run may have created a secret that nobody read then; once a switch has put it to use, its deletion would be an outage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.change.leave_out import without
from compiler.operations.live.readers import Readers, in_files, read_by, way_out

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from compiler.model.environment import Environment, Store
    from compiler.operations.change.plan import Plan, Write
    from compiler.operations.live.readers import Reader
    from compiler.operations.live.stores import LiveStores

_REMEDY = "let another store serve it first (`cutover`), or set the right value (`put`)"


def spared(
    plan: Plan,
    own: Mapping[str, Store],
    environments: Callable[[], Sequence[Environment]],
    stores: LiveStores,
    not_the_same: Collection[str] = (),
) -> Plan:
    """The plan of an undo without the writes that would take away a key in use; their steps say who reads it.

    `own` are the stores of the plan by their ids, `not_the_same` the stores that are known to be others. `environments`
    is called where a write takes something away at all. Raises what it raises, Refusal and AddressError.
    """
    taking = {write.target: write for write in plan.writes if _takes(write) is not None}
    if not taking:
        return plan
    every = tuple({each.name: each for each in environments()}.values())
    # Once a store: looking through all environments for each write would take minutes for thousands.
    reads = {name: Readers(stores.identities(own[name]), not_the_same) for name in {name for name, _ in taking}}
    for readers in reads.values():
        in_files(every, readers)
        readers.check_excluded()
    found = {target: _readers(write, reads[write.store]) for target, write in taking.items()}
    words = "it is in use again, read there by"
    return without(plan, {target: (read_by(each, words), _remedy(each)) for target, each in found.items() if each})


def _remedy(readers: Sequence[Reader]) -> str:
    other = way_out(readers)
    return f"{_REMEDY}; {other}" if other else _REMEDY


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


def _readers(write: Write, readers: Readers) -> tuple[Reader, ...]:
    takes = _takes(write)
    return tuple(each for each in readers.of(write.name) if takes is not None and takes(each.property))
