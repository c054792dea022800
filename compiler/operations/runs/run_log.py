"""Records a run in its journal, to resume it from, and in the audit file, which says who wrote what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Result, State
from compiler.operations.runs.audit import Audited, AuditEntry, AuditError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from compiler.operations.change.plan import Target, Write
    from compiler.operations.runs.audit import AuditLog
    from compiler.operations.runs.journal import Journal
    from compiler.stores.interface import RemoteSecret, SecretWriter, Written

AGAIN = "run the same command again to resume the run"


@dataclass(frozen=True, slots=True)
class RunLog:
    """`audit` is None where no audit file was asked for; `who`, the caller's name by store, is then empty.

    With `is_audited` an earlier part of the run had an audit file: lines that cannot be added to one now are owed.
    """

    journal: Journal
    environment: str
    audit: AuditLog | None = None
    who: Mapping[str, str] = field(default_factory=dict)
    is_audited: bool = False

    @property
    def owes(self) -> bool:
        """Whether the outcome of a write that starts now belongs in the audit file."""
        return self.is_audited or self.audit is not None

    @property
    def lacks(self) -> bool:
        """Whether it will be missing there, because this part of the run has no audit file."""
        return self.is_audited and self.audit is None

    def started(self, write: Write) -> None:
        # A resumed run may find deleted what it planned to create.
        deleted = write.deleted if write.recover else None
        self.journal.started(write.target, write.before, owes=self.owes, deleted=deleted)

    def written(self, write: Write, stored: Written, *, owes: bool = False) -> None:
        """The write is stored; with `owes`, the audit file still needs its line."""
        self.journal.written(write.target, write.before, stored.version, stored.slipped, owes=owes, made=stored.made)

    def recovered(self, write: Write, found: RemoteSecret) -> None:
        """The secret that was deleted is recovered and still to be written."""
        self.journal.recovered(write.target, found.version, found.attributes.created)

    def settled(self, result: Result, *, maybe_stored: bool = False) -> None:
        self.journal.settled(result, maybe_stored=maybe_stored)

    def end(self, state: str) -> None:
        self.journal.end(state)

    def writing(
        self, store: SecretWriter, target: Target, properties: Sequence[str], before: str | None, action: str
    ) -> Audited:
        """The lines of the audit file around one write: `action` is create, update, recover, restore or delete."""
        address, who = store.address.absolute, self.who.get(target[0], "")
        entry = AuditEntry(self.journal.id, who, action, self.environment, address, target[1], properties, before)
        return Audited(self.audit, entry)


class UndoLog(RunLog):
    """Records an undo, in the journal of the run that it undoes."""

    def started(self, write: Write) -> None:
        self.journal.undo(write.target, "started", before=write.before, owes=self.owes)

    def written(self, write: Write, stored: Written, *, owes: bool = False) -> None:
        self.journal.undo(write.target, "done", stored.version if write.earlier is not None else None, owes=owes)

    def settled(self, result: Result, *, maybe_stored: bool = False) -> None:
        """What is not as before, or could not be read back, is left for the next undo to compare."""
        del maybe_stored
        is_written = result.version is not None
        if result.state is State.UNVERIFIED or (result.state is State.FAILED and is_written):
            self.journal.undo((result.store, result.name), "started", owes=False)

    def end(self, state: str) -> None:
        """Does nothing: the run has ended, whatever the result of its undo."""


def unrecorded(target: Target, error: AuditError | OSError) -> Result:
    """The failure of a step that could not be recorded."""
    known = str(error) if isinstance(error, AuditError) else error.strerror
    reason = f"the journal cannot be written: {known or 'is the disk full?'}" if isinstance(error, OSError) else known
    return Result(*target, State.FAILED, code="unrecorded", reason=reason or "", remedy=AGAIN)
