"""Explains why an exchange with a store brought no reply, and reads the authorities that its certificate must have."""

import errno
import re
import ssl
from base64 import b64decode
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Final

from compiler.model.files import NamedFileError, as_file, show_file
from compiler.model.store import is_loopback, service_of
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.http import ConnectionDeniedError, UnknownHostError
from compiler.text.wording import kubectl_line

_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
# What http.client says where a proxy answers a CONNECT with another status than 200.
_NO_TUNNEL: Final = "Tunnel connection failed"
_NETWORK: Final = "check the network between (VPN, firewall, proxy) and that the server runs, then run again"
_PROXY: Final = "correct HTTPS_PROXY or HTTP_PROXY, or name the host in NO_PROXY"
_NO_TLS: Final = "it does not speak TLS"
_UNTRUSTED: Final = "its certificate is signed by an authority that is not trusted"
_TLS_CAUSES: Final = (
    (
        re.compile(r"hostname mismatch|IP address mismatch|doesn't match", re.IGNORECASE),
        "its certificate names another host",
    ),
    (re.compile(r"certificate has expired"), "its certificate has expired"),
    (re.compile(r"not yet valid"), "its certificate is not yet valid"),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED"), _UNTRUSTED),
    (re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|wrong version number|HTTP_REQUEST"), _NO_TLS),
)
# A connection that broke off, as one without TLS does: it may be made again.
_TLS_ENDINGS: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# The authorities of a whole system are 200 KiB.
_LARGEST_PEM: Final = 16 * 1024 * 1024
_PROXY_REFUSES: Final = ("the proxy refuses the connection", _PROXY)


@dataclass(frozen=True, slots=True)
class Server:
    """What a store's address names."""

    scheme: str
    host: str
    port: int
    setting: str  # what to correct where the address is wrong
    # the variable that names the trusted ones, and what it names; empty for the default
    authorities: tuple[str, str] = ("", "")
    ca_variable: str = "VAULT_CACERT"  # would replace the default authorities
    port_advice: str = ""  # added where the port does not speak TLS
    unresolved: tuple[str, str] | None = None  # why a name of its kind may not resolve, and what else to do then


def no_answer(problem: BaseException, server: Server, place: StoreLocation, action: Action) -> StoreError:
    """The error of an exchange that brought no reply; unreachable where asking again soon would not help."""
    if isinstance(problem, UnknownHostError):
        return _unknown_host(problem, server, place, action)
    if isinstance(problem, ConnectionDeniedError):
        return _explain_denied(problem, server, place, action)
    if isinstance(problem, ssl.SSLError) and not isinstance(problem, _TLS_ENDINGS):
        return _explain_untrusted(problem, server, place, action)
    return StoreError(place, action, *_other(problem), Code.UNAVAILABLE)


def _explain_untrusted(error: ssl.SSLError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    # Nothing of the error's text is kept.
    text = str(error)
    why = next((meaning for pattern, meaning in _TLS_CAUSES if pattern.search(text)), "the TLS handshake failed")
    name, file = server.authorities
    if why == _NO_TLS:
        remedy = f"correct {server.setting}{server.port_advice}"
    elif name and why == _UNTRUSTED:
        remedy = f"{name}{show_file(file)} does not have its CA: correct that, or {server.setting}"
    else:
        remedy = f"set {server.ca_variable} to its CA, or correct {server.setting}"
    return StoreError(place, action, f"no trusted connection: {why}", remedy, Code.TLS_FAILURE)


def _unknown_host(problem: UnknownHostError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    host = problem.host.lower()
    if host != server.host:
        # Without its name: people put a password where a proxy's address belongs.
        code = Code.UNREACHABLE if problem.is_final else Code.UNAVAILABLE
        reason = "the proxy's host name does not resolve here"
        return StoreError(place, action, reason, _PROXY, code)
    if not problem.is_final:
        reason = f"the name server gives no answer for the host name {host}"
        return StoreError(
            place, action, reason, "check this machine's DNS and network, then run again", Code.UNAVAILABLE
        )
    reason = f"the host name {host} does not resolve here"
    remedy = f"correct {server.setting}, or join the network that knows the name (VPN, DNS)"
    if service := service_of(host):
        reason = f"the host name {host} does not resolve here: it is the cluster's own"
        forward = kubectl_line("port-forward", "-n", service[1], f"svc/{service[0]}", str(server.port))
        remedy = f"forward its port (`{forward}`) and set VAULT_ADDR={server.scheme}://127.0.0.1:{server.port}"
    elif server.unresolved is not None:
        why, way_out = server.unresolved
        reason, remedy = f"{reason}: {why}", f"correct {server.setting}, or {way_out}"
    return StoreError(place, action, reason, remedy, Code.UNREACHABLE)


def _explain_denied(problem: ConnectionDeniedError, server: Server, place: StoreLocation, action: Action) -> StoreError:
    host, at = problem.host.lower(), f"{server.host}:{server.port}"
    is_here = is_loopback(host)
    if (host, problem.port) != (server.host, server.port):
        code = Code.UNREACHABLE if is_here else Code.UNAVAILABLE
        return StoreError(place, action, *_PROXY_REFUSES, code)
    if is_here:
        remedy = f"start the server or the port-forward there, or correct {server.setting}"
        return StoreError(place, action, f"nothing listens at {at}", remedy, Code.UNREACHABLE)
    remedy = f"check that the server runs, and the port in {server.setting}"
    return StoreError(place, action, f"{at} refuses the connection", remedy, Code.UNAVAILABLE)


def _other(problem: BaseException) -> tuple[str, str]:
    """The reason and the remedy."""
    if isinstance(problem, TimeoutError):
        return "it does not answer", _NETWORK
    if isinstance(problem, OSError) and problem.errno in _NO_ROUTE:
        return "no network route leads to it", _NETWORK
    if isinstance(problem, OSError) and str(problem).startswith(_NO_TUNNEL):
        return _PROXY_REFUSES
    if isinstance(problem, HTTPException) and not isinstance(problem, OSError | IncompleteRead):
        return "what answers there does not speak HTTP", "check the address and its port"
    return "the connection was closed without an answer", _NETWORK


def authorities_of(ca: Path | None, environ: Mapping[str, str], variables: Iterable[str]) -> tuple[str, str]:
    """What names the authorities to trust, and the file or folder that it names; the store's own `ca` goes first."""
    named = {"the store's ca": str(ca or ""), **{name: environ.get(name, "") for name in variables}}
    return next(((name, value) for name, value in named.items() if value), ("", ""))


def trusting(
    authorities: tuple[str, str],
    place: StoreLocation,
    default: str | None = None,
    certificate: tuple[str, str] = ("", ""),
    bundle: str | None = None,
) -> ssl.SSLContext:
    """What a TLS connection is checked by: `authorities`, else those in the file `default`, else the system's.

    `certificate` are the files of the client's own certificate and its key. With `bundle`, PEM in Base64, `authorities`
    say where that stands. Raises a StoreError, tls-failure.
    """
    name, path = authorities
    folder = bool(path) and Path(path).is_dir()
    where = name or "the system"
    reason, remedy = f"the CA certificates of {where}{show_file(path)} cannot be read", f"correct {where}"
    try:
        with ExitStack() as stack:
            file = stack.enter_context(as_file(path, _LARGEST_PEM)) if path and not folder else None
            pem = b64decode(bundle, validate=True).decode() if bundle else None
            cafile = file if path or bundle else default
            context = ssl.create_default_context(cafile=cafile, capath=path if folder else None, cadata=pem)
            reason, remedy = "the client certificate cannot be read", "correct VAULT_CLIENT_CERT or VAULT_CLIENT_KEY"
            if certificate[0]:
                files = [stack.enter_context(as_file(each, _LARGEST_PEM)) for each in certificate if each]
                context.load_cert_chain(*files)
    except NamedFileError as error:
        failure = reason if error.is_unreadable else f"{reason}: it {error}"
    except (OSError, ValueError):
        failure = reason
    else:
        return context
    raise StoreError(place, Action.CONNECT, failure, remedy, Code.TLS_FAILURE)
