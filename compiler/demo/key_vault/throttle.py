"""Decides by Key Vault's two throttles, from a request's kind and time, whether it is admitted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

RequestKind = Literal["create", "other"]


@dataclass(frozen=True)
class Limits:
    """Requests that one vault takes in `window` seconds; None is no limit.

    The defaults are the service's own: https://learn.microsoft.com/azure/key-vault/general/service-limits
    """

    creates: int | None = 300
    others: int | None = 4_000
    window: float = 10.0


class Throttle:
    """Counts the admitted requests of each kind in a sliding window, which is stricter than windows side by side."""

    def __init__(self, limits: Limits) -> None:
        self._window = limits.window
        self._limits: dict[RequestKind, int | None] = {"create": limits.creates, "other": limits.others}
        self._admitted: dict[RequestKind, deque[float]] = {"create": deque(), "other": deque()}
        self._closed_from = 0.0
        self._closed_until = 0.0

    def close_between(self, start: float, end: float) -> None:
        """Refuse every request in [start, end), as while another client uses the vault up."""
        self._closed_from, self._closed_until = start, end

    def admits(self, kind: RequestKind, now: float) -> bool:
        if self._closed_from <= now < self._closed_until:
            return False
        limit, admitted = self._limits[kind], self._admitted[kind]
        if limit is None:
            return True
        while admitted and admitted[0] <= now - self._window:
            admitted.popleft()
        if len(admitted) >= limit:
            return False
        admitted.append(now)
        return True
