"""Opens the session of one Key Vault, which sends to that host alone, and turns refusals into StoreErrors."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPS_PORT
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, select_proxy
from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import parse_url

from compiler.model.address import parse_address
from compiler.model.facts import has_more_values
from compiler.model.files import NamedFileError, require_file, shown_file
from compiler.stores.azure_key_vault.log_in import TOKEN_VARIABLE
from compiler.stores.deadline import note_answer
from compiler.stores.errors import (
    Action,
    BusyError,
    DisabledError,
    ExpiredTokenError,
    ForbiddenCause,
    ForbiddenError,
    InvalidNameError,
    InvalidValueError,
    NotFoundError,
    RedirectRefusedError,
    SoftDeletedError,
    StoreError,
    StoreLocation,
    ThrottledError,
    TlsFailureError,
    UnauthenticatedError,
    UnavailableError,
    UnexpectedReplyError,
)
from compiler.stores.http import (
    MOST_VALUES,
    PROXY_REFUSES,
    BoundedResponse,
    ConnectionDeniedError,
    ReplyTooLargeError,
    Server,
    TimedConnection,
    UnknownHostError,
    no_answer,
    open_socket,
    trust_remedy,
    why_untrusted,
)
from compiler.stores.interface import Attributes, Identity
from compiler.stores.pacing import parse_retry_after
from compiler.stores.secret_value.secret import SecretValue
from compiler.text.command_line import BLANK, shell_line


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version; `value` is None in lists and of deleted secrets."""

    name: str
    version: str | None
    value: SecretValue | None
    attributes: Attributes


class VaultClient(Protocol):
    """One request each, sent once; raises StoreErrors only. `action` is what a refusal says was being done.

    A page comes with the token of the next one, None after the last. `ask` is for what any answer brings along.
    """

    def get(self, name: str, version: str | None, action: Action) -> Bundle: ...

    def set(self, name: str, value: SecretValue, attributes: Attributes) -> Bundle: ...

    def get_deleted(self, name: str, action: Action) -> Bundle: ...

    def delete(self, name: str) -> Bundle: ...

    def recover(self, name: str) -> Bundle: ...

    def ask(self) -> None: ...

    def page_of_versions(self, name: str, token: str | None, action: Action) -> tuple[list[Bundle], str | None]: ...

    def identity(self) -> Identity | None: ...

    def close(self) -> None: ...


_PERMISSIONS: Final = {
    Action.READ: "secrets/get",
    Action.DESCRIBE: "secrets/list",
    Action.LIST: "secrets/list",
    Action.WRITE: "secrets/set",
    Action.DELETE: "secrets/delete",
    Action.RECOVER: "secrets/recover",
}
_READING: Final = frozenset({Action.READ, Action.DESCRIBE, Action.LIST})
# How Key Vault says that a secret, a version of it or a deleted one is not there.
_ABSENT: Final = "SecretNotFound"
# Characters of a message that are looked at.
_LONGEST_MESSAGE: Final = 4096
_BUSY: Final = frozenset({"ObjectIsBeingDeleted", "ObjectIsBeingRecovered", "ObjectIsBeingPurged"})


