"""Issues signed bearer tokens for the local vault, and checks each one that a request brings."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

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
