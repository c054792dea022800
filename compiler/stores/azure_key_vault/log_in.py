"""Logs in to Azure as the environment variables say, one token for all threads; no message shows what they hold."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.pipeline.transport import HttpTransport

from compiler.stores.azure_key_vault.provider import CLOUDS, cloud_of
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.interface import Identity
from compiler.stores.pacing import acquire_within_deadline, call_in_time
from compiler.text.wording import install_line, shell_line

TOKEN_VARIABLE: Final = "AZURE_KEYVAULT_TOKEN"  # noqa: S105 - a variable's name
# A token becomes a header; with other characters the client retries for ten seconds and reports a broken connection.
_NO_TOKEN: Final = re.compile(r"[^!-~]")
# What AZURE_TOKEN_CREDENTIALS may name, in Azure's own spelling.
_DEFAULT: Final = "DefaultAzureCredential"
_CREDENTIALS: Final = (
    "dev",
    "prod",
    "EnvironmentCredential",
    "WorkloadIdentityCredential",
    "ManagedIdentityCredential",
    "VisualStudioCodeCredential",
    "AzureCliCredential",
    "AzurePowerShellCredential",
    "AzureDeveloperCliCredential",
    "InteractiveBrowserCredential",
)
# Clouds whose users log in elsewhere than at login.microsoftonline.com.
_AUTHORITIES: Final = {"ChinaCloud": "login.chinacloudapi.cn", "USGovernmentCloud": "login.microsoftonline.us"}


def shared_credential(
    credential: TokenCredential | None,
    environ: Mapping[str, str],
    url: str,
    place: StoreLocation,
    transport: Callable[[], HttpTransport[Any, Any]],
    *,
    is_emulator: bool,
) -> SharedCredential:
    """The given credential, a token that stands in a variable, or the one of Azure's own variables.

    That one asks log-in servers over what `transport` makes. Raises a StoreError: missing-dependency, or
    unauthenticated for variables that cannot be used.
    """
    if credential is not None:
        return SharedCredential(credential, type(credential).__name__)
    if (token := environ.get(TOKEN_VARIABLE)) is not None:
        if not token.strip():
            # Most often a pipeline whose secret is missing: it must not go on as whoever is logged in beside it.
            remedy = "fill it, or unset it to use the credentials of Azure's own variables"
            raise StoreError(place, Action.LOG_IN, f"{TOKEN_VARIABLE} is set but empty", remedy, Code.UNAUTHENTICATED)
        if token.strip().startswith(("'", '"')):
            reason = f"{TOKEN_VARIABLE} has quotes around the token"
            raise StoreError(place, Action.LOG_IN, reason, "write the token without them", Code.UNAUTHENTICATED)
        if _NO_TOKEN.search(token):
            reason = f"{TOKEN_VARIABLE} has a line break or a character that tokens cannot have"
            raise StoreError(place, Action.LOG_IN, reason, "set it again, on one line", Code.UNAUTHENTICATED)
        return SharedCredential(FixedToken(token, is_for_any=is_emulator), TOKEN_VARIABLE)
    return SharedCredential(_default_credential(environ, url, place, transport), _method(environ), is_owned=True)


def _method(environ: Mapping[str, str]) -> str:
    named = environ.get("AZURE_TOKEN_CREDENTIALS", "").strip().lower()
    return next((known for known in _CREDENTIALS if known.lower() == named), _DEFAULT)


def _default_credential(
    environ: Mapping[str, str], url: str, place: StoreLocation, transport: Callable[[], HttpTransport[Any, Any]]
) -> TokenCredential:
    try:
        # 200 ms of import that an injected credential or a given token does not need.
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415
    except ModuleNotFoundError:
        reason = 'the Python package "azure-identity" is not installed'
        remedy = f"run: {install_line('azure')}"
        raise StoreError(place, Action.LOG_IN, reason, remedy, Code.MISSING_DEPENDENCY) from None
    authority = _AUTHORITIES.get(cloud_of((urlsplit(url).hostname or "").lower()) or "")
    chosen = {} if authority is None or environ.get("AZURE_AUTHORITY_HOST") else {"authority": authority}
    opened = transport()
    try:
        with warnings.catch_warnings():
            # That of a credential which sends by itself: Service Fabric's.
            warnings.simplefilter("ignore")
            return DefaultAzureCredential(transport=opened, **chosen)
    except Exception:  # noqa: BLE001 - a name, a file or a certificate that it cannot use, each with an error of its own
        # Without the SDK's text, which quotes what the variables hold.
        reason = "a variable that chooses the Azure credential cannot be used"
    remedy = (
        "correct AZURE_TOKEN_CREDENTIALS (AzureCliCredential, for example), AZURE_AUTHORITY_HOST, or "
        "AZURE_CLIENT_CERTIFICATE_PATH and its password"
    )
    raise StoreError(place, Action.LOG_IN, reason, remedy, Code.UNAUTHENTICATED)


# The SDK asks anew when less than this is left; a shorter margin here would make it ask for every request.
_MARGIN: Final = 300.0
_ENTRA_CODE: Final = re.compile(r"AADSTS[0-9]{3,9}")
# The resource of each cloud: https://learn.microsoft.com/azure/key-vault/general/authentication
_KEY_VAULTS: Final = frozenset(CLOUDS.values())
_SUBJECT_CLAIMS: Final = ("upn", "preferred_username", "unique_name", "appid", "azp")


class NoTokenError(Exception):
    """There is no token to send: what the StoreError of it says. A credential's own text may hold more than that."""

    def __init__(self, reason: str, remedy: str, code: Code = Code.UNAUTHENTICATED) -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.code = reason, remedy, code