class Denial(StrEnum):
    """The kinds of ForbiddenByPolicy, which only the beginning of its message tells apart."""

    ACCESS_POLICY = "access-policy"
    ON_BEHALF_OF = "on-behalf-of"

    @classmethod
    def of(cls, message: str | None) -> Denial | None:
        """The kind of a message of Key Vault, of which nothing is shown; None for any other."""
        if message is None or len(message) > _LONGEST_MESSAGE:
            return None
        if message.startswith("The policy requires the caller '"):
            return cls.ON_BEHALF_OF
        is_denial = message.startswith("The user, group or application '") and "' does not have secrets" in message
        return cls.ACCESS_POLICY if is_denial else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What may be copied from an error's reply: no body, no message (a proxy may have written it), no request.

    `denial` is what the message of a ForbiddenByPolicy begins with, where that is known. `is_key_vaults` says that the
    body had Key Vault's error form; `worked_before` that an earlier request was accepted. `credential` names where the
    token comes from.
    """

    status: int
    code: str | None = None
    inner: str | None = None
    retry_after: str | None = None
    is_key_vaults: bool = False
    worked_before: bool = False
    credential: str = "the credential"
    denial: Denial | None = None


def error_of(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    """Return the error for an answer that is no success."""
    status = answer.status
    if 300 <= status < 400:  # noqa: PLR2004 - the redirects
        reason = f"it answered with a redirect (status {status}), which is not followed, as the token would go there"
        return RedirectRefusedError(place, action, reason, "check the vault's URL and the proxy in between")
    if status == 429:  # noqa: PLR2004
        reason = "the vault is throttling requests"
        remedy = "run again later, or with fewer workers"
        return ThrottledError(place, action, reason, remedy, parse_retry_after(answer.retry_after))
    if status >= 500 or status == 408:  # noqa: PLR2004
        return UnavailableError(place, action, f"it answered with status {status}", "run again later")
    if status == 401:  # noqa: PLR2004
        return _unauthenticated(answer, place, action)
    if not answer.is_key_vaults:
        reason = f"a server that is not Key Vault answered with status {status}"
        return UnexpectedReplyError(place, action, reason, "check the vault's URL and the proxy in between")
    if status == 403:  # noqa: PLR2004
        return _forbidden(answer, place, action)
    if status == 404:  # noqa: PLR2004
        return _missing(answer, place, action)
    if status == 409:  # noqa: PLR2004
        return _conflict(answer, place, action)
    reason = f'Key Vault refused the request with status {status} and code "{_word(answer.code)}"'
    return InvalidValueError(place, action, reason, "check the value, tags, content type and dates against its limits")


def _unauthenticated(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.credential == TOKEN_VARIABLE:
        return _fixed_token_rejected(answer, place, action)
    if answer.worked_before:
        reason = f"the token of {answer.credential} expired or was revoked, and a new one was rejected"
        remedy = f"log in again (`{shell_line('az', 'login')}`), then run the same command again"
        return ExpiredTokenError(place, action, reason, remedy)
    reason = f"the token of {answer.credential} was rejected"
    log_in = shell_line("az", "login", "--tenant", BLANK)
    remedy = f"log in to the vault's own tenant (`{log_in}`) or name another credential"
    return UnauthenticatedError(place, action, reason, remedy)


def _fixed_token_rejected(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    # No log-in replaces it while the variable is set.
    if answer.worked_before:
        reason, remedy = "expired or was revoked", f"renew {TOKEN_VARIABLE}, then run the same command again"
        return ExpiredTokenError(place, action, f"the token of {TOKEN_VARIABLE} {reason}", remedy)
    way = f"with a token of the vault's own tenant, or unset it to log in otherwise (`{shell_line('az', 'login')}`)"
    return UnauthenticatedError(
        place, action, f"the token of {TOKEN_VARIABLE} was rejected", f"renew {TOKEN_VARIABLE} {way}"
    )


def _missing(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.code == _ABSENT and place.name is not None:
        return NotFoundError(place, action, "the store has no such secret", "create it, or correct its name")
    reason = f'status 404 with code "{_word(answer.code)}" does not mean that the secret is missing'
    return UnexpectedReplyError(place, action, reason, "check the vault's URL and the proxy in between")


def _forbidden(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    permission = _PERMISSIONS.get(action, "secrets/get")
    match answer.denial if answer.inner == "ForbiddenByPolicy" and answer.denial is not None else answer.inner:
        case "SecretDisabled":
            words = ("set-attributes", "--id", _id(place, "secrets"), "--enabled", "true")
            command = shell_line("az", "keyvault", "secret", *words)
            remedy = f"enable its newest version (`{command}`)"
            return DisabledError(place, action, "its newest version is disabled", remedy)
        case "ForbiddenByRbac":
            cause, reason = ForbiddenCause.ROLE, f"no role assignment of the caller grants {permission}"
            # Not "Key Vault Secrets Officer" for writing: it may purge, which this program never does.
            role = '"Key Vault Secrets User"' if action in _READING else "a custom role that cannot purge"
            remedy = f"assign {role}, with {permission}, and wait some minutes until it takes effect"
        case "AccessDenied" | Denial.ACCESS_POLICY:
            cause, reason = (
                ForbiddenCause.ACCESS_POLICY,
                f"the vault's access policy does not grant the caller {permission}",
            )
            word = permission.partition("/")[2]
            command = shell_line("az", "keyvault", "set-policy", "--secret-permissions", word)
            remedy = f"add it (`{command}`)"
        case "ForbiddenByFirewall":
            cause, reason = ForbiddenCause.FIREWALL, "the vault's firewall blocks this network"
            remedy = "add this address to the vault's network rules, or run from an allowed network"
        case Denial.ON_BEHALF_OF:
            cause = ForbiddenCause.OTHER
            reason = "the vault's access policy grants it only to an application that acts on behalf of the caller"
            remedy = f"add an access policy with {permission} for the caller alone, without an application"
        case _:
            cause = ForbiddenCause.OTHER
            reason = f'the vault denies it with code "{_word(answer.inner or answer.code)}"'
            remedy = f"ask the vault's owner for {permission}"
            if action is Action.WRITE:
                remedy += "; a policy of the vault may want an expiry date"
    return ForbiddenError(place, action, reason, remedy, cause=cause, permission=permission)


def _conflict(answer: Answer, place: StoreLocation, action: Action) -> StoreError:
    if answer.inner == "ObjectIsDeletedButRecoverable":
        return soft_deleted(place, action)
    if answer.inner in _BUSY:
        return BusyError(place, action, "the name is still being deleted or recovered", "run again in a minute")
    reason = f'Key Vault reports a conflict with code "{_word(answer.inner or answer.code)}"'
    return BusyError(place, action, reason, "run again when nobody else is changing this secret")


def soft_deleted(place: StoreLocation, action: Action, version: str | None = None) -> SoftDeletedError:
    """Return the error for a name that is deleted and recoverable; `version` is the deleted one."""
    command = shell_line("az", "keyvault", "secret", "recover", "--id", _id(place, "deletedsecrets"))
    remedy = f"recover it (`{command}`, or `--recover` of put, restore or migrate)"
    return SoftDeletedError(place, action, "it is soft-deleted", remedy, version)


def _id(place: StoreLocation, kind: str) -> str:
    return f"{place.store}/{kind}/{place.name}"


def _word(code: str | None) -> str:
    # A code is one word in Key Vault's answers; whatever else a stranger sends is not shown.
    return code if code is not None and code.isascii() and code.isalnum() and len(code) <= 64 else "unknown"  # noqa: PLR2004


# The authorities of a whole system are 200 KiB.
_LARGEST_PEM: Final = 16 * 1024 * 1024
_PROXY_SCHEMES: Final = frozenset({"http", "https"})
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})


def verified(place: StoreLocation, url: str, ca: Path | None, named_by: str = "") -> str | bool:
    """Return the value for requests' `verify`. Raises TlsFailureError for http and an unreadable `ca`.

    `named_by` is the variable that names it.
    """
    if urlsplit(url).scheme != "https":
        reason = "its URL is not https, and tokens are never sent in the clear"
        raise TlsFailureError(place, Action.CONNECT, reason, "use https://")
    if ca is None:
        return True
    if problem := _problem(ca):
        where = named_by or f"{', '.join(CA_VARIABLES[:-1])} or {CA_VARIABLES[-1]}"
        remedy = f"correct {where}{shown_file(str(ca))}"
        raise TlsFailureError(place, Action.CONNECT, problem, remedy)
    return str(ca)


def require_proxy(place: StoreLocation, proxy: str | None) -> None:
    """Raise InvalidNameError for a proxy's address that cannot be used, such as one of SOCKS."""
    if proxy is None:
        return
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        is_usable = parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        # Its text is not shown: it may hold a password.
        reason = "HTTPS_PROXY or ALL_PROXY is not an http:// proxy address"
        raise InvalidNameError(place, Action.CONNECT, reason, "correct it, or set NO_PROXY")


