"""Locks a project's run files for one run at a time, and appends lines to them that survive a crash."""

import errno
import fcntl
import getpass
import json
import os
import re
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from compiler.model.files import sync_folder
from compiler.refusal import Refusal

FOLDER = ".platform-secrets"
RUNS = "runs"
_MOST_READ = 256
# Seconds to wait for another run, and between two looks.
PATIENCE = 10.0
_PAUSE = 0.1
_WAIT = "wait until it ends; a killed run holds no lock"
_WHO = re.compile(r"[A-Za-z0-9_.+\\-]{1,64}@[A-Za-z0-9_.-]{1,255}", re.ASCII)


def caller() -> str:
    """Who runs this program, and where, as user@host; empty where that has characters which names do not have."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # A container may have no name for its user.
        user = str(os.getuid())
    return caller_of(f"{user}@{socket.gethostname()}")


def caller_of(found: object) -> str:
    """Who began a run, by its journal; empty if that is not user@host."""
    return found if isinstance(found, str) and _WHO.fullmatch(found) else ""


@contextmanager
def run_lock(
    root: Path, name: str, waits: Callable[[str], None] = lambda _holder: None, patience: float = PATIENCE
) -> Iterator[Callable[[str], None]]:
    """The lock of a project; yields a function that changes the `name` which others see as its holder.

    The kernel releases the lock when the process ends, so no lock is ever stale. Waits up to `patience` seconds for
    another process that holds it, and calls `waits` with the holder's name. Raises Refusal if it is still held after
    that, and OSError.
    """
    folder = root / FOLDER
    for each in (folder, folder / RUNS):
        if each.is_symlink():
            # A project from elsewhere could have its files written, and a file called "lock" emptied, anywhere.
            raise OSError(errno.ELOOP, "is a link; remove it", str(each))
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def rename(holder: str) -> None:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{holder} (process {os.getpid()})\n".encode(), 0)

    try:
        _refuse_foreign(descriptor, path)
        _acquire(descriptor, waits, patience)
        rename(name)
        try:
            yield rename
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        # An interrupt while it waits gives the lock back too.
        os.close(descriptor)


def _acquire(descriptor: int, waits: Callable[[str], None], patience: float) -> None:
    ends, told = time.monotonic() + patience, False
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, _MOST_READ, 0).decode("ascii", "replace").strip() or "unknown"
        if time.monotonic() >= ends:
            raise Refusal("cannot run", f"another run is in progress: {holder}", _WAIT)
        if not told:
            waits(holder)
            told = True
        time.sleep(_PAUSE)


def _refuse_foreign(descriptor: int, path: Path) -> None:
    """Refuse a pipe, which cannot store the holder's name, and a file with a second link, which would lose content."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise OSError(errno.EINVAL, "has other links or is not a regular file; remove it", str(path))


_MODE = 0o600
# The journal of a thousand remote secrets is 1 MB; the longest line is that of a secret's plan, 0.3 KB a key.
_LARGEST = 64 * 1024 * 1024
_LONGEST_LINE = 4 * 1024 * 1024


class LineFile:
    """Appends lines to a file from many threads and processes: a call appends the whole line, or raises OSError.

    A line is on the disk when the call returns; without `wait`, when a later call with it returns. A disk can do a few
    hundred such waits a second, so lines that are added while one thread waits share the next wait.
    With `new` the file must not exist yet. A link is refused. A file that is not `readable` may be a team's, in a place
    where nobody may read it.
    """

    def __init__(self, path: Path, *, new: bool = False, readable: bool = True) -> None:
        flags = (os.O_RDWR if readable else os.O_WRONLY | os.O_NONBLOCK) | (os.O_EXCL if new else 0)
        self._descriptor = os.open(path, flags | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        self._adding, self._waiting = threading.Lock(), threading.Lock()
        self._added = self._synced = 0
        self._failure: OSError | None = None
        size = os.fstat(self._descriptor).st_size
        # A line that a crash cut off gets its end, so that the next one is a line of its own.
        is_cut_off = readable and size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
        self._begin = b"\n" if is_cut_off else b""
        if new:
            sync_folder(path.parent)

    def append(self, line: Mapping[str, Any], *, wait: bool = True) -> None:
        """Add a JSON object as one line."""
        self._add(json.dumps(line, ensure_ascii=True, separators=(",", ":")), wait=wait)

    def _add(self, text: str, *, wait: bool = True) -> None:
        with self._adding:
            self._write(self._begin + text.encode() + b"\n")
            self._begin = b""
            self._added += 1
            mine = self._added
        if wait:
            self._wait(mine)

    def _write(self, data: bytes) -> None:
        # Several commands may share the file; the lock makes taking back half a line safe.
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            before = os.fstat(self._descriptor).st_size
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except BaseException:
                # An interrupt must not leave half a line either. Where it cannot be taken back, as in a file that may
                # only grow, the next line is a line of its own.
                begin, self._begin = self._begin, b"\n"
                with suppress(OSError):
                    os.ftruncate(self._descriptor, before)
                    self._begin = begin
                raise
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _wait(self, mine: int) -> None:
        """Return when this line and all before it are on the disk. Raises OSError, and from then on always."""
        with self._waiting:
            if self._synced >= mine:
                return
            if self._failure is not None:
                raise OSError(self._failure.errno, self._failure.strerror)
            covered = self._added
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                # A kernel says once that it could not write, and forgets what it was: asked again, it would say that
                # all is well (fsync(2)).
                self._failure = error.with_traceback(None)
                raise
            self._synced = covered

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file as `read_each_line` does, without a last line that a crash cut off."""
    return (line for line in read_each_line(path) if line is not None)


def read_each_line(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield the object of each line of a file, and None for a line without an object.

    The file may come from somebody else's project: links, pipes, devices and too large files are refused. Only one line
    at a time is in memory, as a few bytes of JSON can take hundreds. Raises OSError.
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
                line = None
            yield line if isinstance(line, dict) else None
