"""One write of a migration in; it made in the destination, noted, read back and compared, and what became of it out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Result, State
from compiler.operations.change.read_back import holds, is_as_meant, other_bytes, stored
from compiler.stores.errors import Action, ConflictError, Place
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    from compiler.operations.change.plan import Write
    from compiler.operations.runs.notes import Notes
    from compiler.stores.errors import StoreError, UnverifiedError
    from compiler.stores.interface import SecretWriter, Written


class Mover:
    """Writes into one destination, from any thread, one remote secret at a time in each."""

    def __init__(self, destination: SecretWriter, notes: Notes) -> None:
        self._destination = destination
        self._notes = notes
        self._comparer = Comparer()

    def move(self, write: Write) -> Result:
        """Make the write and read it back. Raises StoreError, AuditError and OSError."""
        keys = tuple(write.changes)
        action = "create" if write.base is None else "update"
        if write.recover:
            write = self._recovered(write, keys)
            action = "update"
            if not write.changes and write.whole is None:
                lacks = self._notes.lacks
                self._notes.journal.written(write.name, write.before, write.before or "", (), owes=lacks)
                return Result(write.name, State.KEPT, write.before)
        with self._notes.writing(self._destination, write.name, keys, write.before, action) as line:
            written, doubt = stored(lambda: self._write(write))
            owes = self._notes.owes
            try:
                # Before the journal: what is in neither is found and noted in both when the run goes on.
                line.written(written.version)
                owes = self._notes.lacks
            finally:
                self._notes.journal.written(write.name, write.before, written.version, written.slipped, owes=owes)
        return self._verified(write, written) if doubt is None else _doubtful(write, doubt)

    def _write(self, write: Write) -> Written:
        if write.whole is not None:
            return self._destination.write_whole(write.name, write.whole, write.base, write.attributes)
        return self._destination.write(write.name, write.changes, write.base, write.attributes)

    def _recovered(self, write: Write, keys: tuple[str, ...]) -> Write:
        """The write that is left once the deleted secret is back and can be read."""
        with self._notes.writing(self._destination, write.name, keys, None, "recover") as line:
            self._destination.recover(write.name)
            base = self._destination.read(write.name)
            line.written(base.version)
        if write.deleted is not None and base.version != write.deleted:
            raise self._recovered_by_another(write, base.version)
        if write.whole is not None:
            same = base.whole is not None and self._comparer.same(base.whole, write.whole)
            return replace(write, base=base, whole=None if same else write.whole)
        changes = {key: value for key, value in write.changes.items() if not holds(base, key, value, self._comparer)}
        return replace(write, base=base, changes=changes)

    def _recovered_by_another(self, write: Write, found: str) -> ConflictError:
        place = Place(self._destination.address.absolute, write.name)
        reason = f"another writer was there: version {write.deleted} was soft-deleted, version {found} is the newest"
        return ConflictError(place, Action.WRITE, reason, "plan again", expected=write.deleted, found=found)

    def _verified(self, write: Write, written: Written) -> Result:
        found = self._destination.read(write.name)
        if written.slipped:
            reason = f"another writer's version {', '.join(written.slipped)} came in between and is covered by this one"
            remedy = "compare the two versions by hand"
            return Result(write.name, State.CONFLICT, written.version, written.slipped, "conflict", reason, remedy)
        if found.version != written.version:
            reason = f"another writer's version {found.version} came right after this one, {written.version}"
            return Result(
                write.name, State.CONFLICT, written.version, (found.version,), "conflict", reason, "plan again"
            )
        if not is_as_meant(found, write.base, write.changes, write.whole, self._comparer):
            return _doubtful(write, other_bytes(self._destination, write.name, written.version))
        return Result(write.name, State.DONE, written.version)


def _doubtful(write: Write, doubt: UnverifiedError) -> Result:
    return Result(write.name, State.UNVERIFIED, doubt.version, (), doubt.code, doubt.reason, doubt.remedy)


def refusal(write: Write, error: StoreError) -> Result:
    """What became of a write that the store refused or did not answer."""
    state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
    found = (error.found,) if isinstance(error, ConflictError) and error.found is not None else ()
    return Result(write.name, state, None, found, error.code, error.reason, error.remedy)
