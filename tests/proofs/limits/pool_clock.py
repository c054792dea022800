"""Lets time pass for a whole command as soon as all threads of its pool sleep, however fast the machine is."""

import heapq
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures._base import DoneAndNotDoneFutures
from typing import Any

from compiler.stores.pacing import Clock


class PoolClock(Clock):
    """Knows by itself who could still let time pass: the threads of the last `pool` that have something to do.

    Outside a pool there is one thread, and its sleep returns at once. One sleeper wakes at a time, by time and then
    arrival, so that a run on sleeping transports is repeatable. While a pool is being filled no time passes: else its
    first thread would do everything alone where the one that fills it is not given a processor.
    """

    def __init__(self, start: float) -> None:
        self._now = start
        self._lock = threading.Lock()
        self._sleepers: list[tuple[float, int, threading.Lock]] = []
        self._turn = 0
        self._tasks = 0
        self._is_filling = False
        self._threads: set[threading.Thread] = set()

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        # A lock that is let go wakes its waiter with a fifth of what an event does for it.
        asleep = threading.Lock()
        asleep.acquire()
        with self._lock:
            self._turn += 1
            heapq.heappush(self._sleepers, (self._now + max(0.0, seconds), self._turn, asleep))
            self._advance()
        asleep.acquire()

    def pool(self, workers: int, **_settings: str) -> ThreadPoolExecutor:
        """Stands where a command makes its ThreadPoolExecutor; one after another, never two at once."""
        pool = _Pool(self, workers)
        with self._lock:
            self._threads = pool._threads  # type: ignore[assignment]
            self._is_filling = True
        return pool

    def wait(self, futures: Collection[Future[Any]], timeout: float) -> DoneAndNotDoneFutures[Any]:
        """Stands where a command waits for what it has put into its pool."""
        self.is_filled()
        return wait(futures, timeout)

    def is_filled(self) -> None:
        """The pool has all its tasks: time may pass."""
        with self._lock:
            self._is_filling = False
            self._advance()

    def count(self, change: int) -> None:
        """So many tasks more or fewer are waiting or under way."""
        with self._lock:
            self._tasks += change
            self._advance()

    def _advance(self) -> None:
        # Fewer threads than tasks: a pool starts no new one while it believes another idle.
        if self._is_filling and self._tasks:
            return
        if self._sleepers and len(self._sleepers) >= min(self._tasks, len(self._threads)):
            time, _, asleep = heapq.heappop(self._sleepers)
            self._now = max(self._now, time)
            asleep.release()


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
        future = super().submit(task)
        of_future = future.result

        def result(timeout: float | None = None) -> Any:  # noqa: ANN401 - whatever fn returns
            self._clock.is_filled()
            return of_future(timeout)

        future.result = result  # type: ignore[method-assign]
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - its signature
        self._clock.is_filled()
        super().shutdown(wait, cancel_futures=cancel_futures)
