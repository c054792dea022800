"""Appends JSON lines to a private file so that they survive a crash, and reads them again."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

from compiler.operations.runs.shared_sync import SharedSync

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_MODE = 0o600
# The journal of a thousand remote secrets is 1 MB; the longest line is that of a secret's plan, 0.3 KB a key.
_LARGEST = 64 * 1024 * 1024
_LONGEST_LINE = 4 * 1024 * 1024


class LineFile:
    """Appends JSON objects, one a line, from any number of threads; each is on the disk when `append` returns.

    Without `wait` a line is on the disk when a later one is. With `new` the file must not exist yet. A link is
    refused. Raises OSError.
    """

    def __init__(self, path: Path, *, new: bool) -> None:
        self.path = path
        only_new = os.O_EXCL if new else 0
        self._file = os.open(
            path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | only_new, _MODE
        )
        self._lock = threading.Lock()
        self._sync = SharedSync(self._file)
        size = os.fstat(self._file).st_size
        # A line that a crash cut off gets its end, so that the next one is a line of its own.
        self._needs_newline = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        if new:
            sync_folder(path.parent)

    def append(self, line: Mapping[str, Any], *, wait: bool = True) -> None:
        data = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._needs_newline:
                data = b"\n" + data
            self._needs_newline = os.write(self._file, data) < len(data)
            if self._needs_newline:
                # A full disk is the only cause of a short write; the next one would fail with this error.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            mine = self._sync.added()
        if wait:
            self._sync.wait(mine)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file; a line that a crash cut off is left out.

    The file may have come with somebody else's project: a link, a pipe, a device and a file larger than any run's are
    refused, and only one line at a time is in memory, where a few bytes of JSON take hundreds. Raises OSError.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        left = _LARGEST
        while left > 0 and (raw := file.readline(min(left, _LONGEST_LINE + 1))):
            left -= len(raw)
            if len(raw) > _LONGEST_LINE:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            try:
                line = json.loads(raw.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict):
                yield line


def sync_folder(folder: Path) -> None:
    """Make a new file name in `folder` survive a crash."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
