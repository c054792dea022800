"""Adds the lines that a journal and an audit file lack of a run's stored writes, after a full disk or a kill.

A write is announced in both before it is sent. A line that could not be written after it is owed until a later part of
the run, or its undo, has a file for it. A journal is a plain file: that a version was written is said in the audit file
only where the store knows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Adopted, Kind
from compiler.operations.runs.audit import AuditError
from compiler.operations.runs.run_log import unrecorded
from compiler.stores.errors import DisabledError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from compiler.operations.change.plan import Target
    from compiler.operations.runs.entries import Run, RunEntry
    from compiler.operations.runs.run_log import RunLog
    from compiler.stores.interface import SecretWriter

RESTORE = "restore"


@dataclass(frozen=True, slots=True)
class Completed:
    """What is still owed: stored writes without a line in the audit file, and why the journal could not be written."""

    unaudited: tuple[Adopted, ...] = ()
    unrecorded: str = ""


def owed_by(run: Run) -> Iterator[Adopted]:
    """The writes of a run whose versions its journal knows and the audit file lacks."""
    for target, entry in run.entries.items():
        if entry.owes and entry.after is not None:
            yield adoption(target, entry, entry.after, is_recorded=True)


def adoption(target: Target, entry: RunEntry, version: str, *, is_recorded: bool = False) -> Adopted:
    """The write in which the run of `entry` made or recovered `version`."""
    action = entry.kind
    if entry.recover:
        action = Kind.RECOVER if version == entry.deleted else Kind.UPDATE
    before = entry.before or entry.planned_before
    return Adopted(*target, version, entry.properties, str(action), before, is_recorded)


def owed_by_undo(target: Target, entry: RunEntry, version: str | None) -> Adopted | None:
    """What an earlier undo of `entry` owes: it wrote `version`, or None where it deleted or recovered the secret."""
    made = version or entry.undo_before
    if not entry.undo_owes or made is None:
        return None
    action = RESTORE if version is not None else str(Kind.RECOVER if entry.kind is Kind.DELETE else Kind.DELETE)
    recorded = entry.undo == "done"
    return Adopted(*target, made, entry.properties, action, entry.undo_before, is_recorded=recorded, is_undo=True)


def complete(adopted: Iterable[Adopted], stores: Mapping[str, SecretWriter], run_log: RunLog) -> Completed:
    """Record each of `adopted` in the audit file, which may have the line before it already, and in the journal.

    `stores` are open, by their ids. A version of the journal that its store does not know, or no longer, is noted as of
    an outcome that cannot be told; while the store does not answer, its line stays owed.
    """
    unaudited: list[Adopted] = []
    reason = ""
    for each in adopted:
        owes = run_log.audit is None and (each.is_recorded or run_log.is_audited)
        line = run_log.writing(stores[each.store], each.target, each.properties, each.before, each.action)
        try:
            if run_log.audit is None or _is_known(each, stores[each.store]):
                line.written(each.version)
            else:
                line.untold()
        except (AuditError, StoreError):
            owes = True
        if owes:
            unaudited.append(each)
        try:
            _tell_journal(each, run_log, owes=owes)
        except OSError as error:
            reason = reason or unrecorded(each.target, error).reason
    return Completed(tuple(unaudited), reason)


def _is_known(each: Adopted, store: SecretWriter) -> bool:
    """Whether the store has, or has deleted, the version. Raises StoreError where it does not tell."""
    if not each.is_recorded and not each.is_undo:
        # The store has just shown it.
        return True
    try:
        store.read_version(each.name, each.version)
    except DisabledError:
        return True
    except (VersionGoneError, SoftDeletedError, NotFoundError):
        return each.version in store.version_states(each.name)
    return True


def _tell_journal(each: Adopted, run_log: RunLog, *, owes: bool) -> None:
    if each.is_recorded and owes:
        return
    if each.is_undo:
        version = each.version if each.action == RESTORE else None
        run_log.journal.undo(each.target, "done", version, before=each.before, owes=owes)
    elif each.is_recorded:
        run_log.journal.audited(each.target)
    else:
        run_log.journal.adopted(each.target, each.version, owes=owes)
