"""Keeps all workers of one vault below its quotas; one throttled request slows all of them down."""

import math
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Final

from compiler.model.record import dataclass
from compiler.stores.sending.clock import Clock


class RequestClass(StrEnum):
    """The two kinds that Key Vault counts apart."""

    CREATE = "create"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` requests in any `window` seconds."""

    limit: int
    window: float = 10.0


# Key Vault's service limits per vault: 300 creates and 4,000 other transactions in 10 s.
# https://learn.microsoft.com/azure/key-vault/general/service-limits
KEY_VAULT_QUOTAS: Final[Mapping[RequestClass, Quota]] = {
    RequestClass.CREATE: Quota(300),
    RequestClass.OTHER: Quota(4000),
}
UNLIMITED: Final[Mapping[RequestClass, Quota]] = {}
# Looked at again at this pace while the whole quota is under way and no end of a window is known.
_IN_FLIGHT_POLL: Final = 0.05


class NoTurnError(Exception):
    """Everybody pauses for longer than the request can wait."""


class Limiter:
    """One per vault, shared by its workers; every request runs inside `slot`.

    A request counts from before it is sent until a window after its reply came, so the server, which sees it somewhere
    in between, never sees more than the quota in any window, however long the network takes in either direction.
    """

    def __init__(self, quotas: Mapping[RequestClass, Quota], clock: Clock) -> None:
        self._quotas = dict(quotas)
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight = dict.fromkeys(RequestClass, 0)
        self._ended: dict[RequestClass, deque[float]] = {kind: deque() for kind in RequestClass}
        self._paused_until = 0.0

    def slot(self, kind: RequestClass, end: float = math.inf) -> AbstractContextManager[None]:
        """Wait until a request of this kind may be sent, and count it while the block runs.

        Raises NoTurnError, at once, where a pause goes on beyond `end`; a quota is soon free again.
        """
        return _Slot(self, kind, end)

    def take(self, kind: RequestClass, end: float) -> None:
        """What a slot begins with."""
        while (delay := self._enter(kind, end)) > 0:
            self._clock.sleep(delay)

    def give_back(self, kind: RequestClass) -> None:
        """What it ends with."""
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
                raise NoTurnError
            delay = max(self._paused_until - now, self._wait(kind, now))
            if delay <= 0:
                self._in_flight[kind] += 1
            return delay

    def _wait(self, kind: RequestClass, now: float) -> float:
        if (quota := self._quotas.get(kind)) is None:
            return 0.0
        ended = self._ended[kind]
        while ended and ended[0] + quota.window < now:
            ended.popleft()
        if self._in_flight[kind] + len(ended) < quota.limit:
            return 0.0
        # Strictly after the window's end: both ends of "any 10 s" belong to it.
        return ended[0] + quota.window - now + 0.001 if ended else _IN_FLIGHT_POLL


class _Slot(AbstractContextManager[None]):
    # By hand, as those in deadline.py.
    def __init__(self, limiter: Limiter, kind: RequestClass, end: float) -> None:
        self._limiter = limiter
        self._kind = kind
        self._end = end

    def __enter__(self) -> None:
        self._limiter.take(self._kind, self._end)

    def __exit__(self, *_raised: object) -> None:
        self._limiter.give_back(self._kind)
