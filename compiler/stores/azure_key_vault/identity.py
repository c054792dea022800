"""Gives all threads one token of the Azure credential, and reads the caller's name from its claims."""

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from compiler.model.address import CLOUDS
from compiler.stores.interface import Identity
from compiler.stores.sending.deadline import call_in_time, held
from compiler.text.regex import regex

# The SDK asks anew when less than this is left; a shorter margin here would make it ask for every request.
_MARGIN: Final = 300.0
_ENTRA_CODE: Final = regex(r"AADSTS[0-9]{3,9}")
# The resource of each cloud: https://learn.microsoft.com/azure/key-vault/general/authentication
_KEY_VAULTS: Final = frozenset(CLOUDS.values())
_SUBJECT_CLAIMS: Final = ("upn", "preferred_username", "unique_name", "appid", "azp")


class AccessToken(NamedTuple):
    """A bearer token and the second since 1970 when it ends."""

    token: str
    expires_on: int


class TokenLike(Protocol):
    """What any credential returns."""

    @property
    def token(self) -> str: ...

    @property
    def expires_on(self) -> int: ...


class Credential(Protocol):
    """What the Key Vault client needs of a credential; every class of azure-identity has it."""

    def get_token(self, *scopes: str, **options: Any) -> TokenLike: ...  # noqa: ANN401 - azure's own signature


class NoTokenError(Exception):
    """The credential gave no token. `codes` are Entra's error codes; its own text may hold more than that."""

    def __init__(self, codes: tuple[str, ...]) -> None:
        super().__init__(*codes)
        self.codes = codes


class NoTokenInTimeError(Exception):
    """The credential gave no token before the operation that it was for had to end."""


class ForeignResourceError(Exception):
    """The server asks for a token of another resource than that of the one at hand, which is not sent."""


@dataclass(frozen=True)
class FixedToken:
    """A credential of one token that was issued elsewhere, such as by a pipeline step or for an emulator.

    The server at a vault's URL says which resource a token is to be for, and may name any of its own domain. Unless
    `is_for_any`, the token is given only for the resource that it was made for, or where it names none, for Key
    Vault's own. Raises ForeignResourceError.
    """

    token: str
    is_for_any: bool = False

    def __repr__(self) -> str:
        return "FixedToken(…)"

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
        claims = claims_of(self.token)
        own = _host(claims.get("aud"))
        if not self.is_for_any and not {*map(_host, scopes)} <= ({own} if own else _KEY_VAULTS):
            raise ForeignResourceError
        # Without a readable end it counts as good for an hour: the vault itself says when it is not.
        ends = claims.get("exp")
        return AccessToken(self.token, ends if isinstance(ends, int) else int(time.time()) + 3_600)


class SharedCredential:
    """Asks the inner credential once for all threads until its token nears its end.

    An inner credential that is owned is closed with this one; any other is closed by its caller.
    """

    def __init__(
        self, inner: Credential, method: str, clock: Callable[[], float] = time.time, *, is_owned: bool = False
    ) -> None:
        self._inner = inner
        self._is_owned = is_owned
        self.method = method
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[tuple[str, ...], TokenLike] | None = None

    def get_token(self, *scopes: str, **options: Any) -> TokenLike:  # noqa: ANN401 - azure's own signature
        """The signature that the SDK calls. Raises NoTokenError, ForeignResourceError, and NoTokenInTimeError."""
        try:
            return self._token(scopes, options)
        except TimeoutError:
            pass
        raise NoTokenInTimeError

    def _token(self, scopes: tuple[str, ...], options: Mapping[str, Any]) -> TokenLike:
        with held(self._lock):
            # A claims challenge says that the token at hand is not good enough any more.
            if self._held is not None and not options.get("claims") and self._held[0] == scopes:
                token = self._held[1]
                if token.expires_on - self._clock() > _MARGIN:
                    return token
            codes: tuple[str, ...] = ()
            try:
                # It asks elsewhere, by programs and connections of its own, of which each may be slow.
                token = call_in_time(lambda: self._inner.get_token(*scopes, **options))
            except (ForeignResourceError, TimeoutError):
                raise
            except Exception as error:  # noqa: BLE001 - every credential has exceptions of its own
                codes = tuple(dict.fromkeys(_ENTRA_CODE.findall(str(error))))
            else:
                self._held = (scopes, token)
                return token
        # Outside the handler: the credential's error may hold a client secret and must not stay as our context.
        raise NoTokenError(codes)

    def forget(self, refused: str) -> None:
        """Drop the token that the vault refused, so that the next request logs in anew; a newer one stays."""
        with self._lock:
            if self._held is not None and self._held[1].token == refused:
                self._held = None

    @property
    def shown(self) -> str:
        """What messages call the credential: its name, and which one of several gave the token."""
        chosen = self._chosen()
        return f"{self.method} ({chosen})" if chosen else self.method

    def _chosen(self) -> str:
        # The SDK's chain keeps the credential that gave a token under this name, and tells it nobody else.
        chosen = getattr(self._inner, "_successful_credential", None)
        return "" if chosen is None else type(chosen).__name__

    def close(self) -> None:
        """Free an owned credential's connections."""
        close = getattr(self._inner, "close", None)
        if self._is_owned and callable(close):
            close()

    def identity(self) -> Identity | None:
        """Return the caller as the token at hand names it; None before the first token."""
        with self._lock:
            if self._held is None:
                return None
            token = self._held[1]
        claims = claims_of(token.token)
        names = [str(claims[name]) for name in _SUBJECT_CLAIMS if isinstance(claims.get(name), str)]
        object_id = claims.get("oid")
        parts = names[:1] + ([f"oid {object_id}"] if isinstance(object_id, str) else [])
        subject = " ".join([parts[0], *(f"({part})" for part in parts[1:])]) if parts else "unknown"
        return Identity(_one_line(subject), self.method, _time(token.expires_on), self._chosen())


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token, unverified, for show only; empty when it is no JWT."""
    part = token.split(".")[1] if token.count(".") == 2 else ""  # noqa: PLR2004 - header, claims, signature
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        # Far beyond any calendar: as good as no end.
        return None


def _host(resource: object) -> str:
    try:
        return urlsplit(resource).netloc.lower() if isinstance(resource, str) else ""
    except ValueError:
        return ""


def _one_line(subject: str) -> str:
    # It goes into audit lines: nothing in it may start a second one.
    return subject.encode("unicode_escape").decode("ascii")
