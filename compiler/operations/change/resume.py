"""Narrows a fresh plan to what is left of an unfinished run, and checks the versions that the run recorded."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import WRITING, Kind, OnConflict, Plan, Step, Write
from compiler.operations.runs.complete_audit import adoption, owed_by
from compiler.text.wording import numbered

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from compiler.operations.change.plan import Adopted, Options, Target
    from compiler.operations.runs.entries import Run, RunEntry

# Commands whose values are given by a person or a file: the journal holds none of them.
_GIVEN = frozenset({"put", "restore"})


def narrowed(plan: Plan, run: Run, versions: Mapping[Target, str]) -> Plan:
    """The part of `plan` that the run planned.

    A remote secret whose version is neither the one that the run saw nor the one that it made is a conflict, whatever
    `--on-conflict` says: another writer was there since. So is a key whose value was given, where the run has written
    another value for it already. `versions` are those that the destinations show; of a deleted one, the deleted one's.
    """
    own = [write for write in plan.writes if write.target in run.entries]
    changes = ((write.target, _change_since(write, run, is_given=plan.command in _GIVEN)) for write in own)
    changed = {target: change for target, change in changes if change is not None}
    doubtful = _doubtful(run, versions)
    steps = tuple(
        _unsettled(step, doubtful[step.target], plan.options) if step.target in doubtful else _step(step, changed)
        for step in plan.steps
        if step.target in run.entries
    )
    still_to_do = {step.target for step in steps if step.kind is not Kind.KEEP}
    return replace(
        plan,
        steps=steps,
        writes=tuple(write for write in own if write.target not in changed and write.target not in doubtful),
        left_out=tuple(write.target for write in plan.writes if write.target not in run.entries),
        unsettled=tuple(target for target in doubtful if target in still_to_do),
        adopted=tuple(_adoptions(run, versions, still_to_do)),
    )


def _change_since(write: Write, run: Run, *, is_given: bool) -> str | None:
    """How a remote secret differs from what the run expects; with `is_given` the value is not from a store."""
    entry = run.entries[write.target]
    # Where the run was stopped right after recovering the secret, the recovered version is the current one.
    is_recovered = write.base is not None and entry.has_recovered(write.base)
    expected = entry.after or entry.before or entry.planned_before or (entry.deleted if is_recovered else None)
    if write.versions and entry.after is not None:
        return f"another writer recovered it: the run already deleted version {entry.after}"
    if others := entry.made_at_other_times(write.made):
        return f"{numbered(others)} is not what the run planned to delete: it was made at another time"
    if write.versions != entry.versions:
        return "another writer changed it: other versions can be read than the run expected"
    if not write.recover and write.before != expected:
        meant = f"version {expected}" if expected is not None else "no version"
        current = f"the current version is {write.before}" if write.before is not None else "it does not exist now"
        return f"another writer changed it: {current}, the run expected {meant}"
    if is_given and entry.after is not None and not write.recover:
        return f"the run already wrote a different value for it, version {entry.after}"
    return None


def _doubtful(run: Run, versions: Mapping[Target, str]) -> dict[Target, str]:
    """The version of each secret that the run was to recover, that is there again, and not by what the run knows."""
    return {
        target: entry.deleted
        for target, entry in run.entries.items()
        if entry.recover and not entry.recovered and entry.after is None and entry.deleted is not None
        if versions.get(target) == entry.deleted
    }


def _unsettled(step: Step, version: str, options: Options) -> Step:
    if step.kind is Kind.KEEP:
        return step
    reason = f"version {version} was deleted and is there again: it is not known whether the run recovered it"
    overwrite = () if options.on_conflict is OnConflict.OVERWRITE else ("--on-conflict", "overwrite")
    again = replace(options, applies=True).again(*overwrite)
    remedy = f"compare it; to write over it: {again}" if options.words else "compare it by hand"
    return replace(step, kind=Kind.CONFLICT, reason=reason, remedy=remedy, more=())


def _step(step: Step, changed: Mapping[Target, str]) -> Step:
    reason = changed.get(step.target) if step.target is not None else None
    if reason is None or step.kind not in WRITING:
        return step
    remedy = "run the command again for a new plan; this run ends here"
    return replace(step, kind=Kind.CONFLICT, reason=reason, remedy=remedy, more=())


def _adoptions(run: Run, versions: Mapping[Target, str], still_to_do: Container[Target | None]) -> Iterator[Adopted]:
    """The run's stored writes that its journal or the audit file lacks."""
    yield from owed_by(run)
    for target, entry in run.entries.items():
        version = versions.get(target)
        if version is None or entry.after is not None:
            continue
        if target not in still_to_do and _was_stored(entry, version):
            yield adoption(target, entry, version)
        elif entry.owes and entry.recovered and version == entry.deleted:
            # Recovered by the run, which was stopped before the write; the journal gets its line with the write.
            yield adoption(target, entry, version, is_recorded=True)


def _was_stored(entry: RunEntry, version: str) -> bool:
    if entry.kind is Kind.DELETE:
        return entry.maybe_stored and version == entry.planned_before
    if entry.recover and version == entry.deleted and not entry.recovered:
        return False
    return entry.after is None and entry.maybe_stored and version not in {entry.before, entry.planned_before}
