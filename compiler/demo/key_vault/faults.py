"""Decides which request to the local vault fails, is throttled, or brings a token that is not good."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, NamedTuple

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


DEFAULT_CALLER = {
    "oid": "11111111-1111-4111-8111-111111111111",
    "tid": "22222222-2222-4222-8222-222222222222",
    "upn": "ada@example.com",
}


class LocalAccessToken(NamedTuple):
    """What the SDK expects of a credential: the token and when it ends, in seconds since 1970."""

    token: str
    expires_on: int


class TokenIssuer:
    """Issues tokens and judges them; what it signs has the shape of an Entra token, and only it accepts them."""

    def __init__(self, audience: str, clock: Callable[[], float]) -> None:
        self._audience = audience
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._generation = 0

    def issue(self, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> LocalAccessToken:
        ends = int(self._clock() + lifetime)
        claims = {"aud": self._audience, "exp": ends, "gen": self._generation, **(caller or DEFAULT_CALLER)}
        signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        return LocalAccessToken(f"{signed}.{self._signature(signed)}", ends)

    def revoke_all(self) -> None:
        """Every token issued so far stops working, as after a revoked session."""
        self._generation += 1

    def fault_of(self, authorization: str | None) -> str | None:
        """None for a good `Authorization` header, else what Key Vault says is wrong with it."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return "AKV10000: Request is missing a Bearer or PoP token."
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(signed).encode()):
            return "AKV10022: Invalid signature of the token."
        claims = _decoded(signed.partition(".")[2])
        if claims["aud"] != self._audience:
            return f"AKV10022: Invalid audience. Expected {self._audience}."
        if claims["exp"] <= self._clock():
            return "AKV10001: The token is expired."
        if claims["gen"] != self._generation:
            return "AKV10002: The token was revoked."
        return None

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._key, signed.encode(), hashlib.sha256))


class LocalCredential:
    """A credential for the SDK that asks the local vault's issuer; `requests` counts how often it was asked."""

    def __init__(self, issuer: TokenIssuer, *, lifetime: float = 3_600.0, caller: dict[str, str] | None = None) -> None:
        self._issuer = issuer
        self._lifetime = lifetime
        self._caller = caller
        self.requests = 0

    def get_token(self, *_scopes: str, **_options: Any) -> LocalAccessToken:  # noqa: ANN401 - the SDK's own signature
        self.requests += 1
        return self._issuer.issue(lifetime=self._lifetime, caller=self._caller)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _encoded(part: dict[str, Any]) -> str:
    return _base64(json.dumps(part, separators=(",", ":")).encode())


def _decoded(part: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


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
