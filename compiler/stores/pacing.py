"""Gives each operation on a store a deadline, paces its requests, and sends them again: no write twice blindly.

A timeout of a socket begins anew with every byte, and one of an attempt with every attempt: a server that answers a
byte a second would be waited for without end. How much is left is kept per thread, since the SDKs in between hand on
timeouts of single reads only.
"""

import functools
import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from compiler.stores.errors import Code, StoreError, StoreLocation


class Clock:
    """The machine's monotonic clock: seconds that only go forward, and a way to let them pass."""

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

    def remaining_seconds(self) -> float:
        end = self.operation if self.answered.is_set() else min(self.operation, self.first_contact)
        return end - time.monotonic()


_LIMIT: Final[ContextVar[_Limit | None]] = ContextVar("limit of the request under way", default=None)


@contextmanager
def _set_limit(limit: _Limit) -> Iterator[None]:
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
        # When the operation of each thread began.
        self._running: dict[int, float] = {}

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Give one deadline to all that this thread does inside; within another operation, that one's."""
        if self._began() is not None:
            yield
            return
        self._running[threading.get_ident()] = self._clock.now()
        try:
            yield
        finally:
            del self._running[threading.get_ident()]

    def seconds_since_start(self) -> float:
        """Seconds since this thread's operation began; while the store has not answered, since it was first asked."""
        began = self._asked if not self.answered.is_set() else self._began()
        return 0.0 if began is None else self._clock.now() - began

    def wait_times(self) -> tuple[float, float]:
        """Seconds since the oldest operation under way began, in any thread, and until it ends; none without one."""
        began = min(list(self._running.values()), default=None)
        if began is None:
            return 0.0, 0.0
        now, end = self._clock.now(), began + self._patience
        return now - began, max(0.0, (end if self.answered.is_set() else min(end, self._contact_end())) - now)

    def end(self, keep: float = 0.0) -> float:
        """When this thread's operation, or the store's first contact, ends by the clock, less `keep` seconds."""
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
        with _set_limit(_Limit(self._contact_end() + ahead, self._operation_end() - keep + ahead, self.answered)):
            yield

    def _began(self) -> float | None:
        return self._running.get(threading.get_ident())

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
    return _set_limit(_Limit(end, end, threading.Event()))


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


def remaining_seconds(at_most: float | None = None) -> float | None:
    """Return how many seconds may still be waited: `at_most`, or less. Raises TimeoutError where none are left."""
    if (limit := _LIMIT.get()) is None:
        return at_most
    if (left := limit.remaining_seconds()) <= 0:
        raise TimeoutError
    return left if at_most is None else min(left, at_most)


@contextmanager
def acquire_within_deadline(lock: threading.Lock) -> Iterator[None]:
    """Hold the lock. Raises TimeoutError where the request under way ends before it is free."""
    seconds = remaining_seconds()
    if not lock.acquire(timeout=-1 if seconds is None else seconds):
        raise TimeoutError
    try:
        yield
    finally:
        lock.release()


class OutOfTimeError(TimeoutError):
    """What was called has not returned in the time that it was given."""


def call_in_time(call: Callable[[], T]) -> T:
    """What `call`, which knows no deadline of its own, returns or raises. Raises TimeoutError at the request's end."""
    return call() if (seconds := remaining_seconds()) is None else call_within(seconds, call)


def call_within(seconds: float, call: Callable[[], T]) -> T:
    """Return what `call` returns or raises in so many seconds; see `begin`."""
    return begin(call)(seconds)


