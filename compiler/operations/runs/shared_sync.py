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

    def added(self) -> int:
        """Count one addition, and return its number to wait for."""
        self._added += 1
        return self._added

    def wait(self, mine: int) -> None:
        """Return when that addition and all before it are on the disk. Raises OSError."""
        with self._waiting:
            if self._synced >= mine:
                return
            covered = self._added
            os.fsync(self._descriptor)
            self._synced = covered
