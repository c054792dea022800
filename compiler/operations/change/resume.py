"""Narrows a fresh plan to what is left of an unfinished run, and checks the versions that the run recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import WRITING, Kind, Plan, Step, Write
from compiler.operations.runs.complete_audit import adoption, owed_by

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from compiler.operations.change.plan import Adopted, Target
    from compiler.operations.runs.entries import Run, RunEntry

# Commands whose values are given by a person or a file: the journal holds none of them.
_GIVEN = frozenset({"put", "restore"})


def narrowed(plan: Plan, run: Run, versions: Mapping[Target, str]) -> Plan:
    """The part of `plan` that the run planned.

    A remote secret whose version is neither the one that the run saw nor the one that it made is a conflict, whatever
    `--on-conflict` says: another writer was there since. So is a key whose value was given, where the run has written
    another value for it already. `versions` are those that the destinations show; of a deleted one, the deleted one's.
    """
    writes: list[Write] = []
    changed: dict[Target, str] = {}
    for write in plan.writes:
        entry = run.entries.get(write.target)
        if entry is None:
            continue
        # Where the run was stopped right after recovering the secret, the recovered version is the current one.
        expected = entry.after or entry.before or entry.planned_before or run.recovering.get(write.target)
        if write.versions and entry.after is not None:
            changed[write.target] = f"another writer recovered it: the run already deleted version {entry.after}"
        elif write.versions != entry.versions:
            changed[write.target] = "another writer changed it: other versions can be read than the run expected"
        elif not write.recover and write.before != expected:
            meant = f"version {expected}" if expected is not None else "no version"
            current = f"the current version is {write.before}" if write.before is not None else "it does not exist now"
            changed[write.target] = f"another writer changed it: {current}, the run expected {meant}"
        elif plan.command in _GIVEN and entry.after is not None and not write.recover:
            changed[write.target] = f"the run already wrote a different value for it, version {entry.after}"
        else:
            writes.append(write)
    steps = tuple(_step(step, changed) for step in plan.steps if _target(step) in run.entries)
    still_to_do = {_target(step) for step in steps if step.kind is not Kind.KEEP}
    adopted = tuple(_adoptions(run, versions, still_to_do))
    left_out = tuple(write.target for write in plan.writes if write.target not in run.entries)
    return replace(plan, steps=steps, writes=tuple(writes), left_out=left_out, adopted=adopted)


def _target(step: Step) -> Target | None:
    return (step.destination.store, step.destination.name) if step.destination is not None else None


def _step(step: Step, changed: Mapping[Target, str]) -> Step:
    target = _target(step)
    reason = changed.get(target) if target is not None else None
    if reason is None or step.kind not in WRITING:
        return step
    remedy = "run the command again for a new plan; this run ends here"
    return replace(step, kind=Kind.CONFLICT, reason=reason, remedy=remedy)


def _adoptions(run: Run, versions: Mapping[Target, str], still_to_do: Container[Target | None]) -> Iterator[Adopted]:
    """The run's stored writes that its journal or the audit file lacks."""
    yield from owed_by(run)
    for target, entry in run.entries.items():
        version = versions.get(target)
        if version is None or entry.after is not None:
            continue
        if target not in still_to_do and _was_stored(entry, version):
            yield adoption(target, entry, version)
        elif entry.owes and entry.recover and version == entry.deleted:
            # Recovered by the run, which was stopped before the write; the journal gets its line with the write.
            yield adoption(target, entry, version, is_recorded=True)


def _was_stored(entry: RunEntry, version: str) -> bool:
    if entry.kind is Kind.DELETE:
        return entry.maybe_stored and version == entry.planned_before
    return entry.after is None and entry.maybe_stored and version not in {entry.before, entry.planned_before}