def begin(call: Callable[[], T]) -> Callable[[float], T]:
    """Begins `call` in a thread. The returned function waits so many seconds for it, then raises OutOfTimeError.

    What has not returned then is left behind in its thread, which keeps no process alive.
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


class RequestClass(StrEnum):
    """The two kinds that Key Vault counts apart."""

    CREATE = "create"
    OTHER = "other"


# How many requests of each kind a store allows in any ten seconds; a kind that is not named is not limited.
Quotas = Mapping[RequestClass, int]
UNLIMITED: Final[Quotas] = {}
# Looked at again at this pace while the whole quota is under way and no end of a window is known.
_IN_FLIGHT_POLL: Final = 0.05


class WaitTooLongError(Exception):
    """Everybody pauses for longer than the request can wait."""


class Limiter:
    """One per vault, shared by its workers; every request runs inside `slot`.

    A request counts from before it is sent until a window after its reply came, so the server never sees more than the
    quota in any window, however long the network takes.
    """

    def __init__(self, quotas: Quotas, clock: Clock, window: float = 10.0) -> None:
        self._quotas = dict(quotas)
        self._clock = clock
        self._window = window
        self._lock = threading.Lock()
        self._in_flight = dict.fromkeys(RequestClass, 0)
        self._ended: dict[RequestClass, deque[float]] = {kind: deque() for kind in RequestClass}
        self._paused_until = 0.0

    @contextmanager
    def slot(self, kind: RequestClass, end: float = math.inf) -> Iterator[None]:
        """Waits until a request of this kind may be sent, and counts it while the block runs.

        Raises WaitTooLongError, at once, where a pause goes on beyond `end`; a quota is soon free again.
        """
        while (delay := self._enter(kind, end)) > 0:
            self._clock.sleep(delay)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[kind] -= 1
                if kind in self._quotas:
                    self._ended[kind].append(self._clock.now())

    def pause(self, seconds: float) -> None:
        """Let nobody send for so many seconds from now; an earlier, longer pause stands."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.now() + seconds)

    def _enter(self, kind: RequestClass, end: float) -> float:
        with self._lock:
            now = self._clock.now()
            if self._paused_until > max(now, end):
                raise WaitTooLongError
            delay = max(self._paused_until - now, self._wait(kind, now))
            if delay <= 0:
                self._in_flight[kind] += 1
            return delay

    def _wait(self, kind: RequestClass, now: float) -> float:
        if (quota := self._quotas.get(kind)) is None:
            return 0.0
        ended = self._ended[kind]
        while ended and ended[0] + self._window < now:
            ended.popleft()
        if self._in_flight[kind] + len(ended) < quota:
            return 0.0
        # Strictly after the window's end: both ends of "any 10 s" belong to it.
        return ended[0] + self._window - now + 0.001 if ended else _IN_FLIGHT_POLL


_GROWTH: Final = 2.0
# How often a wait is looked at before it is told, and after how many seconds the same is told again.
_LOOKS: Final = 5
_AGAIN: Final = 30.0


def ignore(_told: object) -> None:
    """Drop what nobody listens to."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait, in seconds. A wait is random below a ceiling that doubles up to `longest_wait`."""

    patience: float = 120.0  # what an operation may take, with all its requests, attempts and waits
    first_wait: float = 0.25
    first_throttled_wait: float = 2.0  # after a 429
    longest_wait: float = 15.0
    longest_retry_after: float = 30.0  # a Retry-After is obeyed up to this
    # Of all operations together until the store has answered once: a wrong address or a firewall is to be noticed soon,
    # a restart in the middle to be sat out.
    first_contact: float = 10.0

    @property
    def last_attempt(self) -> float:
        """What the last attempt is given, so that it can still be answered before the end."""
        return min(1.0, self.first_contact / 10, self.patience / 10)

    @property
    def settling(self) -> float:
        """What is kept of an operation for finding out what became of a write, should its reply be lost at the end."""
        return min(self.first_contact, self.patience / 4)


