"""A fresh plan and an unfinished run in; what is left of that run, checked against its versions, out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Adopted, Kind, Plan, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.operations.change.plan import Write
    from compiler.operations.runs.journal import Entry, Run


def narrowed(plan: Plan, run: Run, versions: Mapping[str, str]) -> Plan:
    """Keep what the run planned.

    A remote secret whose version is neither the one that the run saw nor the one that it made is a conflict, whatever
    `--on-conflict` says: another writer was there since. `versions` are those that the destination shows.
    """
    writes: list[Write] = []
    changed: dict[str, str] = {}
    for write in plan.writes:
        entry = run.entries.get(write.name)
        if entry is None:
            continue
        # The value that was deleted is there again where the run was stopped after it had recovered it.
        recovered = run.recovering.get(write.name)
        expected = entry.after or entry.before or entry.planned_before or recovered
        if not write.recover and write.before != expected:
            changed[write.name] = f"version {write.before or 'none'} stands there, the run knows {expected or 'none'}"
        else:
            writes.append(write)
    steps = tuple(
        _step(step, changed)
        for step in plan.steps
        if step.destination is not None and step.destination.name in run.entries
    )
    still_to_do = {step.destination.name for step in steps if step.kind is not Kind.KEEP and step.destination}
    adopted = tuple(
        Adopted(name, versions[name], _properties(steps, name, entry), entry.kind, entry.before or entry.planned_before)
        for name, entry in run.entries.items()
        if name in versions and name not in still_to_do and _was_stored(entry, versions[name])
    )
    left_out = tuple(write.name for write in plan.writes if write.name not in run.entries)
    return replace(plan, steps=steps, writes=tuple(writes), left_out=left_out, adopted=adopted)


def _step(step: Step, changed: Mapping[str, str]) -> Step:
    reason = changed.get(step.destination.name) if step.destination is not None else None
    if reason is None or step.kind not in {Kind.CREATE, Kind.UPDATE}:
        return step
    remedy = "this run ends here; run the command once more for a new plan"
    return replace(step, kind=Kind.CONFLICT, reason=f"another writer was there: {reason}", remedy=remedy)


def _properties(steps: tuple[Step, ...], name: str, entry: Entry) -> tuple[str, ...]:
    places = [step.destination for step in steps if step.key in entry.keys and step.destination is not None]
    return tuple(place.property for place in places if place.name == name and place.property is not None)


def _was_stored(entry: Entry, version: str) -> bool:
    return entry.after is None and entry.maybe_stored and version not in {entry.before, entry.planned_before}
