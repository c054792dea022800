"""A run's journal and its destination in; what stood there before put back, where nobody wrote since, out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from compiler.operations.change.apply import defective
from compiler.operations.change.plan import Outcome, Result, State
from compiler.operations.change.read_back import other_bytes, stored
from compiler.operations.live.interrupted import follows_interrupt
from compiler.operations.live.read_many import read_many
from compiler.operations.runs.audit import AuditError
from compiler.operations.runs.complete_audit import DELETE, RESTORE, complete, owed_by_undo
from compiler.operations.runs.history import RunHistory
from compiler.operations.runs.notes import unnoted
from compiler.stores.errors import (
    ConflictError,
    DisabledError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable

    from compiler.operations.change.plan import Adopted
    from compiler.operations.live.read_many import Reading
    from compiler.operations.runs.entries import Entry, Run
    from compiler.operations.runs.notes import Notes
    from compiler.stores.interface import RemoteSecret, SecretWriter


_SETTLE = "run the same migration again, which finds out, and then undo it"


class UndoKind(StrEnum):
    """What is to be done with one remote secret. Only restore and delete write."""

    RESTORE = "restore"  # the earlier version's value becomes a new version
    DELETE = "delete"  # it was created or recovered by the run: it is soft-deleted, never purged
    DONE = "done"  # undone before, or never written
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, eq=False)
class UndoStep:
    """One remote secret; `current` and `earlier` are what stands there and what is to stand there again.

    `owed` is the write of an earlier undo that the audit file lacks.
    """

    name: str
    kind: UndoKind
    keys: tuple[str, ...]
    version: str | None = None
    reason: str = ""
    remedy: str = ""
    current: RemoteSecret | None = None
    earlier: RemoteSecret | None = None
    owed: Adopted | None = None


def plan_undo(
    run: Run, destination: SecretWriter, history: RunHistory | None = None, workers: int = 16
) -> tuple[UndoStep, ...]:
    """What undoing `run` means, found by reading. Raises the StoreError of a store that cannot be used at all.

    `history` tells the versions of other runs and of their undos from a stranger's: several runs that wrote one secret
    are undone newest first.
    While it is open whether a write of the run was stored, nothing is undone: going on with the run settles that, and
    a run of which a part was undone cannot go on.
    """
    touched = {name: entry for name, entry in run.entries.items() if entry.after is not None or entry.maybe_stored}
    if not touched:
        return ()
    readings = read_many([(destination, name) for name in touched], workers)
    known = history or RunHistory()
    steps: list[UndoStep] = []
    is_open = False
    for name, entry in touched.items():
        reading = readings[destination, name]
        if entry.after is not None:
            steps.append(_step(name, entry, reading, destination, known))
        elif (step := _doubtful(name, entry, reading, known, is_resumable=run.is_resumable)) is not None:
            steps.append(step)
            is_open = True
    return tuple(map(_waiting, steps)) if is_open and run.is_resumable else tuple(steps)


def apply_undo(
    steps: tuple[UndoStep, ...],
    destination: SecretWriter,
    notes: Notes,
    stop: threading.Event | None = None,
    report: Callable[[Result], None] = lambda _result: None,
    *,
    owed: Iterable[Adopted] = (),
) -> Outcome:
    """Do the steps, one after the other. A secret that changed since it was looked at is a conflict and left alone.

    First the audit file gets what is `owed` to it by the run, which cannot go on and tell it once a part is undone, and
    by an earlier undo.
    When `stop` is set, the step that is under way is finished and the rest left; a defect of this program ends it too,
    and is in the outcome.
    """
    results = {step.name: Result(step.name, State.PENDING) for step in steps}
    completed = complete([*owed, *(step.owed for step in steps if step.owed)], destination, notes)
    defect: Exception | None = None
    for step in steps:
        if stop is not None and stop.is_set():
            break
        try:
            results[step.name] = _undone(step, destination, notes)
            report(results[step.name])
        except Exception as error:
            if follows_interrupt(error):
                raise
            # A defect: what is done is to be told, and that the rest can be.
            if results[step.name].state is State.PENDING:
                results[step.name] = defective(step.name)
            defect = error
            break
    is_stopped = stop is not None and stop.is_set()
    became = tuple(results.values())
    return Outcome(notes.journal.id, became, is_stopped, defect, completed.unnoted, completed.unaudited)


def _step(name: str, entry: Entry, reading: Reading, destination: SecretWriter, history: RunHistory) -> UndoStep:
    deletes = entry.recover or entry.kind == "create"
    if entry.undo == "done":
        owed = owed_by_undo(name, entry, None if deletes else entry.undone_as)
        return UndoStep(name, UndoKind.DONE, entry.keys, entry.after, "it was undone before", owed=owed)
    if deletes and isinstance(reading, SoftDeletedError | NotFoundError):
        owed = owed_by_undo(name, entry, None)
        return UndoStep(name, UndoKind.DONE, entry.keys, entry.after, "it is deleted already", owed=owed)
    if isinstance(reading, StoreError):
        return UndoStep(name, UndoKind.REFUSE, entry.keys, entry.after, reading.reason, reading.remedy)
    original = history.original(name, reading.version)
    if original != entry.after:
        return _foreign(name, entry, reading, destination, history.runs.get((name, original)))
    if (unlike := _unlike(name, entry, reading, destination)) is not None:
        return unlike
    if entry.slipped:
        # What stood there last before the run's version is theirs, not what the run had read.
        reason = f"another writer's version {', '.join(entry.slipped)} is covered by the run's, {entry.after}"
        return UndoStep(name, UndoKind.REFUSE, entry.keys, reading.version, reason, "put that version back by hand")
    if deletes:
        return UndoStep(name, UndoKind.DELETE, entry.keys, reading.version, current=reading)
    return _restoration(name, entry, reading, destination)


def _foreign(name: str, entry: Entry, current: RemoteSecret, destination: SecretWriter, run: str | None) -> UndoStep:
    """What stands there is not the run's: the run's own undo began it, or `run` wrote it, or nobody knows who."""
    if entry.undo == "started" and entry.kind != "create" and not entry.recover:
        # That undo was stopped before it could note the new version.
        step = _restoration(name, entry, current, destination)
        if step.earlier is None:
            return step
        if _same(current, step.earlier):
            owed = owed_by_undo(name, entry, current.version)
            return replace(step, kind=UndoKind.DONE, reason="it was undone before", earlier=None, owed=owed)
    return _changed(name, entry, current, run)


def _doubtful(name: str, entry: Entry, reading: Reading, history: RunHistory, *, is_resumable: bool) -> UndoStep | None:
    """A write that was begun and never noted; nothing where the store shows that it was not stored."""
    if isinstance(reading, SoftDeletedError | NotFoundError):
        return None
    if isinstance(reading, StoreError):
        return UndoStep(name, UndoKind.REFUSE, entry.keys, None, reading.reason, reading.remedy)
    if history.original(name, reading.version) in {entry.before, entry.planned_before}:
        return None
    reason = f"the run was stopped while it wrote this: version {reading.version} may be its own or another writer's"
    remedy = _SETTLE if is_resumable else "decide by hand whose it is"
    return UndoStep(name, UndoKind.REFUSE, entry.keys, reading.version, reason, remedy)


def _waiting(step: UndoStep) -> UndoStep:
    if step.kind not in {UndoKind.RESTORE, UndoKind.DELETE}:
        return step
    reason = "another write of the run is not settled yet"
    return replace(step, kind=UndoKind.REFUSE, reason=reason, remedy=_SETTLE, current=None, earlier=None)


def _restoration(name: str, entry: Entry, current: RemoteSecret, destination: SecretWriter) -> UndoStep:
    before = entry.before or entry.planned_before or ""
    try:
        earlier = destination.read_version(name, before)
    except (VersionGoneError, DisabledError) as error:
        reason = f"the value before the run cannot be read: {error.reason}"
        return UndoStep(name, UndoKind.REFUSE, entry.keys, current.version, reason, "restore it from a backup")
    except StoreError as error:
        return UndoStep(name, UndoKind.REFUSE, entry.keys, current.version, error.reason, error.remedy)
    return UndoStep(name, UndoKind.RESTORE, entry.keys, current.version, current=current, earlier=earlier)


def _unlike(name: str, entry: Entry, current: RemoteSecret, destination: SecretWriter) -> UndoStep | None:
    """Why a version that an undo is noted to have written is not taken for the run's own."""
    if current.version == entry.after or entry.after is None:
        return None
    try:
        own = destination.read_version(name, entry.after)
    except StoreError as error:
        reason = f"version {current.version} cannot be compared with the run's, {entry.after}: {error.reason}"
        return UndoStep(name, UndoKind.REFUSE, entry.keys, current.version, reason, "decide by hand which one is right")
    # A Vault counts from 1 again where somebody ended a secret for good: what proves a version is its value.
    return None if _same(current, own) else _changed(name, entry, current, None)


