"""Writes the audit file: one JSON line before each write to a store and one after it, never with a value."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from compiler.operations.runs.shared_sync import SharedSync
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

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


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One write: `action` by `who` at the store's absolute address; `name` and `properties` are remote names.

    `run` is one for all writes of a command. `before` is the version that the write is based on, None where there was
    none; `version` the one that it made or deleted, known when it is written.
    """

    run: str
    who: str
    action: str
    environment: str
    store: str
    name: str
    properties: Sequence[str]
    before: str | None = None
    stage: Stage = Stage.WRITING
    version: str | None = None


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """Appends to one file, from any thread. Opened before the first write: what cannot be audited is not started."""

    def __init__(self, path: Path, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._descriptor = os.open(path, flags, _MODE)
        except OSError as error:
            raise AuditError(f"the audit file cannot be opened: {system_reason(error)}") from None
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise AuditError("the audit file is not a regular file")
        self._lock = threading.Lock()
        self._sync = SharedSync(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def record(self, entry: AuditEntry) -> None:
        """Add one line and wait until it is on disk: the whole line, or none of it and AuditError."""
        line = {
            "time": self._now().isoformat(timespec="milliseconds"),
            "run": entry.run,
            "state": str(entry.stage),
            "who": entry.who,
            "action": entry.action,
            "environment": entry.environment,
            "store": entry.store,
            "name": entry.name,
            "properties": list(entry.properties),
            "before": entry.before,
            "version": entry.version,
        }
        data = json.dumps(line).encode() + b"\n"
        try:
            with self._lock:
                self._append(data)
                mine = self._sync.added()
            self._sync.wait(mine)
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
                os.ftruncate(self._descriptor, before)
                raise
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


class Audited:
    """Records one write: a line before it, on entering, and a line with its outcome, at the latest on leaving.

    `with Audited(log, entry) as line: …; line.written(version)`. Without a log nothing is recorded. Raises IntentError
    on entering, and then nothing may be sent; `written` raises AuditError.
    """

    def __init__(self, log: AuditLog | None, entry: AuditEntry) -> None:
        self._log = log
        self._entry = entry
        self._is_ended = False

    def __enter__(self) -> Self:
        if self._log is not None:
            failure = None
            try:
                self._log.record(self._entry)
            except AuditError as error:
                failure = str(error)
            if failure is not None:
                raise IntentError(failure)
        return self

    def written(self, version: str | None) -> None:
        self._is_ended = True
        if self._log is not None:
            self._log.record(replace(self._entry, stage=Stage.WRITTEN, version=version))

    def untold(self) -> None:
        """Record that it is not known whether it was stored. Raises AuditError."""
        self._is_ended = True
        if self._log is not None:
            self._log.record(replace(self._entry, stage=Stage.UNKNOWN))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._log is None or self._is_ended or error is None:
            return
        is_refused = isinstance(error, StoreError) and not error.maybe_done
        # A line that cannot be added must not hide the cause: the line before it says that the outcome is unknown.
        with suppress(AuditError):
            self._log.record(replace(self._entry, stage=Stage.FAILED if is_refused else Stage.UNKNOWN))
