"""A run's journal and its destination in; what stood there before put back, where nobody wrote since, out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.operations.apply_migration import unnoted
from compiler.operations.audit import AuditError
from compiler.operations.migration import Outcome, Result, State
from compiler.operations.read_many import read_many
from compiler.stores.errors import (
    ConflictError,
    DisabledError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.secret import Comparer

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from compiler.operations.apply_migration import Notes
    from compiler.operations.journal import Entry, Run
    from compiler.operations.read_many import Reading
    from compiler.stores.interface import RemoteSecret, SecretWriter


class UndoKind(StrEnum):
    """What is to be done with one remote secret. Only restore and delete write."""

    RESTORE = "restore"  # the earlier version's value becomes a new version
    DELETE = "delete"  # it was created or recovered by the run: it is soft-deleted, never purged
    DONE = "done"  # undone before, or never written
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, eq=False)
class UndoStep:
    """One remote secret; `current` and `earlier` are what stands there and what is to stand there again."""

    name: str
    kind: UndoKind
    keys: tuple[str, ...]
    version: str | None = None
    reason: str = ""
    remedy: str = ""
    current: RemoteSecret | None = None
    earlier: RemoteSecret | None = None


def plan_undo(run: Run, destination: SecretWriter, workers: int = 16) -> tuple[UndoStep, ...]:
    """What undoing `run` means, found by reading. Raises the StoreError of a store that cannot be used at all."""
    written = {name: entry for name, entry in run.entries.items() if entry.after is not None}
    if not written:
        return ()
    readings = read_many([(destination, name) for name in written], workers)
    return tuple(_step(name, entry, readings[id(destination), name], destination) for name, entry in written.items())


def apply_undo(
    steps: tuple[UndoStep, ...],
    destination: SecretWriter,
    notes: Notes,
    stop: threading.Event | None = None,
    report: Callable[[Result], None] = lambda _result: None,
) -> Outcome:
    """Do the steps, one after the other. A secret that changed since it was looked at is a conflict and left alone.

    When `stop` is set, the step that is under way is finished and the rest left.
    """
    results: list[Result] = []
    for step in steps:
        if stop is not None and stop.is_set():
            results.append(Result(step.name, State.PENDING))
            continue
        results.append(_undone(step, destination, notes))
        report(results[-1])
    return Outcome(notes.journal.id, tuple(results), stop is not None and stop.is_set())


def _step(name: str, entry: Entry, reading: Reading, destination: SecretWriter) -> UndoStep:
    deletes = entry.recover or entry.kind == "create"
    if entry.undo == "done":
        return UndoStep(name, UndoKind.DONE, entry.keys, entry.after, "it was undone before")
    if deletes and isinstance(reading, SoftDeletedError | NotFoundError):
        return UndoStep(name, UndoKind.DONE, entry.keys, entry.after, "it is deleted already")
    if isinstance(reading, StoreError):
        return UndoStep(name, UndoKind.REFUSE, entry.keys, entry.after, reading.reason, reading.remedy)
    if deletes:
        return _deletion(name, entry, reading)
    return _restoration(name, entry, reading, destination)


def _deletion(name: str, entry: Entry, current: RemoteSecret) -> UndoStep:
    if current.version != entry.after:
        return _changed(name, entry, current)
    return UndoStep(name, UndoKind.DELETE, entry.keys, current.version, current=current)


def _restoration(name: str, entry: Entry, current: RemoteSecret, destination: SecretWriter) -> UndoStep:
    if current.version != entry.after and entry.undo != "started":
        return _changed(name, entry, current)
    before = entry.before or entry.planned_before or ""
    try:
        earlier = destination.read_version(name, before)
    except (VersionGoneError, DisabledError) as error:
        reason = f"the value before the run cannot be read: {error.reason}"
        return UndoStep(name, UndoKind.REFUSE, entry.keys, current.version, reason, "restore it from a backup")
    except StoreError as error:
        return UndoStep(name, UndoKind.REFUSE, entry.keys, current.version, error.reason, error.remedy)
    if current.version != entry.after:
        # An earlier undo began this one and was stopped before it could note the new version.
        if not _same(current, earlier):
            return _changed(name, entry, current)
        return UndoStep(name, UndoKind.DONE, entry.keys, current.version, "it was undone before")
    return UndoStep(name, UndoKind.RESTORE, entry.keys, current.version, current=current, earlier=earlier)


def _changed(name: str, entry: Entry, current: RemoteSecret) -> UndoStep:
    reason = f"version {current.version} stands there, and the run's is {entry.after}: somebody wrote since"
    return UndoStep(name, UndoKind.REFUSE, entry.keys, current.version, reason, "decide by hand which one is right")


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
    if step.kind is UndoKind.DONE or step.current is None:
        return Result(step.name, State.KEPT, step.version)
    version: str | None = None
    try:
        notes.journal.undo(step.name, "started")
        if step.earlier is not None:
            version = destination.restore(step.earlier, step.current).version
        else:
            destination.soft_delete(step.name, step.current.version)
        notes.journal.undo(step.name, "done", version)
        action = "restore" if step.earlier is not None else "delete"
        notes.wrote(destination, step.name, step.keys, version or step.version, action)
    except StoreError as error:
        state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
        return Result(step.name, state, None, (), error.code, error.reason, error.remedy)
    except (AuditError, OSError) as error:
        return unnoted(step.name, error)
    return Result(step.name, State.DONE, version or step.version)
