"""Retrier: the one policy of sending again: full jitter, minutes of patience, and no write sent twice blindly."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from compiler.stores.errors import BusyError, StoreError, ThrottledError, UnavailableError
from compiler.stores.sending.clock import Clock
from compiler.stores.sending.limiter import Limiter, RequestClass

T = TypeVar("T")
_GROWTH: Final = 2.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """In seconds.

    `patience` runs from the first failure. While the store has not answered once it is `first_contact`, from before the
    first attempt: a wrong address or a firewall is to be told soon, a restart in the middle to be sat out. A wait is
    random below a ceiling that doubles from `first_wait` (from `first_throttled_wait` after a 429) up to
    `longest_wait`. A Retry-After is obeyed up to `longest_retry_after`.
    """

    patience: float = 120.0
    first_wait: float = 0.25
    first_throttled_wait: float = 2.0
    longest_wait: float = 15.0
    longest_retry_after: float = 30.0
    first_contact: float = 10.0


@dataclass(frozen=True, slots=True)
class Retrier:
    """Sends requests through the limiter until one succeeds, fails for good, or patience ends with the last error.

    `answered` is set by the first answer that shows a working store: a success, a refusal, a 429, but no 5xx.
    """

    limiter: Limiter
    clock: Clock
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    chance: Callable[[], float] = random.random
    answered: threading.Event = field(default_factory=threading.Event)

    def read(self, send: Callable[[], T], kind: RequestClass = RequestClass.OTHER) -> T:
        """Send something that changes nothing, again after every retryable error."""
        return self._run(send, kind, settle=None)

    def write(
        self, send: Callable[[], T], settle: Callable[[], T | None], kind: RequestClass = RequestClass.CREATE
    ) -> T:
        """Send a write; where its outcome is unknown, wait a moment and call `settle` before anything else.

        `settle` reads back (through `read`): a result means that the write was stored, None that it was not and may be
        sent again. It raises OutcomeUnknownError when it cannot tell.
        """
        return self._run(send, kind, settle)

    def _run(self, send: Callable[[], T], kind: RequestClass, settle: Callable[[], T | None] | None) -> T:
        began = self.clock.now()
        failed: float | None = None
        attempt = 0
        while True:
            try:
                with self.limiter.slot(kind):
                    result = send()
            except StoreError as error:
                failure = error
            else:
                if not self.answered.is_set():
                    self.answered.set()
                return result
            self._heard(failure)
            failed = self.clock.now() if failed is None else failed
            wait = self._wait(attempt, failure)
            if settle is not None and failure.maybe_done:
                # What lost its reply may still be under way: looked for at once, it would be taken for lost itself.
                self.clock.sleep(self._settle_wait(attempt))
                if (stored := settle()) is not None:
                    return stored
                wait = 0.0
            left = self._end(began, failed) - self.clock.now()
            if not failure.retryable or left <= 0:
                raise self._given_up(failure)
            attempt += 1
            if isinstance(failure, ThrottledError):
                if wait > left:
                    # Earlier than it asks for, the store is not asked again.
                    raise failure
                # The vault's quota is everyone's: all workers wait, not this one alone.
                self.limiter.pause(wait)
            else:
                # The last attempt is at the very end, however the waits before it fell.
                self.clock.sleep(min(wait, left))

    def _heard(self, failure: StoreError) -> None:
        if not isinstance(failure, UnavailableError) or isinstance(failure, BusyError):
            self.answered.set()

    def _end(self, began: float, failed: float) -> float:
        end = failed + self.policy.patience
        return end if self.answered.is_set() else min(end, began + self.policy.first_contact)

    def _given_up(self, failure: StoreError) -> StoreError:
        """The failure, and for how long an answer was waited for, where that is what ended it."""
        if not isinstance(failure, UnavailableError):
            return failure
        seconds = self.policy.patience
        said = f"still so after {seconds:g} s of trying"
        if not self.answered.is_set():
            seconds = min(seconds, self.policy.first_contact)
            said = f"and in {seconds:g} s it has not answered once"
        return type(failure)(failure.place, failure.action, f"{failure.reason}, {said}", failure.remedy)

    def _settle_wait(self, attempt: int) -> float:
        # Never none at all, unlike other waits: half of the ceiling is sure.
        return (1 + self.chance()) / 2 * self._ceiling(attempt, self.policy.first_wait)

    def _wait(self, attempt: int, failure: StoreError) -> float:
        throttled = isinstance(failure, ThrottledError)
        first = self.policy.first_throttled_wait if throttled else self.policy.first_wait
        wait = self.chance() * self._ceiling(attempt, first)
        asked = failure.retry_after if isinstance(failure, ThrottledError) else None
        return wait if asked is None else min(asked, self.policy.longest_retry_after) + wait

    def _ceiling(self, attempt: int, first: float) -> float:
        return min(self.policy.longest_wait, first * _GROWTH ** min(attempt, 16))


def parse_retry_after(text: str | None) -> float | None:
    """Return a Retry-After header in seconds; None when it is absent, garbage, a date or negative, to be ignored."""
    if text is None or not text.isascii() or not text.strip().isdigit():
        return None
    return float(text.strip()[:9])
