"""Records each write in the journal and the audit file: one line before it and one after it, never a value.

A write is announced in both before it is sent. A line that could not be written after it is added by a later part of
the run, or by its undo, once that has a file for it. A journal is a plain file: that a version was written is said in
the audit file only where the store knows it.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from compiler.change.journal import RESTORE, Journal, Run
from compiler.change.plan import Kind, MissingLine, Plan, State, Target, Write, WriteResult
from compiler.change.run_files import SharedSync
from compiler.refusal import Refusal, system_reason
from compiler.stores.errors import (
    DisabledError,
    NotFoundError,
    SoftDeletedError,
    StoreError,
    VersionGoneError,
)
from compiler.stores.interface import SecretWriter, Written

_MODE = 0o600


class AuditError(Refusal):
    """The audit file cannot be used. The message says why, without anything of its content."""

    def __init__(self, message: str) -> None:
        super().__init__("cannot run", message, "name another file with --audit")


class IntentError(AuditError):
    """The line before a write could not be written, so nothing was sent."""


class Stage(StrEnum):
    """How far a write is."""

    WRITING = "writing"  # about to be sent: the line is on the disk before the request leaves
    WRITTEN = "written"  # stored as `version`
    FAILED = "failed"  # not stored
    UNKNOWN = "unknown"  # sent, and its outcome cannot be told: the reply was lost, or nobody waited for it


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog(SharedSync):
    """Appends to one file, from any thread. Opened before the first write: what cannot be audited is not started."""

    def __init__(self, path: Path, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            super().__init__(os.open(path, flags, _MODE))
        except OSError as error:
            raise AuditError(f"the audit file cannot be opened: {system_reason(error)}") from None
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise AuditError("the audit file is not a regular file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def record(self, entry: AuditEntry, stage: Stage = Stage.WRITING, version: str | None = None) -> None:
        """Add one line and wait until it is on disk: the whole line, or none of it and AuditError.

        `version` is the one that the write made or deleted, known when it is written.
        """
        line = {
            "time": self._now().isoformat(timespec="milliseconds"),
            "run": entry.run,
            "state": str(stage),
            "who": entry.who,
            "action": entry.action,
            "environment": entry.environment,
            "store": entry.store,
            "name": entry.name,
            "properties": list(entry.properties),
            "before": entry.before,
            "version": version,
        }
        data = json.dumps(line).encode() + b"\n"
        try:
            with self._lock:
                self._append(data)
                mine = self.added()
            self.wait(mine)
        except OSError as error:
            raise AuditError(f"the audit file cannot be written: {system_reason(error)}") from None

    def _append(self, data: bytes) -> None:
        # Several commands may share the file; the lock makes taking back half a line safe.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            before = os.fstat(self._descriptor).st_size
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except BaseException:
                # An interrupt must not leave half a line either.
                os.ftruncate(self._descriptor, before)
                raise
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


@dataclass(slots=True)
class AuditEntry:
    """One write: `action` by `who` at the store's absolute address; `name` and `properties` are remote names.

    `run` is one for all writes of a command. `before` is the version that the write is based on, None where there was
    none. `with entry as line: …; line.written(version)` records it in `log`: a line before it, on entering, and a line
    with its outcome, at the latest on leaving. Without a log nothing is recorded. Raises IntentError on entering, and
    then nothing may be sent; `written` raises AuditError.
    """

    run: str
    who: str
    action: str
    environment: str
    store: str
    name: str
    properties: Sequence[str]
    before: str | None = None
    log: AuditLog | None = None
    is_ended: bool = False

    def __enter__(self) -> Self:
        if self.log is not None:
            failure = None
            try:
                self.log.record(self)
            except AuditError as error:
                failure = str(error)
            if failure is not None:
                raise IntentError(failure)
        return self

    def written(self, version: str | None) -> None:
        self.is_ended = True
        if self.log is not None:
            self.log.record(self, Stage.WRITTEN, version)

    def outcome_unknown(self) -> None:
        """Record that it is not known whether it was stored. Raises AuditError."""
        self.is_ended = True
        if self.log is not None:
            self.log.record(self, Stage.UNKNOWN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.log is None or self.is_ended or error is None:
            return
        is_refused = isinstance(error, StoreError) and not error.maybe_done
        # A line that cannot be added must not hide the cause: the line before it says that the outcome is unknown.
        with suppress(AuditError):
            self.log.record(self, Stage.FAILED if is_refused else Stage.UNKNOWN)


AGAIN = "run the same command again to resume the run"


class RunLog(Journal):
    """The journal of a run with its audit file; `who` has the caller's name by store.

    `audit` is None where no audit file was named, and `who` is then empty. `is_audited` says that an earlier part of
    the run had one: lines that cannot be added now are missing from it.
    """

    def __init__(
        self,
        run: Run,
        audit: AuditLog | None = None,
        who: Mapping[str, str] = MappingProxyType({}),
        *,
        begins: Plan | None = None,
        is_audited: bool = False,
    ) -> None:
        super().__init__(run, begins)
        self.audit = audit
        self.who = who
        self.is_audited = is_audited

    @property
    def lacks_file(self) -> bool:
        """Whether this part of the run has no audit file, and an earlier one had."""
        return self.is_audited and self.audit is None

    @property
    def needs_lines(self) -> bool:
        """Whether the outcome of a write that starts now belongs in an audit file."""
        return self.is_audited or self.audit is not None

    def start(self, write: Write) -> None:
        # A resumed run may find deleted what it planned to create.
        deleted = write.deleted if write.recover else None
        self.started(write.target, write.before, audit_pending=self.needs_lines, deleted=deleted)

    def stored(self, line: AuditEntry, write: Write, written: Written) -> None:
        """Record in both files what the write stored. Raises AuditError and OSError."""
        is_pending = self.needs_lines
        try:
            # Before the journal: a resumed run finds a version that is in neither, and records it in both.
            line.written(written.version)
            is_pending = self.lacks_file
        finally:
            self._note(write, written, audit_pending=is_pending)

    def note_version(self, write: Write, stored: Written) -> None:
        """Record in the journal alone which version holds what was to be written, or what else was deleted with it."""
        self._note(write, stored, audit_pending=self.lacks_file)

    def _note(self, write: Write, stored: Written, *, audit_pending: bool) -> None:
        version, slipped, made = stored.version, stored.slipped, stored.made
        self.written(write.target, write.before, version, slipped, audit_pending=audit_pending, made=made)

    def find(self, target: Target, version: str | None) -> None:
        """The store shows that an earlier part of the run stored this version, which the journal lacks."""
        self.found(target, version or "", audit_pending=self.needs_lines)

    def writing(self, store: SecretWriter, write: Write, action: str) -> AuditEntry:
        """The lines of the audit file around `write`: `action` is create, update, recover, restore or delete."""
        before = write.versions[-1] if write.versions else write.before
        return self._lines(store, write.target, write.properties, before, action)

    def missing(self, store: SecretWriter, each: MissingLine) -> AuditEntry:
        """The lines around an earlier write whose last line is missing."""
        return self._lines(store, each.target, each.properties, each.before, each.action)

    def _lines(
        self, store: SecretWriter, target: Target, properties: Sequence[str], before: str | None, action: str
    ) -> AuditEntry:
        address, who, run = store.address.absolute, self.who.get(target[0], ""), self.run
        return AuditEntry(run.id, who, action, run.environment, address, target[1], properties, before, self.audit)


class UndoLog(RunLog):
    """Records an undo, in the journal of the run that it undoes."""

    def start(self, write: Write) -> None:
        self.undo(write.target, "started", before=write.before, audit_pending=self.needs_lines)

    def _note(self, write: Write, stored: Written, *, audit_pending: bool) -> None:
        version = stored.version if write.earlier is not None else None
        self.undo(write.target, "done", version, audit_pending=audit_pending)

    def find(self, target: Target, version: str | None) -> None:
        entry = self.run.entries[target]
        before = entry.undo_before or entry.after or (entry.versions[-1] if entry.versions else None)
        is_pending = self.needs_lines or entry.undo_audit_pending
        self.undo(target, "done", version, before=before, audit_pending=is_pending)

    def settled(self, result: WriteResult, *, maybe_stored: bool = False) -> None:
        """What is not as before, or could not be read back, is left for the next undo to compare."""
        del maybe_stored
        is_written = result.version is not None
        if result.state is State.UNVERIFIED or (result.state is State.FAILED and is_written):
            self.undo((result.store, result.name), "started")

    def end(self, state: str) -> None:
        """Does nothing: the run has ended, whatever the result of its undo."""


def unrecorded(target: Target, error: AuditError | OSError) -> WriteResult:
    """The failure of a step that could not be recorded."""
    known = str(error) if isinstance(error, AuditError) else error.strerror
    reason = f"the journal cannot be written: {known or 'is the disk full?'}" if isinstance(error, OSError) else known
    return WriteResult(*target, State.FAILED, code="unrecorded", reason=reason or "", remedy=AGAIN)


def missing_lines(run: Run) -> tuple[MissingLine, ...]:
    """What the audit file lacks of the writes of a run and of its undo, as far as the journal knows their versions."""
    return tuple(_missing_lines(run))


def _missing_lines(run: Run) -> Iterator[MissingLine]:
    for target, entry in run.entries.items():
        recovered = entry.deleted if entry.recovered else None
        if entry.audit_pending and (version := entry.after or recovered) is not None:
            action = entry.kind
            if entry.recover:
                action = Kind.RECOVER if version == entry.deleted else Kind.UPDATE
            before = entry.before or entry.planned_before
            yield MissingLine(*target, version, entry.properties, str(action), before)
        made = entry.undone_as or entry.undo_before
        if entry.undo_audit_pending and entry.undo == "done" and made is not None:
            undoing = Kind.RECOVER if entry.kind is Kind.DELETE else Kind.DELETE
            action_ = RESTORE if entry.undone_as is not None else str(undoing)
            yield MissingLine(*target, made, entry.properties, action_, entry.undo_before, is_undo=True)


def unaudited(run: Run, *, lacks_file: bool = False) -> tuple[MissingLine, ...]:
    """The versions that a run, or its undo, stored and that the audit file lacks, though it was to have them.

    Where the run `lacks_file` now, so are those that it recovered and has not written.
    """
    missing = missing_lines(run)
    return tuple(each for each in missing if lacks_file or each.is_undo or run.entries[each.target].after is not None)


def record_missing(plan: Plan, run_log: RunLog) -> str:
    """Record what earlier parts of the run stored: in the journal what `plan` found, in the audit file what it lacks.

    The audit file may have the line before a write already. A version of the journal that its store does not know, or
    no longer, is noted as of an outcome that cannot be told; while the store does not answer, its line stays missing.
    Returns why the journal could not be written, empty where it could.
    """
    reason = ""
    for target, version in plan.stored.items():
        try:
            run_log.find(target, version)
        except OSError as error:
            reason = reason or unrecorded(target, error).reason
    for each in missing_lines(run_log.run) if run_log.audit is not None else ():
        store = plan.stores[each.store]
        line = run_log.missing(store, each)
        try:
            # The store has just shown the version that the plan found, and no other one.
            if plan.stored.get(each.target) == each.version or _is_known(each, store):
                line.written(each.version)
            else:
                line.outcome_unknown()
        except (AuditError, StoreError):
            continue
        try:
            run_log.audited(each)
        except OSError as error:
            reason = reason or unrecorded(each.target, error).reason
    return reason


def _is_known(each: MissingLine, store: SecretWriter) -> bool:
    """Whether the store has, or has deleted, the version. Raises StoreError where it does not tell."""
    try:
        store.read_version(each.name, each.version)
    except DisabledError:
        return True
    except (VersionGoneError, SoftDeletedError, NotFoundError):
        return each.version in store.version_states(each.name)
    return True
