"""Checks that a vault's URL and authorities allow a trusted connection, and says why a connection broke."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from compiler.stores.azure_key_vault.session import CA_VARIABLE, CA_VARIABLES
from compiler.stores.errors import Action, StoreError, StoreLocation, TlsFailureError, UnavailableError

_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})


def verified(place: StoreLocation, url: str, ca: Path | None) -> str | bool:
    """Return the value for requests' `verify`. Raises TlsFailureError for http and an unreadable `ca`."""
    if urlsplit(url).scheme != "https":
        reason = "its URL is not https, and tokens are never sent in the clear"
        raise TlsFailureError(place, Action.CONNECT, reason, "use https://")
    if ca is None:
        return True
    if not os.access(ca, os.R_OK):
        # Without its path, which is a variable's: whoever put a key itself there would find it in the log.
        remedy = f"correct {', '.join(CA_VARIABLES[:-1])} or {CA_VARIABLES[-1]}"
        raise TlsFailureError(place, Action.CONNECT, "the CA file cannot be read", remedy)
    return str(ca)


def connection_error(error: Exception, place: StoreLocation, action: Action) -> StoreError:
    """Return the error for a connection that could not be made, or broke."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its certificate is not trusted: {cause.verify_message.rstrip('.')}"
            remedy = f"set {CA_VARIABLE} to the CA's PEM file, or correct the vault's URL"
            return TlsFailureError(place, action, reason, remedy)
        if isinstance(cause, ssl.SSLError) and cause.reason in _NOT_TLS:
            return TlsFailureError(place, action, "it does not speak TLS", "check the vault's URL and port")
    names = {type(cause).__name__ for cause in causes}
    if "NameResolutionError" in names:
        reason, remedy = "its host name does not resolve", "check the vault's name and this machine's DNS"
    elif any("Timeout" in name for name in names):
        reason, remedy = "it did not answer in time", "check the network and the vault's firewall, then run again"
    elif "ConnectionRefusedError" in names:
        reason, remedy = "the connection was refused", "check the vault's URL and port"
    elif "ProxyError" in names:
        reason, remedy = "the proxy refused the connection", "check HTTPS_PROXY and NO_PROXY"
    else:
        reason, remedy = "the connection was closed", "check the network, then run again"
    return UnavailableError(place, action, reason, remedy)


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
