"""Where a run is written down: a journal to go on from, and an audit file for those who ask who wrote what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Result, State
from compiler.operations.runs.audit import Audited, AuditEntry, AuditError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.operations.runs.audit import AuditLog
    from compiler.operations.runs.journal import Journal
    from compiler.stores.interface import SecretWriter

AGAIN = "run the same command again: it compares first"


@dataclass(frozen=True, slots=True)
class Notes:
    """`audit` is None where nobody asked for it, and then nobody asks `who` it is.

    With `is_audited` an earlier part of the run had an audit file: what cannot be noted in one now is still owed.
    """

    journal: Journal
    environment: str
    audit: AuditLog | None = None
    who: str = ""
    is_audited: bool = False

    @property
    def owes(self) -> bool:
        """Whether a write that is begun now is to have its end in the audit file."""
        return self.is_audited or self.audit is not None

    @property
    def lacks(self) -> bool:
        """Whether it will not have it there, because this part of the run has no audit file."""
        return self.is_audited and self.audit is None

    def writing(
        self, store: SecretWriter, name: str, properties: Sequence[str], before: str | None, action: str
    ) -> Audited:
        """The lines of the audit file around one write: `action` is create, update, recover, restore or delete."""
        address = store.address.absolute
        entry = AuditEntry(self.journal.id, self.who, action, self.environment, address, name, properties, before)
        return Audited(self.audit, entry)


def unnoted(name: str, error: AuditError | OSError) -> Result:
    """The failure of a step that could not be written down."""
    known = str(error) if isinstance(error, AuditError) else error.strerror
    reason = f"the journal cannot be written: {known or 'is the disk full?'}" if isinstance(error, OSError) else known
    return Result(name, State.FAILED, code="unnoted", reason=reason or "", remedy=AGAIN)
