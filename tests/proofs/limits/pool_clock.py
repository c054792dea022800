"""Virtual time for whole commands: their pools of threads in, a clock that jumps as soon as all of them sleep out."""

from __future__ import annotations

import heapq
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class PoolClock:
    """Knows by itself who could still let time pass: the threads of the last `pool` that have something to do.

    Outside a pool there is one thread, and its sleep returns at once. One sleeper wakes at a time, by time and then
    arrival, so that a run on sleeping transports is repeatable.
    """

    def __init__(self, start: float) -> None:
        self._now = start
        self._lock = threading.Lock()
        self._sleepers: list[tuple[float, int, threading.Event]] = []
        self._turn = 0
        self._tasks = 0
        self._threads: set[threading.Thread] = set()

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        with self._lock:
            self._turn += 1
            heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), self._turn, woken))
            self._advance()
        woken.wait()

    def pool(self, workers: int, **_settings: str) -> ThreadPoolExecutor:
        """Stands where a command makes its ThreadPoolExecutor; one after another, never two at once."""
        pool = _Pool(self, workers)
        self._threads = pool._threads  # type: ignore[assignment]
        return pool

    def count(self, change: int) -> None:
        """So many tasks more or fewer are waiting or under way."""
        with self._lock:
            self._tasks += change
            self._advance()

    def _advance(self) -> None:
        # Fewer threads than tasks: a pool starts no new one while it believes another idle.
        if self._sleepers and len(self._sleepers) >= min(self._tasks, len(self._threads)):
            time, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, time)
            woken.set()


class _Pool(ThreadPoolExecutor):
    def __init__(self, clock: PoolClock, workers: int) -> None:
        super().__init__(workers)
        self._clock = clock

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        def task() -> Any:  # noqa: ANN401 - whatever fn returns
            try:
                return fn(*args, **kwargs)
            finally:
                self._clock.count(-1)

        self._clock.count(+1)
        return super().submit(task)
