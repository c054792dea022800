"""Asks stores, before a plan is shown, whether the caller may make its writes, and refuses those that are denied."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.leave_out import without
from compiler.operations.change.plan import Kind, Location, Note, NoteKind
from compiler.stores.interface import Use

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from compiler.operations.change.plan import Plan, Target, Write
    from compiler.stores.interface import SecretWriter


def refuse_denied(plan: Plan, stores: Mapping[str, SecretWriter], destroyed: Collection[Target] = ()) -> Plan:
    """`plan` without the writes that their store would deny the caller; their steps are refused with the way out.

    `destroyed` are remote secrets that have versions, none of which can be read. Where a store does not say, the plan
    has a note of each write. Raises the StoreError of a store that no longer answers.
    """
    denied: dict[Target, tuple[str, str]] = {}
    notes: list[Note] = []
    for store_id in dict.fromkeys(write.store for write in plan.writes):
        writes = [write for write in plan.writes if write.store == store_id]
        uses = {write.name: _uses_of(write, is_destroyed=write.target in destroyed) for write in writes}
        problems = stores[store_id].check_access(uses)
        if problems is None:
            places = [(write.steps[0].secret, Location(*write.target, None)) for write in writes if write.steps]
            notes += [Note(NoteKind.ACCESS_UNKNOWN, secret, place) for secret, place in places]
        denied |= {(store_id, problem.name): (problem.reason, problem.remedy) for problem in problems or ()}
    return replace(without(plan, denied), notes=(*plan.notes, *notes))


def uses_before_reading(*, recovers: bool) -> frozenset[Use]:
    """What a command may do with a remote secret that it sets, before it knows what is there."""
    return frozenset({Use.CREATE, Use.UPDATE, *((Use.RECOVER,) if recovers else ())})


def _uses_of(write: Write, *, is_destroyed: bool) -> frozenset[Use]:
    if write.versions:
        return frozenset({Use.RECOVER_VERSIONS if write.recover else Use.DELETE_VERSIONS})
    if write.kind is Kind.DELETE:
        return frozenset({Use.DELETE})
    if write.recover:
        return frozenset({Use.RECOVER, Use.UPDATE})
    uses = {Use.UPDATE if write.base is not None or is_destroyed else Use.CREATE}
    if _changes_tags(write):
        uses.add(Use.TAG)
    return frozenset(uses)


def _changes_tags(write: Write) -> bool:
    has = write.base.attributes.tags if write.base is not None else {}
    if write.earlier is not None:
        return write.earlier.attributes.tags != has
    return write.attributes is not None and write.attributes.tags != has
