"""Syncs what several threads append to one file, with as few waits for the disk as possible."""

from __future__ import annotations

import os
import threading


class SharedSync:
    """Counts what was added to the file of a descriptor. What is added while a thread waits shares the next wait.

    A disk takes a few hundred waits a second. `added` is called by one thread at a time, as the adding itself is.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = threading.Lock()
        self._added = self._synced = 0
        self._failure: OSError | None = None

    def added(self) -> int:
        """Count one addition, and return its number to wait for."""
        self._added += 1
        return self._added

    def wait(self, mine: int) -> None:
        """Return when that addition and all before it are on the disk. Raises OSError, and after that always."""
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
