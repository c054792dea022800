"""Opens connections to stores and reads replies up to a limit of bytes and seconds, and says why none came.

Everything is bounded: the name server, each address that a name has, a proxy's answer, the TLS handshake, a server that
does not take in what it is sent, and its reply.
"""

from __future__ import annotations

import errno
import io
import ipaddress
import logging
import re
import socket
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection, IncompleteRead
from typing import Any, ClassVar, Final

from compiler.model.address import cloud_of, is_loopback, service_of
from compiler.model.files import shown_file
from compiler.stores.deadline import call_in_time, rest
from compiler.stores.errors import Action, StoreError, StoreLocation, UnavailableError, UnreachableError
from compiler.text.command_line import shell_line


def silence(*names: str) -> None:
    """Let no record leave these loggers, and Python print none of any other, as it does where nobody handles one."""
    for logger in (logging.getLogger(), *map(logging.getLogger, names)):
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    for name in names:
        logging.getLogger(name).propagate = False


_NO_ROUTE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})
# What http.client says where a proxy answers a CONNECT with another status than 200.
_NO_TUNNEL: Final = "Tunnel connection failed"
_NETWORK: Final = "check the network between (VPN, firewall, proxy) and that the server runs, then run again"
_PROXY: Final = "correct HTTPS_PROXY or HTTP_PROXY, or name the host in NO_PROXY"
NO_TLS: Final = "it does not speak TLS"
UNTRUSTED: Final = "its certificate is signed by an authority that is not trusted"
_TLS_CAUSES: Final = (
    (
        re.compile(r"hostname mismatch|IP address mismatch|doesn't match", re.IGNORECASE),
        "its certificate names another host",
    ),
    (re.compile(r"certificate has expired"), "its certificate has expired"),
    (re.compile(r"not yet valid"), "its certificate is not yet valid"),
    (re.compile(r"CERTIFICATE_VERIFY_FAILED"), UNTRUSTED),
    (
        re.compile(r"WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|wrong version number|HTTP_REQUEST"),
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


class ReplyTooLargeError(ValueError):
    """The server sends more than any store does. The error carries no part of the reply."""


# Of a store's reply: a hundred times what the largest one has.
MOST_VALUES: Final = 100_000
TOO_LARGE_REPLY: Final = "its reply is larger than any that a store sends"


class BoundedResponse(HTTPResponse):
    """The `response_class` of a connection to a server that may be something else than the store.

    A connection's own timeout begins anew with every byte that comes, and is here the longest silence. Alone it does
    not end a reply that trickles: that is what `longest` and the deadline of the operation are for. Raises
    ReplyTooLargeError, and TimeoutError where the reply is not whole in time.
    """

    # Vault's documents end at 1 MiB, the versions of one in its metadata too, and Key Vault's pages at 25 entries.
    largest: ClassVar[int] = 8 * 1024 * 1024
    longest: ClassVar[float] = 60.0

    def __init__(self, sock: Any, *given: Any, **named: Any) -> None:  # noqa: ANN401 - http.client's signature
        super().__init__(sock, *given, **named)
        whole = self.fp
        self.fp = io.BufferedReader(_Bounded(sock, whole.detach(), self.largest, self.longest))

    def begin(self) -> None:
        super().begin()
        # Memory for all that is announced would be taken before any of it came.
        if self.length is not None and self.length > self.largest:
            raise ReplyTooLargeError


class _Bounded(io.RawIOBase):
    def __init__(self, sock: Any, raw: io.RawIOBase, largest: int, longest: float) -> None:  # noqa: ANN401 - plain or TLS
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._left = largest
        self._silence: float | None = sock.gettimeout()
        self._end = time.monotonic() + longest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - io's own name of the type is private
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(rest(left if self._silence is None else min(left, self._silence)))
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise ReplyTooLargeError
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


# What TLS sends in one piece.
PIECE: Final = 16_384
# What a resolver says of a name that there is not; EAI_AGAIN and the like say that it does not know at the moment.
_NO_SUCH_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class UnknownHostError(socket.gaierror):
    """The name `host` was not resolved. `is_final`: it does not exist here, rather than that nobody answered."""

    def __init__(self, host: str, number: int) -> None:
        super().__init__(number, "no address")
        self.host = host
        self.is_final = number in _NO_SUCH_NAME


class ConnectionDeniedError(ConnectionRefusedError):
    """The machine `host` is there, and nothing listens at `port` of it."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(errno.ECONNREFUSED, "connection refused")
        self.host = host
        self.port = port


class TimedConnection(HTTPConnection):
    """A base beside the connection class of http.client or urllib3, in whose calls each wait is cut to what is left.

    Raises TimeoutError where none is left.
    """

    response_class = BoundedResponse

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 - http.client's signature
        super().__init__(*given, **named)
        # What http.client connects by; urllib3's class has a method of its own.
        self._create_connection = _connected

    def send(self, data: Any) -> None:  # noqa: ANN401 - http.client's signature
        if self.sock is None:
            self.connect()
        # As pieces: a longer text is sent by TLS in several, each with a timeout of its own.
        for at in range(0, len(data), PIECE):
            self._cut_timeout()
            super().send(data[at : at + PIECE])

    def _tunnel(self) -> None:
        super()._tunnel()  # type: ignore[misc] # private to http.client, and what both classes call before the handshake
        self._cut_timeout()

    def _cut_timeout(self) -> None:
        self.sock.settimeout(rest(self.sock.gettimeout()))


class TimedTlsConnection(TimedConnection, HTTPSConnection):
    """The same over TLS."""


def open_socket(host: str, port: int, timeout: float | None) -> socket.socket:
    """Return a socket connected to the first address of `host` that lets one in; each is given `timeout` seconds.

    It is left with such a timeout, in which a TLS handshake has to end. Raises OSError, UnknownHostError and
    ConnectionDeniedError among them; TimeoutError where no time is left.
    """
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in _addresses(host, port):
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            opened.settimeout(rest(timeout))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(rest(timeout))
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    if isinstance(failure, ConnectionRefusedError):
        raise ConnectionDeniedError(host, port) from None
    raise failure


def _connected(address: tuple[str, int], timeout: float | None, _source: object) -> socket.socket:
    return open_socket(*address, timeout)


def _addresses(host: str, port: int) -> list[Any]:
    def look_up() -> list[Any]:
        try:
            return socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        except UnicodeError:
            # A label that is empty or longer than any name server takes.
            number = socket.EAI_NONAME
        except socket.gaierror as error:
            number = error.errno or socket.EAI_FAIL
        raise UnknownHostError(host, number)

    try:
        ipaddress.ip_address(host)
    except ValueError:
        return call_in_time(look_up)
    # A number asks no name server, and needs no thread that waits for one.
    return look_up()
