"""Says why no answer came from a store's host, and what to do: in words for people, never those of an exception."""

import errno
import re
import ssl
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from typing import Final

from compiler.model.address import cloud_of, is_loopback, service_of
from compiler.model.named_file import shown_file
from compiler.stores.errors import Action, StoreError, StoreLocation, UnavailableError, UnreachableError
from compiler.stores.sending.timed_connection import ConnectionDeniedError, UnknownHostError
from compiler.text.command_line import shell_line
from compiler.text.regex import regex

_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
# What http.client says where a proxy answers a CONNECT with another status than 200.
_NO_TUNNEL: Final = "Tunnel connection failed"
_NETWORK: Final = "check the network between (VPN, firewall, proxy) and that the server runs, then run again"
_PROXY: Final = "correct HTTPS_PROXY or HTTP_PROXY, or name the host in NO_PROXY"
NO_TLS: Final = "it does not speak TLS"
UNTRUSTED: Final = "its certificate is signed by an authority that is not trusted"
_TLS_CAUSES: Final = (
    (
        regex(r"hostname mismatch|IP address mismatch|doesn't match", re.IGNORECASE),
        "its certificate names another host",
    ),
    (regex(r"certificate has expired"), "its certificate has expired"),
    (regex(r"not yet valid"), "its certificate is not yet valid"),
    (regex(r"CERTIFICATE_VERIFY_FAILED"), UNTRUSTED),
    (
        regex(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|wrong version number|HTTP_REQUEST"),
        NO_TLS,
    ),
)
PROXY_REFUSES: Final = ("the proxy refuses the connection", _PROXY)


@dataclass(frozen=True, slots=True)
class Server:
    """What a store's address names, and `setting`, what to correct where that is wrong.

    `authorities` are the variable that names the trusted ones and what it names, both empty for the system's.
    """

    scheme: str
    host: str
    port: int
    setting: str
    authorities: tuple[str, str] = ("", "")


def no_answer(problem: BaseException, server: Server, place: StoreLocation, action: Action) -> StoreError:
    """The error of an exchange that brought no reply; UnreachableError where asking again soon would not help."""
    if isinstance(problem, UnknownHostError):
        return _unknown_host(problem, server, place, action)
    if isinstance(problem, ConnectionDeniedError):
        return _denied(problem, server, place, action)
    return UnavailableError(place, action, *_other(problem))


def why_untrusted(error: ssl.SSLError) -> str:
    """Why a TLS connection was not made; of the error's text nothing is kept."""
    text = str(error)
    return next((meaning for pattern, meaning in _TLS_CAUSES if pattern.search(text)), "the TLS handshake failed")


def trust_remedy(why: str, server: Server, variable: str, what: str) -> str:
    """What to do about a connection that is not trusted: `variable` is where an authority is named, `what` it takes."""
    name, file = server.authorities
    if not name or why != UNTRUSTED:
        return f"set {variable} to {what}, or correct {server.setting}"
    return f"{name}{shown_file(file)} does not have its CA: correct that, or {server.setting}"


def _unknown_host(problem: UnknownHostError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    host = problem.host.lower()
    if host != server.host:
        # Without its name: people put a password where a proxy's address belongs.
        kind = UnreachableError if problem.is_final else UnavailableError
        reason = "the proxy's host name does not resolve here"
        return kind(place, action, reason, _PROXY)
    if not problem.is_final:
        reason = f"the name server gives no answer for the host name {host}"
        return UnavailableError(place, action, reason, "check this machine's DNS and network, then run again")
    reason = f"the host name {host} does not resolve here"
    remedy = f"correct {server.setting}, or join the network that knows the name (VPN, DNS)"
    if service := service_of(host):
        reason = f"the host name {host} does not resolve here: it is the cluster's own"
        forward = shell_line("kubectl", "port-forward", "-n", service[1], f"svc/{service[0]}", str(server.port))
        remedy = f"forward its port (`{forward}`) and set VAULT_ADDR={server.scheme}://127.0.0.1:{server.port}"
    elif cloud_of(host) is not None:
        reason = (
            f"the host name {host} does not resolve here: there is no such vault, or its private DNS zone is not "
            "linked to this network"
        )
        remedy = f"correct {server.setting}, or run where the vault's private endpoint is known"
    return UnreachableError(place, action, reason, remedy)


def _denied(problem: ConnectionDeniedError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    host, at = problem.host.lower(), f"{server.host}:{server.port}"
    is_here = is_loopback(host)
    if (host, problem.port) != (server.host, server.port):
        kind = UnreachableError if is_here else UnavailableError
        return kind(place, action, *PROXY_REFUSES)
    if is_here:
        remedy = f"start the server or the port-forward there, or correct {server.setting}"
        return UnreachableError(place, action, f"nothing listens at {at}", remedy)
    remedy = f"check that the server runs, and the port in {server.setting}"
    return UnavailableError(place, action, f"{at} refuses the connection", remedy)


def _other(problem: BaseException) -> tuple[str, str]:
    """The reason and the remedy."""
    if isinstance(problem, TimeoutError):
        return "it does not answer", _NETWORK
    if isinstance(problem, OSError) and problem.errno in _NO_ROUTE:
        return "no network route leads to it", _NETWORK
    if isinstance(problem, OSError) and str(problem).startswith(_NO_TUNNEL):
        return PROXY_REFUSES
    if isinstance(problem, HTTPException) and not isinstance(problem, OSError | IncompleteRead):
        return "what answers there does not speak HTTP", "check the address and its port"
    return "the connection was closed without an answer", _NETWORK