class Retrier:
    """Sends requests through the limiter until one succeeds, fails for good, or patience ends with the last error.

    `tell` gets a sentence about a wait after `silent` seconds, and every 30: a thread looks, as a socket, a name server
    or a log-in says nothing meanwhile.
    """

    def __init__(
        self,
        limiter: Limiter,
        clock: Clock,
        policy: RetryPolicy | None = None,
        chance: Callable[[], float] = random.random,
        store: str = "",
        tell: Callable[[str], None] = ignore,
        silent: float = 5.0,
    ) -> None:
        self.clock = clock
        self.policy = policy or RetryPolicy()
        self.deadlines = Deadlines(clock, self.policy.patience, self.policy.first_contact)
        self._limiter = limiter
        self._chance = chance
        self._store, self._tell, self._silent = store, tell, silent
        self._silence: StoreError | None = None
        self._throttled: StoreError | None = None
        # That of the last failure, while a request has no answer yet.
        self._reason = ""
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._watcher: threading.Thread | None = None

    def read(self, send: Callable[[], T]) -> T:
        """Send something that changes nothing, again after every retryable error."""
        return self._run(send, RequestClass.OTHER, settle=None)

    def write(
        self, send: Callable[[], T], settle: Callable[[], T | None], kind: RequestClass = RequestClass.CREATE
    ) -> T:
        """Sends a write; where its outcome is unknown, waits a moment and calls `settle` before anything else.

        `settle` reads back (through `read`): a result means that the write was stored, None that it was not and may be
        sent again. It raises a StoreError, outcome-unknown, when it cannot tell.
        """
        return self._run(send, kind, settle)

    def _run(self, send: Callable[[], T], kind: RequestClass, settle: Callable[[], T | None] | None) -> T:
        with self.deadlines.operation():
            if self._silence is not None and not self.deadlines.answered.is_set():
                # Its first contact is over: a second operation must not wait for it once more.
                raise self._silence.with_traceback(None)
            if self._tell is not ignore and self._watcher is None:
                self._watch()
            return self._send(send, kind, settle)

    def close(self) -> None:
        """Watch no longer; a second call does nothing."""
        self._closed.set()

    def _watch(self) -> None:
        told: dict[str, float] = {}

        def look() -> None:
            while not self._closed.wait(self._silent / _LOOKS):
                waited, left = self.deadlines.wait_times()
                # Without one: a request that has no answer yet, or that waits for its turn.
                reason = self._reason
                if waited >= self._silent and time.monotonic() >= told.get(reason, 0.0):
                    told[reason] = time.monotonic() + _AGAIN
                    why = f": {reason}" if reason else ""
                    self._tell(f"waiting for {self._store}, {waited:.0f} s so far{why}; at most {left:.0f} s more")

        with self._lock:
            if self._watcher is None:
                self._watcher = threading.Thread(target=look, daemon=True)
                self._watcher.start()

    def _send(self, send: Callable[[], T], kind: RequestClass, settle: Callable[[], T | None] | None) -> T:
        keep = 0.0 if settle is None else self.policy.settling
        attempt = 0
        while True:
            try:
                result = self._attempt(send, kind, keep)
            except StoreError as error:
                failure = error
            else:
                self._reason = ""
                self.deadlines.answered.set()
                return result
            self._reason = failure.reason
            self._require_worth_waiting(failure)
            wait = self._wait(attempt, failure)
            if settle is not None and failure.maybe_done:
                # A write whose reply was lost may still be on its way: a look at once would take it for lost. So unlike
                # other waits this one is never zero, but at least half of its ceiling.
                settling = (1 + self._chance()) / 2 * self._ceiling(attempt, self.policy.first_wait)
                self.clock.sleep(min(settling, self._seconds_left()))
                if (stored := settle()) is not None:
                    return stored
                wait = 0.0
            left = self._seconds_left(keep)
            if not failure.retryable or left <= 0:
                raise self._explain_failure(failure)
            attempt += 1
            if failure.code is Code.THROTTLED:
                if wait > left:
                    # The store is not asked again before the time that it names.
                    raise failure
                # The vault's quota is everyone's: all workers wait, not this one alone.
                self._throttled = failure
                self._limiter.pause(wait)
            else:
                # The last attempt is right before the end, however the waits before it fell.
                self.clock.sleep(min(wait, left))

    def _attempt(self, send: Callable[[], T], kind: RequestClass, keep: float) -> T:
        try:
            with self._limiter.slot(kind, self.deadlines.end(keep)), self.deadlines.request(keep):
                return send()
        except WaitTooLongError:
            # Another worker was told to wait, longer than this one can; its request was for another secret.
            told = cast("StoreError", self._throttled)
        place, wait = StoreLocation(told.place.store), told.retry_after
        raise StoreError(place, told.action, told.reason, told.remedy, Code.THROTTLED, retry_after=wait)

    def _seconds_left(self, keep: float = 0.0) -> float:
        """Seconds in which another attempt may begin."""
        return max(0.0, self.deadlines.end(keep) - self.policy.last_attempt - self.clock.now())

    def _require_worth_waiting(self, failure: StoreError) -> None:
        """Note what the failure tells of the store; raise one that is told at once where the store never answered."""
        if not failure.retryable or failure.code in (Code.BUSY, Code.THROTTLED):
            self.deadlines.answered.set()
        elif failure.fails_fast and not self.deadlines.answered.is_set():
            # Where the store has answered before, it is a restart or a seal in the middle, to be waited for.
            raise self._explain_failure(failure)

    def _explain_failure(self, failure: StoreError) -> StoreError:
        """The failure, and for how long an answer was waited for, where that is what ended it."""
        if not failure.retryable or failure.code is Code.THROTTLED:
            return failure
        seconds = max(1, round(self.deadlines.seconds_since_start()))
        if self.deadlines.answered.is_set():
            said = f"still so after {seconds} s of retries"
            return StoreError(failure.place, failure.action, f"{failure.reason}, {said}", failure.remedy, failure.code)
        reason = failure.reason if failure.fails_fast else f"{failure.reason}, tried for {seconds} s"
        told = failure.action, reason, failure.remedy, failure.code
        self._silence = StoreError(StoreLocation(failure.place.store), *told)
        return StoreError(failure.place, *told)

    def _wait(self, attempt: int, failure: StoreError) -> float:
        is_throttled = failure.code is Code.THROTTLED
        first = self.policy.first_throttled_wait if is_throttled else self.policy.first_wait
        asked = failure.retry_after or 0.0
        return min(asked, self.policy.longest_retry_after) + self._chance() * self._ceiling(attempt, first)

    def _ceiling(self, attempt: int, first: float) -> float:
        return min(self.policy.longest_wait, first * _GROWTH ** min(attempt, 16))


def parse_retry_after(text: str | None) -> float | None:
    """Return a Retry-After header in seconds; None when it is absent, garbage, a date or negative, to be ignored."""
    if text is None or not text.isascii() or not text.strip().isdigit():
        return None
    return float(text.strip()[:9])