@dataclass(frozen=True)
class FixedToken:
    """A credential of one token that was issued elsewhere, such as by a pipeline step or for an emulator.

    The server at a vault's URL says which resource a token is for, and may name any of its own domain. Unless
    `is_for_any`, the token is given only for the resource that it was made for, by default Key Vault's. Raises
    NoTokenError.
    """

    token: str
    is_for_any: bool = False

    def __repr__(self) -> str:
        return "FixedToken(…)"

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
        claims = claims_of(self.token)
        own = _host(claims.get("aud"))
        if not self.is_for_any and not {*map(_host, scopes)} <= ({own} if own else _KEY_VAULTS):
            reason = f"it asks for a token for another resource than that of {TOKEN_VARIABLE}, so none was sent"
            raise NoTokenError(reason, "check the vault's URL")
        # Without a readable end it counts as good for an hour: the vault itself says when it is not.
        ends = claims.get("exp")
        return AccessToken(self.token, ends if isinstance(ends, int) else int(time.time()) + 3_600)


class SharedCredential:
    """Asks the inner credential once for all threads until its token nears its end; closes it only if it owns it."""

    def __init__(
        self, inner: TokenCredential, method: str, clock: Callable[[], float] = time.time, *, is_owned: bool = False
    ) -> None:
        self._inner = inner
        self._is_owned = is_owned
        self.method = method
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[tuple[str, ...], AccessToken] | None = None

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
        """The signature that the SDK calls. Raises NoTokenError."""
        try:
            return self._token(scopes, options)
        except TimeoutError:
            pass
        remedy = "check the network to its log-in server, or name one credential in AZURE_TOKEN_CREDENTIALS"
        raise NoTokenError(f"{self._without_token} in time", remedy, Code.UNAVAILABLE)

    @property
    def _without_token(self) -> str:
        if self.method == _DEFAULT:
            return "none of the credentials that DefaultAzureCredential tries returned a token"
        return f"{self.method} returned no token"

    def _token(self, scopes: tuple[str, ...], options: Mapping[str, Any]) -> AccessToken:
        with acquire_within_deadline(self._lock):
            # A claims challenge says that the token at hand is not good enough any more.
            if self._held is not None and not options.get("claims") and self._held[0] == scopes:
                token = self._held[1]
                if token.expires_on - self._clock() > _MARGIN:
                    return token
            codes: dict[str, None] = {}
            try:
                # It asks elsewhere, by programs and connections of its own, of which each may be slow.
                token = call_in_time(lambda: self._inner.get_token(*scopes, **options))
            except (NoTokenError, TimeoutError):
                raise
            except Exception as error:  # noqa: BLE001 - every credential has exceptions of its own
                codes = dict.fromkeys(_ENTRA_CODE.findall(str(error)))
            else:
                self._held = (scopes, token)
                return token
        # Outside the handler: the credential's error may hold a client secret and must not stay as our context.
        remedy = f"log in (`{shell_line('az', 'login')}`), or name one credential in AZURE_TOKEN_CREDENTIALS"
        shown = f" ({', '.join(codes)})" if codes else ""
        raise NoTokenError(f"{self._without_token}{shown}", remedy)

    def forget(self, refused: str) -> None:
        """Drop the token that the vault refused, so that the next request logs in anew; a newer one stays."""
        with self._lock:
            if self._held is not None and self._held[1].token == refused:
                self._held = None

    @property
    def label(self) -> str:
        """What messages call the credential: its name, and which one of several gave the token."""
        chosen = self._name_in_chain()
        return f"{self.method} ({chosen})" if chosen else self.method

    def _name_in_chain(self) -> str:
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
        # It goes into audit lines: nothing in it may start a second one.
        subject = subject.encode("unicode_escape").decode("ascii")
        return Identity(subject, self.method, _time(token.expires_on), self._name_in_chain())


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
