"""A plan, the destination and a journal in; its writes made, verified and noted, and what became of each, out."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.operations.audit import AuditEntry, AuditError
from compiler.operations.migration import Outcome, Result, State
from compiler.stores.errors import ConflictError, StoreError
from compiler.stores.secret import Comparer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from compiler.operations.audit import AuditLog
    from compiler.operations.journal import Journal
    from compiler.operations.migration import Plan, Write
    from compiler.stores.interface import RemoteSecret, SecretWriter, Written
    from compiler.stores.secret import Secret

WORKERS = 16
_AGAIN = "run the same command again: it compares first"


@dataclass(frozen=True, slots=True)
class Notes:
    """Where a run is written down; `audit` is nothing where nobody asked for it, and then nobody asks `who` it is."""

    journal: Journal
    environment: str
    audit: AuditLog | None = None
    who: str = ""

    def wrote(
        self, store: SecretWriter, name: str, properties: Sequence[str], version: str | None, action: str
    ) -> None:
        """Note one write in the audit file: `action` is create, update, recover, restore or delete."""
        if self.audit is not None:
            address = store.address.absolute
            self.audit.record(AuditEntry(self.who, action, self.environment, address, name, properties, version))


def apply_migration(
    plan: Plan,
    destination: SecretWriter,
    notes: Notes,
    *,
    continue_on_error: bool = False,
    workers: int = WORKERS,
    stop: threading.Event | None = None,
    report: Callable[[Result], None] = lambda _result: None,
) -> Outcome:
    """Make the writes of `plan` and nothing else, each once, and read each back.

    A conflict ends one remote secret and the rest goes on; another failure stops what has not begun, unless
    `continue_on_error`. When `stop` is set, what is under way is finished and the rest left. `report` is called in
    this thread.
    """
    for adopted in plan.adopted:
        notes.wrote(destination, adopted.name, adopted.properties, adopted.version, adopted.action)
        notes.journal.adopted(adopted.name, adopted.version)
    work = _Work(destination, notes, stop or threading.Event())
    interrupted = False
    with ThreadPoolExecutor(workers) as pool:
        try:
            futures = [pool.submit(work.do, write) for write in plan.writes]
            for future in as_completed(futures):
                result = future.result()
                if result.state is State.FAILED and not continue_on_error:
                    work.failed.set()
                if result.state is not State.PENDING:
                    report(result)
        except KeyboardInterrupt:
            # Whoever asks a second time does not wait for reports; threads cannot be ended in the middle of a write.
            interrupted = True
            work.failed.set()
    results = tuple(work.results.get(write.name, Result(write.name, State.PENDING)) for write in plan.writes)
    outcome = Outcome(notes.journal.id, results, interrupted or (stop is not None and stop.is_set()))
    notes.journal.end(_end(outcome))
    return outcome


def _end(outcome: Outcome) -> str:
    if outcome.interrupted:
        return "interrupted"
    if outcome.is_incomplete:
        return "incomplete"
    return "conflict" if outcome.has_differences else "complete"


class _Work:
    """One remote secret at a time in each thread."""

    def __init__(self, destination: SecretWriter, notes: Notes, stop: threading.Event) -> None:
        self._destination = destination
        self._notes = notes
        self._comparer = Comparer()
        self._stop = stop
        self.failed = threading.Event()
        self.results: dict[str, Result] = {}

    def do(self, write: Write) -> Result:
        if self._stop.is_set() or self.failed.is_set():
            return Result(write.name, State.PENDING)
        result = self._done(write)
        self.results[write.name] = result
        return result

    def _done(self, write: Write) -> Result:
        journal = self._notes.journal
        try:
            journal.started(write.name, write.before)
            try:
                result, maybe_stored = self._moved(write), False
            except StoreError as error:
                result, maybe_stored = _failure(write, error), error.maybe_done
            journal.settled(result, maybe_stored=maybe_stored)
        except (AuditError, OSError) as error:
            # What cannot be noted must not go on; the next run finds out by comparing how far this one came.
            self.failed.set()
            return unnoted(write.name, error)
        return result

    def _moved(self, write: Write) -> Result:
        keys = tuple(write.changes)
        action = "create" if write.base is None else "update"
        if write.recover:
            write = self._recovered(write)
            self._audit(write, keys, write.before, "recover")
            action = "update"
            if not write.changes and write.whole is None:
                self._notes.journal.written(write.name, write.before, write.before or "", ())
                return Result(write.name, State.KEPT, write.before)
        written = self._write(write)
        try:
            # Before the journal: what is in neither is found and noted in both when the run goes on.
            self._audit(write, keys, written.version, action)
        finally:
            self._notes.journal.written(write.name, write.before, written.version, written.slipped)
        return self._verified(write, written)

    def _write(self, write: Write) -> Written:
        if write.whole is not None:
            return self._destination.write_whole(write.name, write.whole, write.base, write.attributes)
        return self._destination.write(write.name, write.changes, write.base, write.attributes)

    def _recovered(self, write: Write) -> Write:
        """The write that is left once the deleted secret is back and can be read."""
        self._destination.recover(write.name)
        base = self._destination.read(write.name)
        if write.whole is not None:
            same = base.whole is not None and self._comparer.same(base.whole, write.whole)
            return replace(write, base=base, whole=None if same else write.whole)
        changes = {key: value for key, value in write.changes.items() if not self._holds(base, key, value)}
        return replace(write, base=base, changes=changes)

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
        if not self._is_as_meant(write, found):
            reason = f"reading version {written.version} back showed other bytes than were to be there"
            remedy = "look at that version by hand; do not trust this address"
            return Result(write.name, State.UNVERIFIED, written.version, (), "unverified", reason, remedy)
        return Result(write.name, State.DONE, written.version)

    def _is_as_meant(self, write: Write, found: RemoteSecret) -> bool:
        if write.whole is not None:
            return found.whole is not None and self._comparer.same(found.whole, write.whole)
        before: Mapping[str, Secret] = write.base.properties if write.base is not None else {}
        meant = {**before, **write.changes}
        return meant.keys() == found.properties.keys() and all(
            self._holds(found, key, value) for key, value in meant.items()
        )

    def _holds(self, found: RemoteSecret, key: str, value: Secret) -> bool:
        return key in found.properties and self._comparer.same(found.properties[key], value)

    def _audit(self, write: Write, keys: tuple[str, ...], version: str | None, action: str) -> None:
        self._notes.wrote(self._destination, write.name, keys, version, action)


def unnoted(name: str, error: AuditError | OSError) -> Result:
    """The failure of a step that could not be written down."""
    known = str(error) if isinstance(error, AuditError) else error.strerror
    reason = f"the journal cannot be written: {known or 'is the disk full?'}" if isinstance(error, OSError) else known
    return Result(name, State.FAILED, code="unnoted", reason=reason or "", remedy=_AGAIN)


def _failure(write: Write, error: StoreError) -> Result:
    state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
    found = (error.found,) if isinstance(error, ConflictError) and error.found is not None else ()
    return Result(write.name, state, None, found, error.code, error.reason, error.remedy)
