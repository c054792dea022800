"""Lets one run at a time write from a project, by a lock that ends with the process."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING, Self

from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FOLDER = ".platform-secrets"
RUNS = "runs"
_MOST_READ = 256
# Seconds to wait for another run, and between two looks.
PATIENCE = 10.0
_PAUSE = 0.1
_WAIT = "wait until it ends; a killed run holds no lock"


class RunLock:
    """Held for the length of a `with` block. The kernel releases it when the process ends, so no lock is ever stale.

    Waits up to `patience` seconds for another process that holds it, and calls `waits` with the holder's name. Raises
    Refusal when it is still held after that, and OSError.
    """

    def __init__(
        self,
        root: Path,
        name: str,
        waits: Callable[[str], None] = lambda _holder: None,
        patience: float = PATIENCE,
    ) -> None:
        self._folder = root / FOLDER
        self._name = name
        self._waits = waits
        self._patience = patience
        self._file = -1

    def __enter__(self) -> Self:
        for folder in (self._folder, self._folder / RUNS):
            if folder.is_symlink():
                # A project from elsewhere could have its files written, and a file called "lock" emptied, anywhere.
                raise OSError(errno.ELOOP, "is a link; remove it", str(folder))
        self._folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        path = self._folder / "lock"
        descriptor = os.open(path, flags, 0o600)
        try:
            _refuse_foreign(descriptor, path)
            self._acquire(descriptor)
            self._file = descriptor
            self.rename(self._name)
        except BaseException:
            self._file = -1
            os.close(descriptor)
            raise
        return self

    def _acquire(self, descriptor: int) -> None:
        ends, told = time.monotonic() + self._patience, False
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(descriptor, _MOST_READ, 0).decode("ascii", "replace").strip() or "unknown"
            if time.monotonic() >= ends:
                raise Refusal("cannot run", f"another run is in progress: {holder}", _WAIT)
            if not told:
                self._waits(holder)
                told = True
            time.sleep(_PAUSE)

    def rename(self, name: str) -> None:
        """Change the name that others see as the lock's holder."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{name} (process {os.getpid()})\n".encode(), 0)

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)
        self._file = -1


def _refuse_foreign(descriptor: int, path: Path) -> None:
    """A pipe cannot hold the name, and a file that has a name elsewhere too would lose what it holds there."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise OSError(errno.EINVAL, "is no file of its own; remove it", str(path))
