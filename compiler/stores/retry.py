"""Retrier: the one policy of sending again: full jitter, minutes of patience, and no write sent twice blindly."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from compiler.stores.clock import Clock
from compiler.stores.errors import StoreError, ThrottledError
from compiler.stores.limiter import Limiter, RequestClass

T = TypeVar("T")
_GROWTH: Final = 2.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """In seconds.

    `patience` runs from the first failure. A wait is random below a ceiling that doubles from `first_wait` (from
    `first_throttled_wait` after a 429) up to `longest_wait`. A Retry-After is obeyed up to `longest_retry_after`.
    """

    patience: float = 120.0
    first_wait: float = 0.25
    first_throttled_wait: float = 2.0
    longest_wait: float = 15.0
    longest_retry_after: float = 30.0


@dataclass(frozen=True, slots=True)
class Retrier:
    """Sends requests through the limiter until one succeeds, fails for good, or patience ends with the last error."""

    limiter: Limiter
    clock: Clock
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    chance: Callable[[], float] = random.random

    def read(self, send: Callable[[], T], kind: RequestClass = RequestClass.OTHER) -> T:
        """Send something that changes nothing, again after every retryable error."""
        return self._run(send, kind, settle=None)

    def write(
        self, send: Callable[[], T], settle: Callable[[], T | None], kind: RequestClass = RequestClass.CREATE
    ) -> T:
        """Send a write; where its outcome is unknown, call `settle` before anything else.

        `settle` reads back (through `read`): a result means that the write was stored, None that it was not and may be
        sent again. It raises OutcomeUnknownError when it cannot tell.
        """
        return self._run(send, kind, settle)

    def _run(self, send: Callable[[], T], kind: RequestClass, settle: Callable[[], T | None] | None) -> T:
        started: float | None = None
        attempt = 0
        while True:
            try:
                with self.limiter.slot(kind):
                    return send()
            except StoreError as error:
                failure = error
            if settle is not None and failure.maybe_done and (stored := settle()) is not None:
                return stored
            now = self.clock.now()
            started = now if started is None else started
            wait = self._wait(attempt, failure)
            if not failure.retryable or now + wait > started + self.policy.patience:
                raise failure
            attempt += 1
            if isinstance(failure, ThrottledError):
                # The vault's quota is everyone's: all workers wait, not this one alone.
                self.limiter.pause(wait)
            else:
                self.clock.sleep(wait)

    def _wait(self, attempt: int, failure: StoreError) -> float:
        throttled = isinstance(failure, ThrottledError)
        first = self.policy.first_throttled_wait if throttled else self.policy.first_wait
        wait = self.chance() * min(self.policy.longest_wait, first * _GROWTH ** min(attempt, 16))
        asked = failure.retry_after if isinstance(failure, ThrottledError) else None
        return wait if asked is None else min(asked, self.policy.longest_retry_after) + wait


def parse_retry_after(text: str | None) -> float | None:
    """Return a Retry-After header in seconds; None when it is absent, garbage, a date or negative, to be ignored."""
    if text is None or not text.isascii() or not text.strip().isdigit():
        return None
    return float(text.strip()[:9])