def _problem(ca: Path) -> str:
    """Why the authorities cannot be used; empty where they can."""
    unreadable = "the CA file cannot be read"
    if not os.access(ca, os.R_OK):
        return unreadable
    try:
        if not ca.is_dir():
            # Each connection reads it anew: a pipe would be empty for the second one.
            require_file(str(ca), _LARGEST_PEM)
    except NamedFileError as error:
        return f"{unreadable}: it {error}"
    return ""


def server_of(url: str, authorities: tuple[str, str] = ("", "")) -> Server:
    """What the vault's URL names, for messages; `authorities` as `authorities` has them."""
    parts = parse_address(url)
    host, port = ("", None) if parts is None else (parts.host, parts.port)
    return Server("https", host, port or HTTPS_PORT, "vaultUrl or AZURE_KEYVAULT_NAME", authorities)


def connection_error(error: Exception, server: Server, place: StoreLocation, action: Action) -> StoreError:
    """Return the error for a connection that could not be made, or broke."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = why_untrusted(cause)
            remedy = trust_remedy(why, server, CA_VARIABLE, "the CA's PEM file")
            return TlsFailureError(place, action, f"no trusted connection: {why}", remedy)
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            return TlsFailureError(place, action, "it does not speak TLS", f"correct {server.setting}")
        if isinstance(cause, UnknownHostError | ConnectionDeniedError):
            return no_answer(cause, server, place, action)
    names = {type(cause).__name__ for cause in causes}
    if any("Timeout" in name for name in names):
        # Several of the SDK's and of urllib3's own.
        return no_answer(TimeoutError(), server, place, action)
    if "ProxyError" in names:
        return UnavailableError(place, action, *PROXY_REFUSES)
    # What the machine said lies deepest; of a mere end of the connection there is nothing more to say.
    told = next((cause for cause in causes if isinstance(cause, OSError) and cause.errno is not None), None)
    return no_answer(told or ConnectionError(), server, place, action)


def _causes(error: BaseException) -> Iterator[BaseException]:
    # requests and urllib3 keep what happened in args, in `reason`, or as the context; azure in `inner_exception`.
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [*one.args, one.__cause__, one.__context__]
        waiting += [getattr(one, "reason", None), getattr(one, "inner_exception", None)]


CA_VARIABLE: Final = "AZURE_KEYVAULT_CACERT"
# requests reads the other two itself when it trusts the environment, for each request; here they are read once.
CA_VARIABLES: Final = (CA_VARIABLE, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_UNAUTHORISED: Final = 401
_SERVER_ERROR: Final = 500
_PIECE: Final = 65_536


class ForeignHostError(Exception):
    """A request was about to leave for a host that is not the vault's, such as a page link in a forged list."""


