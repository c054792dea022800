"""Makes HTTP connections wait no longer than the operation that they serve may still take.

What is bounded: the name server, each address that a name has, a proxy's answer, the TLS handshake, a server that does
not take in what it is sent, and its reply.
"""

import errno
import ipaddress
import socket
from http.client import HTTPConnection, HTTPSConnection
from typing import Any, Final

from compiler.stores.sending.bounded_reply import BoundedResponse
from compiler.stores.sending.deadline import call_in_time, rest

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