def _changed(name: str, entry: Entry, current: RemoteSecret, run: str | None) -> UndoStep:
    reason = f"version {current.version} stands there, and the run's is {entry.after}: somebody wrote since"
    remedy = "decide by hand which one is right"
    if run is not None:
        reason = f"version {current.version} stands there, and the run's is {entry.after}: the run {run} wrote since"
        remedy = f"undo that run first, with --undo {run}"
    return UndoStep(name, UndoKind.REFUSE, entry.keys, current.version, reason, remedy)


def _same(one: RemoteSecret, other: RemoteSecret) -> bool:
    comparer = Comparer()
    if one.whole is not None and other.whole is not None:
        return comparer.same(one.whole, other.whole)
    return one.properties.keys() == other.properties.keys() and all(
        comparer.same(value, other.properties[key]) for key, value in one.properties.items()
    )


def _undone(step: UndoStep, destination: SecretWriter, notes: Notes) -> Result:
    if step.kind is UndoKind.REFUSE:
        return Result(step.name, State.CONFLICT, step.version, (), "refused", step.reason, step.remedy)
    try:
        if step.kind is UndoKind.DONE or step.current is None:
            if step.current is not None and step.owed is None:
                # Stopped before it could say so, and said now: the undo of an older run goes by it.
                notes.journal.undo(step.name, "done", step.version)
            return Result(step.name, State.KEPT, step.version)
        return _written(step, step.current, destination, notes)
    except StoreError as error:
        state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
        return Result(step.name, state, None, (), error.code, error.reason, error.remedy)
    except (AuditError, OSError) as error:
        return unnoted(step.name, error)


def _written(step: UndoStep, current: RemoteSecret, destination: SecretWriter, notes: Notes) -> Result:
    version, doubt = current.version, None
    action = RESTORE if step.earlier is not None else DELETE
    notes.journal.undo(step.name, "started", before=current.version, owes=notes.owes)
    with notes.writing(destination, step.name, step.keys, current.version, action) as line:
        if step.earlier is not None:
            written, doubt = stored(partial(destination.restore, step.earlier, current))
            version = written.version
        else:
            destination.soft_delete(step.name, current.version)
        owes = notes.owes
        try:
            line.written(version)
            owes = False
        finally:
            notes.journal.undo(step.name, "done", version if step.earlier is not None else None, owes=owes)
    if doubt is None and step.earlier is not None:
        is_back = _same(destination.read_version(step.name, version), step.earlier)
        doubt = None if is_back else other_bytes(destination, step.name, version)
    if doubt is None:
        return Result(step.name, State.DONE, version)
    # Not done: the next undo compares, and refuses what is still not as it was.
    notes.journal.undo(step.name, "started", before=current.version, owes=owes)
    return Result(step.name, State.UNVERIFIED, version, (), doubt.code, doubt.reason, doubt.remedy)