class _BoundedConnection(TimedConnection, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        # As urllib3's own, in whose errors requests finds its own ones.
        try:
            return open_socket(self._dns_host, self.port, self.timeout)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no connection in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error


class _BoundedPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedConnection


class _BoundedAdapter(HTTPAdapter):
    """Sends over connections, those to a proxy too, whose replies have an end."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' signature
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": _BoundedPool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - requests' signature
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, "https": _BoundedPool}
        return manager


class VaultSession(requests.Session):
    """Refuses every URL outside the vault's origin before a byte is sent: no token and no value goes elsewhere.

    `on_refused` is called with a token that the vault did not accept, before the SDK asks for another.
    """

    def __init__(self, vault_url: str, workers: int, on_refused: Callable[[str], None]) -> None:
        super().__init__()
        self._on_refused = on_refused
        self._origin = _origin(vault_url)
        # Off: it would look for a netrc entry, which replaces the token, and for proxies again with every request.
        self.trust_env = False
        self.proxies.update(get_environ_proxies(vault_url))
        self.mount("https://", _BoundedAdapter(pool_connections=1, pool_maxsize=workers, max_retries=0))

    def request(  # type: ignore[override] # what the SDK gives, of all that requests takes
        self,
        method: Any,  # noqa: ANN401 - requests' signature
        url: Any,  # noqa: ANN401
        params: Any = None,  # noqa: ANN401
        data: Any = None,  # noqa: ANN401
        headers: Mapping[str, str] | None = None,
        **given: Any,  # noqa: ANN401
    ) -> requests.Response:
        try:
            is_ours = _origin(str(url)) == self._origin
        except ValueError:
            is_ours = False
        if not is_ours:
            raise ForeignHostError
        # As requests does, without what it looks for in each of a thousand requests and never finds here: settings of
        # the session and of the environment, cookies, hooks, a user in the URL, and redirects to follow.
        prepared = requests.PreparedRequest()
        prepared.prepare_method(method)
        prepared.prepare_url(url, params)
        prepared.prepare_headers(headers)
        prepared.prepare_body(data, given.get("files"), given.get("json"))
        response = self.get_adapter(prepared.url or "").send(
            prepared,
            stream=True,
            timeout=given.get("timeout"),
            verify=given.get("verify", self.verify),
            cert=given.get("cert"),
            proxies=self.proxies,
        )
        response._content = _bounded(response)  # noqa: SLF001 - what requests itself fills with all that comes
        if response.status_code < _SERVER_ERROR:
            # Now: a credential may take longer than a first contact, and is asked after the vault's challenge.
            note_answer()
        sent = (headers or {}).get("Authorization")
        if response.status_code == _UNAUTHORISED and sent is not None:
            self._on_refused(str(sent).partition(" ")[2])
        return response


def _bounded(response: requests.Response) -> bytes:
    content = bytearray()
    # Piece by piece: what comes compressed may be a thousand times as large as it came.
    for piece in response.iter_content(_PIECE):
        content += piece
        if len(content) > BoundedResponse.largest:
            response.close()
            raise ReplyTooLargeError
    # The SDK parses it.
    if has_more_values(content.decode("latin-1"), MOST_VALUES):
        raise ReplyTooLargeError
    return bytes(content)


def proxy_for(vault_url: str) -> str | None:
    """The proxy that the environment names for the vault; None where there is none, or the vault is exempt."""
    found: str | None = select_proxy(vault_url, get_environ_proxies(vault_url))
    return found


def authorities(ca: Path | None, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return what names the authorities to trust, and the PEM file or folder: the address' own, else a variable's.

    Both are empty where it is the system.
    """
    if ca is not None:
        return "the store's ca", str(ca)
    return next(((name, value) for name in CA_VARIABLES if (value := environment.get(name))), ("", ""))


def _origin(url: str) -> tuple[str, str, int]:
    # The parser that requests sends by: urllib's finds another host in `https://other\@vault`.
    parts = parse_url(url.lstrip())
    # Key Vault writes its own port into page links, clients do not.
    return parts.scheme or "", parts.host or "", parts.port or 443
