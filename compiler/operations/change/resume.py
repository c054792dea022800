"""A fresh plan and an unfinished run in; what is left of that run, checked against its versions, out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Kind, Plan, Step
from compiler.operations.runs.complete_audit import adoption, owed_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from compiler.operations.change.plan import Adopted, Write
    from compiler.operations.runs.entries import Entry, Run


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
    left_out = tuple(write.name for write in plan.writes if write.name not in run.entries)
    return replace(
        plan,
        steps=steps,
        writes=tuple(writes),
        left_out=left_out,
        adopted=tuple(_adoptions(run, versions, still_to_do)),
    )


def _step(step: Step, changed: Mapping[str, str]) -> Step:
    reason = changed.get(step.destination.name) if step.destination is not None else None
    if reason is None or step.kind not in {Kind.CREATE, Kind.UPDATE}:
        return step
    remedy = "this run ends here; run the command once more for a new plan"
    return replace(step, kind=Kind.CONFLICT, reason=f"another writer was there: {reason}", remedy=remedy)


def _adoptions(run: Run, versions: Mapping[str, str], still_to_do: set[str]) -> Iterator[Adopted]:
    """The run's stored writes that its journal or the audit file lacks."""
    yield from owed_by(run)
    for name, entry in run.entries.items():
        version = versions.get(name)
        if version is None or entry.after is not None:
            continue
        if name not in still_to_do and _was_stored(entry, version):
            yield adoption(name, entry, version)
        elif entry.owes and entry.recover and version == entry.deleted:
            # Recovered by the run, which did not come to the write; the journal gets its line with that.
            yield adoption(name, entry, version, is_noted=True)


def _was_stored(entry: Entry, version: str) -> bool:
    return entry.after is None and entry.maybe_stored and version not in {entry.before, entry.planned_before}
