"""Narrows a plan to what may be written: not what is denied, and only what the run that it resumes has planned."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import replace

from compiler.change.journal import Run, RunEntry
from compiler.change.plan import (
    WRITING,
    Kind,
    Location,
    Note,
    NoteKind,
    OnConflict,
    Options,
    Plan,
    Step,
    Target,
    Write,
    refuse_targets,
)
from compiler.stores.interface import Use
from compiler.text.wording import numbered


def refuse_denied(plan: Plan, destroyed: Collection[Target] = ()) -> Plan:
    """`plan` without the writes that their store would deny the caller; their steps are refused with the way out.

    `destroyed` are remote secrets that have versions, none of which can be read. Where a store does not say, the plan
    has a note of each write. Raises the StoreError of a store that no longer answers.
    """
    denied: dict[Target, tuple[str, str]] = {}
    notes: list[Note] = []
    for store_id in dict.fromkeys(write.store for write in plan.writes):
        writes = [write for write in plan.writes if write.store == store_id]
        uses = {write.name: _uses_of(write, is_destroyed=write.target in destroyed) for write in writes}
        problems = plan.stores[store_id].check_access(uses)
        if problems is None:
            places = [(write.steps[0].secret, Location(*write.target, None)) for write in writes if write.steps]
            notes += [Note(NoteKind.ACCESS_UNKNOWN, secret, place) for secret, place in places]
        denied |= {(store_id, problem.name): (problem.reason, problem.remedy) for problem in problems or ()}
    return replace(refuse_targets(plan, denied), notes=(*plan.notes, *notes))


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
        stored=_stored(run, versions, still_to_do),
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


def _stored(
    run: Run, versions: Mapping[Target, str], still_to_do: Container[Target | None]
) -> dict[Target, str | None]:
    """The versions that the run stored and its journal lacks."""
    return {
        target: version
        for target, entry in run.entries.items()
        if (version := versions.get(target)) is not None and entry.after is None
        if target not in still_to_do and _was_stored(entry, version)
    }


def _was_stored(entry: RunEntry, version: str) -> bool:
    if entry.kind is Kind.DELETE:
        return entry.maybe_stored and version == entry.planned_before
    if entry.recover and version == entry.deleted and not entry.recovered:
        return False
    return entry.after is None and entry.maybe_stored and version not in {entry.before, entry.planned_before}
