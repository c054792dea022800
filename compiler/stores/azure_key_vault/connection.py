"""Checks that a vault's URL and authorities allow a trusted connection, and says why a connection broke."""

import os
import ssl
from collections.abc import Iterator
from http.client import HTTPS_PORT
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from compiler.model.address import parse_address
from compiler.model.named_file import NamedFileError, require_file, shown_file
from compiler.stores.azure_key_vault.session import CA_VARIABLE, CA_VARIABLES
from compiler.stores.errors import (
    Action,
    InvalidNameError,
    StoreError,
    StoreLocation,
    TlsFailureError,
    UnavailableError,
)
from compiler.stores.sending.no_answer import PROXY_REFUSES, Server, no_answer, trust_remedy, why_untrusted
from compiler.stores.sending.timed_connection import ConnectionDeniedError, UnknownHostError

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
