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
        # Each with an event of its own: to wake all of them for one takes most of the time of a test of 32 workers.
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._turn = 0
        self._lock = threading.Lock()

    def now(self) -> float:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        with self._lock:
            self._turn += 1
            heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), self._turn, woken))
            self._advance()
        woken.wait()

    def leave(self) -> None:
        """Say that one of the threads is done."""
        with self._lock:
            self._workers -= 1
            self._advance()

    def _advance(self) -> None:
        if self._sleepers and len(self._sleepers) >= self._workers:
            # One sleeper wakes at a time, by time and then arrival: a run is as repeatable as threads allow.
            moment, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, moment)
            woken.set()
