"""One writing run at a time in a project: the run's id in, a lock that ends with the process out."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ".platform-secrets"
RUNS = "runs"
_MOST_READ = 256


class AnotherRunError(Exception):
    """Another run holds the lock; `holder` is what it wrote there."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"another run is under way: {holder or 'unknown'}")
        self.holder = holder
        self.help = "wait until it ends; a run that was killed holds no lock"


class RunLock:
    """Held from `with` to its end. The kernel lets go when the process ends, however it ends: no lock is ever stale.

    Raises AnotherRunError at once where another process holds it, and OSError.
    """

    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / FOLDER
        self._name = name
        self._file = -1

    def __enter__(self) -> Self:
        for folder in (self._folder, self._folder / RUNS):
            if folder.is_symlink():
                # A project from elsewhere could have its files written, and a file called "lock" emptied, anywhere.
                raise OSError(errno.ELOOP, "is a link; remove it", str(folder))
        self._folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._folder / "lock", flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, _MOST_READ).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise AnotherRunError(holder) from None
        self._file = descriptor
        self.rename(self._name)
        return self

    def rename(self, name: str) -> None:
        """Say under which id the run that holds the lock is known."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{name} (process {os.getpid()})\n".encode(), 0)

    def __exit__(self, *_: object) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)
        self._file = -1
