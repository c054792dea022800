"""Gives each operation on a store one deadline, and every wait inside it what is left.

A timeout of a socket begins anew with every byte, and one of an attempt with every attempt: a server that answers a
byte a second would be waited for without end. How much is left is kept per thread, since the SDKs in between hand on
timeouts of single reads only.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, cast


class Clock(Protocol):
    """Seconds that only go forward, and a way to let them pass."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Limit:
    """Ends of the request under way, by the machine's clock; the first one holds until the store has answered."""

    first_contact: float
    operation: float
    answered: threading.Event

    def rest(self) -> float:
        end = self.operation if self.answered.is_set() else min(self.operation, self.first_contact)
        return end - time.monotonic()


_LIMIT: Final[ContextVar[_Limit | None]] = ContextVar("limit of the request under way", default=None)


@contextmanager
def _limited(limit: _Limit) -> Iterator[None]:
    token = _LIMIT.set(limit)
    try:
        yield
    finally:
        _LIMIT.reset(token)


class Deadlines:
    """Those of one store. The first contact ends `first_contact` seconds after the first request of all threads.

    `answered` is set by the first answer that shows a working store: a success, a refusal, a 429, but no 5xx.
    """

    def __init__(self, clock: Clock, patience: float, first_contact: float) -> None:
        self.answered = threading.Event()
        self._clock = clock
        self._patience = patience
        self._first_contact = first_contact
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._mine = threading.local()
        self._running: dict[int, float] = {}

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Give one deadline to all that this thread does inside; within another operation, that one's."""
        if self._began() is not None:
            yield
            return
        self._mine.began = self._running[threading.get_ident()] = self._clock.now()
        try:
            yield
        finally:
            self._mine.began = None
            self._running.pop(threading.get_ident(), None)

    def elapsed(self) -> float:
        """Seconds since this thread's operation began; while the store has not answered, since it was first asked."""
        began = self._asked if not self.answered.is_set() else self._began()
        return 0.0 if began is None else self._clock.now() - began

    def waited(self) -> tuple[float, float]:
        """Seconds since the oldest operation under way began, in any thread, and until it ends; none without one."""
        began = min(list(self._running.values()), default=None)
        if began is None:
            return 0.0, 0.0
        now, end = self._clock.now(), began + self._patience
        return now - began, max(0.0, (end if self.answered.is_set() else min(end, self._contact_end())) - now)

    def end(self, keep: float = 0.0) -> float:
        """When this thread's operation ends, by the clock, less `keep` seconds for what comes after.

        While the store has not answered, it is the first contact that ends.
        """
        end = self._operation_end() - keep
        return end if self.answered.is_set() else min(end, self._contact_end())

    @contextmanager
    def request(self, keep: float = 0.0) -> Iterator[None]:
        """Let every wait inside end as `end` says, or later where the store answers meanwhile."""
        if _LIMIT.get() is not None:
            yield
            return
        # A virtual clock stands still while a socket is waited for: the rest is counted by the machine's.
        ahead = time.monotonic() - self._clock.now()
        with _limited(_Limit(self._contact_end() + ahead, self._operation_end() - keep + ahead, self.answered)):
            yield

    def _began(self) -> float | None:
        return getattr(self._mine, "began", None)

    def _operation_end(self) -> float:
        began = self._began()
        return (self._clock.now() if began is None else began) + self._patience

    def _contact_end(self) -> float:
        with self._lock:
            if self._asked is None:
                self._asked = self._clock.now()
            return self._asked + self._first_contact


def within(seconds: float) -> AbstractContextManager[None]:
    """Let every wait inside end after so many seconds, whatever is asked."""
    end = time.monotonic() + seconds
    return _limited(_Limit(end, end, threading.Event()))


F = TypeVar("F", bound=Callable[..., Any])


def one_operation(method: F) -> F:
    """Make all requests of an adapter's method one operation; the adapter has its store's Deadlines in `_deadlines`."""

    @functools.wraps(method)
    def run(self: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the method takes and returns
        with self._deadlines.operation():
            return method(self, *given, **named)

    return cast("F", run)


def note_answer() -> None:
    """Say that the store has answered the request under way, although its end is still to come."""
    if (limit := _LIMIT.get()) is not None:
        limit.answered.set()


def rest(at_most: float | None = None) -> float | None:
    """Return how many seconds may still be waited: `at_most`, or less. Raises TimeoutError where none are left."""
    if (limit := _LIMIT.get()) is None:
        return at_most
    if (left := limit.rest()) <= 0:
        raise TimeoutError
    return left if at_most is None else min(left, at_most)


@contextmanager
def held(lock: threading.Lock) -> Iterator[None]:
    """Hold the lock. Raises TimeoutError where the request under way ends before it is free."""
    seconds = rest()
    if not lock.acquire(timeout=-1 if seconds is None else seconds):
        raise TimeoutError
    try:
        yield
    finally:
        lock.release()


class OutOfTimeError(TimeoutError):
    """What was called has not returned in the time that it was given."""


def call_in_time(call: Callable[[], T]) -> T:
    """Return what `call`, which knows no deadline of its own, returns or raises; for name servers and log-ins.

    Raises TimeoutError at the end of the request under way.
    """
    return call() if (seconds := rest()) is None else call_within(seconds, call)


def call_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns or raises in so many seconds; see `begin`."""
    return begin(call)(seconds)


def begin(call: Callable[[], T]) -> Callable[[float], T]:
    """Begin `call` in a thread. The function that is returned waits so many seconds for what it returns or raises.

    It raises OutOfTimeError after them. What has not returned then is left behind in its thread, which keeps no process
    alive.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for it
            errors.append(error)

    def wait(seconds: float) -> T:
        thread.join(min(seconds, threading.TIMEOUT_MAX))
        if errors:
            # Taken out: an error that is kept in a frame of its own traceback keeps all of them.
            raise errors.pop()
        if not results:
            raise OutOfTimeError
        return results[0]

    # With the caller's context: the project's folder, by which commands are shown, is in it.
    thread = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
    thread.start()
    return wait
