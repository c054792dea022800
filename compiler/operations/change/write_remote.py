"""Makes one write of a plan in its store, records it, reads it back and compares every property."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.delete_remote import delete_versions, recover_versions
from compiler.operations.change.plan import Kind, Result, State
from compiler.operations.change.read_back import holds, is_as_meant, other_bytes, read_back, stored
from compiler.stores.errors import Action, ConflictError, StoreError, StoreLocation, UnfinishedWriteError
from compiler.stores.interface import StoreState, Written
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.operations.change.plan import Write
    from compiler.operations.runs.run_log import RunLog
    from compiler.stores.errors import UnverifiedError
    from compiler.stores.interface import RemoteSecret, SecretWriter

_NEW_PLAN = "run the command again for a new plan"


class RemoteWriter:
    """Writes to stores, by their ids; each thread writes one remote secret at a time."""

    def __init__(self, stores: Mapping[str, SecretWriter], run_log: RunLog) -> None:
        self._stores = stores
        self._log = run_log
        self._comparer = Comparer()

    def write(self, write: Write) -> Result:
        """Make the write and read it back.

        Raises AuditError, OSError, and StoreError where nothing is known to be stored.
        """
        store = self._stores[write.store]
        if write.versions:
            act = recover_versions if write.recover else delete_versions
            return act(write, store, self._log)
        if write.kind is Kind.DELETE:
            return self._deleted(write, store)
        action = (
            "restore" if write.earlier is not None else str(Kind.CREATE if write.kind is Kind.CREATE else Kind.UPDATE)
        )
        if write.recover:
            write, action = self._recovered(write, store), str(Kind.UPDATE)
            if not write.changes and write.whole is None:
                self._log.written(write, Written(write.before or ""), owes=self._log.lacks)
                return Result(*write.target, State.KEPT, write.before)
        with self._log.writing(store, write.target, write.properties, write.before, action) as line:
            written, doubt = stored(lambda: self._written(write, store))
            owes = self._log.owes
            try:
                # Before the journal: a resumed run finds a version that is in neither, and records it in both.
                line.written(written.version)
                owes = self._log.lacks
            finally:
                self._log.written(write, written, owes=owes)
        if doubt is not None:
            return _doubtful(write, doubt)
        return read_back(write, written.version, lambda: self._verified(write, written, store))

    def _written(self, write: Write, store: SecretWriter) -> Written:
        if write.earlier is not None and write.base is not None:
            return store.restore(write.earlier, write.base)
        if write.whole is not None:
            return store.write_whole(write.name, write.whole, write.base, write.attributes)
        return store.write(write.name, write.changes, write.base, write.attributes)

    def _deleted(self, write: Write, store: SecretWriter) -> Result:
        version = write.before or ""
        with self._log.writing(store, write.target, write.properties, version, str(Kind.DELETE)) as line:
            store.soft_delete(write.name, version)
            owes = self._log.owes
            try:
                line.written(version)
                owes = self._log.lacks
            finally:
                self._log.written(write, Written(version), owes=owes)
        return read_back(write, version, lambda: _is_gone(write, version, store))

    def _recovered(self, write: Write, store: SecretWriter) -> Write:
        """Recovers the deleted secret, and returns what is left to write."""
        with self._log.writing(store, write.target, write.properties, None, str(Kind.RECOVER)) as line:
            store.recover(write.name)
            try:
                base = store.read(write.name)
            except StoreError as error:
                raise _unread(write, store, error) from None
            if base.version == write.deleted:
                self._log.recovered(write, base)
            line.written(base.version)
        if write.deleted is not None and base.version != write.deleted:
            raise _recovered_by_another(write, store, base.version)
        if write.whole is not None:
            same = base.whole is not None and self._comparer.same(base.whole, write.whole)
            return replace(write, base=base, whole=None if same else write.whole)
        changes = {key: value for key, value in write.changes.items() if not holds(base, key, value, self._comparer)}
        return replace(write, base=base, changes=changes)

    def _verified(self, write: Write, written: Written, store: SecretWriter) -> Result:
        found, target = store.read(write.name), write.target
        if written.slipped:
            reason = (
                f"another writer's version {', '.join(written.slipped)} came in between and was replaced by this one"
            )
            remedy = "compare the two versions by hand"
            return Result(*target, State.CONFLICT, written.version, written.slipped, "conflict", reason, remedy)
        if found.version != written.version:
            return _overtaken(write, written.version, found.version)
        if not self._is_as_meant(write, found):
            return _doubtful(write, other_bytes(store, write.name, written.version))
        return Result(*target, State.DONE, written.version)

    def _is_as_meant(self, write: Write, found: RemoteSecret) -> bool:
        if write.earlier is not None:
            earlier = write.earlier
            return is_as_meant(found, None, earlier.properties, earlier.whole, self._comparer)
        return is_as_meant(found, write.base, write.changes, write.whole, self._comparer)


def _is_gone(write: Write, version: str, store: SecretWriter) -> Result:
    found = store.describe(write.name)
    if found.state is not StoreState.PRESENT:
        return Result(*write.target, State.DONE, version)
    if found.version not in {None, version}:
        # A Vault deletes one version, and not the one that another writer adds meanwhile.
        return _overtaken(write, version, str(found.version))
    reason = "the store reported it as deleted, but it still exists"
    remedy = "check it by hand, and do not trust this address"
    return Result(*write.target, State.UNVERIFIED, version, (), "unverified", reason, remedy)


def _overtaken(write: Write, version: str, found: str) -> Result:
    reason = f"another writer wrote version {found} right after version {version}"
    return Result(*write.target, State.CONFLICT, version, (found,), "conflict", reason, _NEW_PLAN)


def _doubtful(write: Write, doubt: UnverifiedError) -> Result:
    return Result(*write.target, State.UNVERIFIED, doubt.version, (), doubt.code, doubt.reason, doubt.remedy)


def refusal(write: Write, error: StoreError) -> Result:
    """The result of a write that the store refused or did not answer."""
    state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
    found = (error.found,) if isinstance(error, ConflictError) and error.found is not None else ()
    return Result(*write.target, state, None, found, error.code, error.reason, error.remedy)


def _unread(write: Write, store: SecretWriter, error: StoreError) -> UnfinishedWriteError:
    """Not the error itself: it would deny that the secret is there again, and the run's undo would leave it there."""
    place, reason = StoreLocation(store.address.absolute, write.name), f"it is recovered, but {error.reason}"
    return UnfinishedWriteError(place, Action.READ, reason, error.remedy, write.deleted or "")


def _recovered_by_another(write: Write, store: SecretWriter, found: str) -> ConflictError:
    place = StoreLocation(store.address.absolute, write.name)
    reason = f"another writer changed it: version {write.deleted} was soft-deleted, the current version is {found}"
    return ConflictError(place, Action.WRITE, reason, _NEW_PLAN, expected=write.deleted, found=found)
