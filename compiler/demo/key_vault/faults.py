"""Picks the fault that hits a request of the local vault, by a script of faults."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from enum import Enum


class FaultKind(Enum):
    """What goes wrong."""

    DROP_REQUEST = "the connection is closed before the request is handled"
    DROP_REPLY = "the request is handled, then the connection is closed without a reply"
    RESET = "the connection is reset before the request is handled"
    RESET_REPLY = "the request is handled, then the connection is reset without a reply"
    TRUNCATE_REPLY = "the request is handled, half of the reply is sent"
    STATUS = "an error status without handling the request"
    STATUS_AFTER = "the request is handled, and an error status sent in place of its reply"
    HTML = "a proxy's page with the status `page` in place of the reply"
    REDIRECT = "a redirect to `location`"
    DELAY = "the reply comes `seconds` late"
    ALTER = "the request is handled, and what the pattern `old` finds in its reply is sent as `value`"
    LIE = "a set answers as if it had stored the value, and stores `value`"
    FORBID = "403 with the innererror `inner`"


@dataclass(frozen=True)
class Fault:
    """One kind of failure and the requests it hits: `times` of those that match, after the first `after` of them.

    `method` None and `path` "" match everything; `path` is searched as a regular expression. With `rate`, each request
    that matches is hit with that chance instead, from a seeded generator, and `times` None never ends.
    """

    kind: FaultKind
    method: str | None = None
    path: str = ""
    times: int | None = 1
    after: int = 0
    rate: float | None = None
    status: int = 503
    retry_after: str | None = None
    location: str = ""
    seconds: float = 0.0
    value: str = ""
    old: str = ""
    page: int = 200
    inner: str = "ForbiddenByRbac"


class FaultScript:
    """The faults that are due: the first added that matches a request hits it. Needs the caller's lock."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable failures, not cryptography
        self._faults: list[tuple[Fault, list[int]]] = []

    def add(self, fault: Fault) -> None:
        self._faults.append((fault, [0, 0]))

    def clear(self) -> None:
        self._faults.clear()

    def next_for(self, method: str, path: str) -> Fault | None:
        for fault, counts in self._faults:
            if fault.method not in (None, method) or not re.search(fault.path, path):
                continue
            if fault.times is not None and counts[1] >= fault.times:
                continue
            counts[0] += 1
            if counts[0] <= fault.after or (fault.rate is not None and self._random.random() >= fault.rate):
                continue
            counts[1] += 1
            return fault
        return None
