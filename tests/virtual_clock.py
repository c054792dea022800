"""A clock for tests whose time passes as soon as everybody waits for it."""

import heapq
import threading

from compiler.stores.pacing import Clock


class VirtualClock(Clock):
    """A clock that jumps to the next waking time as soon as all of its `workers` threads sleep.

    With one worker a sleep returns at once. With more, each thread must call `leave` when it ends, or the rest waits
    for it.
    """

    def __init__(self, workers: int = 1, start: float = 0.0) -> None:
        self._now = start
        self._workers = workers
        self._sleepers: list[tuple[float, int]] = []
        self._turn = 0
        self._changed = threading.Condition()

    def now(self) -> float:
        with self._changed:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._changed:
            self._turn += 1
            me = (self._now + max(0.0, seconds), self._turn)
            heapq.heappush(self._sleepers, me)
            self._advance()
            # One sleeper wakes at a time, by time and then arrival: a run is as repeatable as threads allow.
            self._changed.wait_for(lambda: me not in self._sleepers)

    def leave(self) -> None:
        """Say that one of the threads is done."""
        with self._changed:
            self._workers -= 1
            self._advance()

    def _advance(self) -> None:
        if self._sleepers and len(self._sleepers) >= self._workers:
            self._now = max(self._now, heapq.heappop(self._sleepers)[0])
            self._changed.notify_all()
