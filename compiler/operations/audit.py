"""What was written to stores in, one JSON line for each write in a private file out; never a value."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

_MODE = 0o600


class AuditError(Exception):
    """The audit file cannot be used. `str` says why, without anything of its content."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One write: `action` by `who` at the store's absolute address; `name` and `properties` are remote names.

    `version` is nothing where the reply was lost and it is unknown whether the write was stored.
    """

    who: str
    action: str
    environment: str
    store: str
    name: str
    properties: Sequence[str]
    version: str | None


def _now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """Appends to one file. Made before the first write, so that a file that cannot be written stops the command."""

    def __init__(self, path: Path, now: Callable[[], datetime] = _now) -> None:
        self._now = now
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._descriptor = os.open(path, flags, _MODE)
        except OSError as error:
            raise AuditError(f"the audit file cannot be opened: {_reason(error)}") from None
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.close(self._descriptor)
            raise AuditError("the audit file is no regular file")

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
            "who": entry.who,
            "action": entry.action,
            "environment": entry.environment,
            "store": entry.store,
            "name": entry.name,
            "properties": list(entry.properties),
            "version": entry.version,
        }
        self._append(json.dumps(line).encode() + b"\n")

    def _append(self, data: bytes) -> None:
        try:
            # Several commands may share the file; the lock makes taking back half a line safe.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                before = os.fstat(self._descriptor).st_size
                self._write_all(data, before)
                os.fsync(self._descriptor)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError as error:
            raise AuditError(f"the audit file cannot be written: {_reason(error)}") from None

    def _write_all(self, data: bytes, before: int) -> None:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BaseException:
            os.ftruncate(self._descriptor, before)
            raise


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
