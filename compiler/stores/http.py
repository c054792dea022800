"""Sends requests to stores over urllib3's connections and reads their replies strictly.

Every wait has an end: the name server, each address that a name has, a proxy's answer, the TLS handshake, a server that
does not take in what it is sent, and its reply.
"""

import base64
import io
import ipaddress
import logging
import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import (
    HTTP_PORT,
    HTTPS_PORT,
    HTTPException,
    HTTPMessage,
    HTTPResponse,
    IncompleteRead,
    RemoteDisconnected,
)
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, TypeAlias
from urllib.parse import unquote

from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection, ProxyConfig
from urllib3.exceptions import DecodeError, LocationParseError
from urllib3.util import SKIP_HEADER, Url, parse_url
from urllib3.util.ssltransport import SSLTransport

from compiler.model.files import NamedFileError, as_file, show_file
from compiler.model.store import Address
from compiler.stores.errors import Action, Code, ConnectionDeniedError, StoreError, StoreLocation, UnknownHostError
from compiler.stores.pacing import call_in_time, remaining_seconds


def silence(*names: str) -> None:
    """Let no record leave these loggers, and Python print none of any other, as it does where nobody handles one."""
    for logger in (logging.getLogger(), *map(logging.getLogger, names)):
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    for name in names:
        logging.getLogger(name).propagate = False


class ReplyTooLargeError(ValueError):
    """The server sends more than any store does. The error carries no part of the reply."""


# The limit for a store's reply: a hundred times what the largest one has.
MOST_VALUES: Final = 100_000
TOO_LARGE_REPLY: Final = "its reply is larger than any that a store sends"
# The authorities of a whole system are 200 KiB.
_LARGEST_PEM: Final = 16 * 1024 * 1024


class _Bounded(io.RawIOBase):
    def __init__(self, sock: Any, raw: io.RawIOBase, largest: int, longest: float) -> None:  # noqa: ANN401 - plain or TLS
        super().__init__()
        self._sock = sock
        self._raw = raw
        self._largest = largest
        self.taken = 0
        self._silence: float | None = sock.gettimeout()
        self._end = time.monotonic() + longest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - io's own name of the type is private
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(remaining_seconds(left if self._silence is None else min(left, self._silence)))
        count: int | None = self._raw.readinto(buffer)
        self.taken += count or 0
        if self.taken > self._largest:
            raise ReplyTooLargeError
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


# http.client takes a hundred headers of this length each; a store sends a dozen of some dozen characters.
_LONGEST_HEAD: Final = 65_536
_MOST_HEADERS: Final = 100
_CONTINUE, _SWITCHING, _FIRST_FINAL, _WITHOUT_BODY = 100, 101, 200, frozenset({204, 304})
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t -~\x80-\xff]*))?\r\n")
# Without white space of its own around the value: looking for where that ends took hours for a line of 64 KiB.
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t -~\x80-\xff]*)\r\n")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t -~\x80-\xff]*)?\r\n")
_NOT_HTTP: Final = "the reply is not valid HTTP"
_TRANSFER, _ANNOUNCED = "transfer-encoding", "content-length"


class StrictResponse(HTTPResponse):
    """A whole reply, read at once, of a server that may be another one than is meant.

    Raises HTTPException where the reply leaves open where it ends. http.client guesses instead: it takes the first of
    two lengths, bare line feeds and folded headers. A server and a gateway that guess differently could hand one
    request's answer to another.
    Raises ReplyTooLargeError, and TimeoutError where the reply is not whole in time: a connection's own timeout begins
    anew with every byte; `longest` and the operation's deadline end a trickle.
    """

    # Vault's documents end at 1 MiB, the versions of one in its metadata too, and Key Vault's pages at 25 entries.
    largest: ClassVar[int] = 8 * 1024 * 1024
    longest: ClassVar[float] = 60.0

    def __init__(self, sock: Any, *given: Any, **named: Any) -> None:  # noqa: ANN401 - http.client's signature
        super().__init__(sock, *given, **named)
        self._raw = _Bounded(sock, self.fp.detach(), self.largest, self.longest)
        self.fp = io.BufferedReader(self._raw)

    def begin(self) -> None:
        self._consumed = 0
        self.code = _CONTINUE
        while self.code < _FIRST_FINAL:
            fields = self._read_head()
            if self.code == _SWITCHING:
                # Another protocol was agreed upon, says the server.
                raise HTTPException(_NOT_HTTP)
        framing: dict[str, list[str]] = {_TRANSFER: [], _ANNOUNCED: []}
        self.headers = self.msg = HTTPMessage()
        for name, value in fields:
            if (named := framing.get(name.lower())) is not None:
                named.append(value)
            else:
                self.headers[name] = value
        content = self._read_body(framing[_TRANSFER], framing[_ANNOUNCED])
        closing = ",".join(self.headers.get_all("connection", [])).lower().split(",")
        is_kept = self._is_framed and self.version > 10 and "close" not in map(str.strip, closing)  # noqa: PLR2004 - HTTP/1.0
        # What comes after a reply is none to any request.
        self.will_close = not is_kept or self._raw.taken > self._consumed
        self.fp.close()
        self.fp = io.BytesIO(content)  # type: ignore[assignment] # what http.client hands on from here
        self.length, self.chunked = len(content), False

    def _read_head(self) -> list[tuple[str, str]]:
        begun = self.fp.peek(1)
        if not begun:
            raise RemoteDisconnected("the connection was closed without a reply")
        # It may be waiting for us: another protocol's greeting need not end its line.
        if not begun.startswith(b"H"):
            raise HTTPException(_NOT_HTTP)
        end = self._consumed + _LONGEST_HEAD
        found = _STATUS_LINE.fullmatch(self._read_line(end))
        if found is None:
            raise HTTPException(_NOT_HTTP)
        self.version, self.code = 10 + int(found[1]), int(found[2])
        self.status, self.reason = self.code, (found[3] or b"").decode("latin-1")
        fields: list[tuple[str, str]] = []
        for field in self._read_fields(end):
            if len(fields) == _MOST_HEADERS:
                raise HTTPException(_NOT_HTTP)
            fields.append((field[1].decode("latin-1"), field[2].decode("latin-1").strip(" \t")))
        return fields

    def _read_fields(self, end: int) -> Iterator[re.Match[bytes]]:
        """Read header lines up to the empty one; raise where they go on beyond byte `end`."""
        while (line := self._read_line(end)) != b"\r\n":
            field = _FIELD.fullmatch(line)
            if field is None:
                raise HTTPException(_NOT_HTTP)
            yield field

    def _read_line(self, end: int) -> bytes:
        line = self.fp.readline(end - self._consumed)
        self._consumed += len(line)
        if not line.endswith(b"\n"):
            raise HTTPException("a head without an end") if self._consumed == end else IncompleteRead(b"")
        return line

    def _read_body(self, encodings: list[str], lengths: list[str]) -> bytes:
        if len(encodings) + len(lengths) > 1 or any(each.lower() != "chunked" for each in encodings):
            raise HTTPException("a reply whose length is not clear")
        if any(_LENGTH.fullmatch(each) is None for each in lengths):
            raise HTTPException("a reply whose length is not clear")
        self._is_framed = True
        if self.code in _WITHOUT_BODY or self._method == "HEAD":  # type: ignore[attr-defined] # http.client's
            return b""
        if lengths:
            return self._read_exactly(int(lengths[0]))
        if encodings:
            return self._read_chunks()
        self._is_framed = False
        return self.fp.read()

    def _read_exactly(self, size: int) -> bytes:
        if size > self.largest:
            # Memory for all that is announced would be taken before any of it came.
            raise ReplyTooLargeError
        content = self.fp.read(size)
        self._consumed += len(content)
        if len(content) < size:
            raise IncompleteRead(b"")
        return content

    def _read_chunks(self) -> bytes:
        pieces: list[bytes] = []
        while True:
            chunk = _CHUNK.fullmatch(self._read_line(self._consumed + _LONGEST_HEAD))
            if chunk is None:
                raise HTTPException(_NOT_HTTP)
            if not (size := int(chunk[1], 16)):
                break
            pieces.append(self._read_exactly(size))
            if self._read_exactly(2) != b"\r\n":
                raise HTTPException(_NOT_HTTP)
        # Trailers are not used, and as many as fit in a reply would fill the memory.
        deque(self._read_fields(self._consumed + self.largest), maxlen=0)
        return b"".join(pieces)


# What TLS sends in one piece.
PIECE: Final = 16_384


class TimedConnection(HTTPConnection):
    """A connection of urllib3 in whose calls each wait is cut to what is left; TimeoutError where none is left."""

    response_class = StrictResponse

    def _new_conn(self) -> socket.socket:
        # Not urllib3's own, whose errors hide what the machine said.
        return open_socket(self._dns_host, self.port, self.timeout)

    def send(self, data: Any) -> None:  # noqa: ANN401 - http.client's signature
        if self.sock is None:
            self.connect()
        # As pieces: a longer text is sent by TLS in several, each with a timeout of its own.
        for at in range(0, len(data), PIECE):
            self._cut_timeout()
            super().send(data[at : at + PIECE])

    def _tunnel(self) -> None:
        super()._tunnel()  # private to http.client, and what is called before the handshake
        self._cut_timeout()

    def _cut_timeout(self) -> None:
        self.sock.settimeout(remaining_seconds(self.sock.gettimeout()))


class TimedTlsConnection(TimedConnection, HTTPSConnection):
    """The same over TLS."""


def open_socket(host: str, port: int, timeout: float | None) -> socket.socket:
    """A socket to the first address of `host` that lets one in; each is given `timeout` seconds, as TLS is then.

    Raises OSError, UnknownHostError and ConnectionDeniedError among them; TimeoutError where no time is left.
    """
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, address in _addresses(host, port):
        try:
            opened = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            opened.settimeout(remaining_seconds(timeout))
            opened.connect(address)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.settimeout(remaining_seconds(timeout))
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    if isinstance(failure, ConnectionRefusedError):
        raise ConnectionDeniedError(host, port) from None
    raise failure


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


class HttpReply(NamedTuple):
    """A reply as it came; `headers` are found in any case of letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes


Proxy: TypeAlias = Url


def parse_proxy(text: str, *schemes: str) -> Proxy | None:
    """The address of a proxy, of http where it names no scheme; None for one that cannot be used."""
    try:
        proxy = parse_url(text if "://" in text else f"http://{text}")
    except LocationParseError:
        return None
    return proxy if proxy.scheme in schemes and proxy.host and proxy.port != 0 else None


class Transport:
    """Sends requests to the server of `url` over connections that all threads share, each request once.

    It follows no redirect, keeps no cookie, reads no .netrc and no variable. `proxy` is one of http or https; a server
    of https is reached through a tunnel in it. Timeouts are in seconds; a read's begins anew with each byte.
    """

    def __init__(
        self,
        url: Address,
        context: ssl.SSLContext | None,
        proxy: Proxy | None = None,
        *,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        self._url = url
        self._context = context
        self._proxy = proxy
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        # The last one used is taken first: the fewest stay open. Its operations are atomic.
        self._idle: deque[HTTPConnection] = deque()

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        connect_timeout: float | None = None,
    ) -> HttpReply:
        """Sends a request and returns its reply. Raises OSError, HTTPException, and ValueError for an unusable reply.

        What it raises may hold a part of the request: whoever catches it keeps its kind alone.
        """
        connection = self._connect(connect_timeout or self._connect_timeout)
        sent = {"User-Agent": SKIP_HEADER, **headers}
        if connection.proxy_is_forwarding:
            target = f"http://{_in_ascii(self._url.authority)}{target}"
            sent |= self._credentials
        try:
            _require_one_line(headers.values())
            connection.request(method, target, body, sent, preload_content=False)
            reply = _whole(connection.getresponse())
        except BaseException:
            # After an error or an interrupt: the rest of a reply would be taken for the answer to the next request.
            connection.close()
            raise
        if not connection.is_closed:
            self._idle.append(connection)
        return reply

    def close(self) -> None:
        """Close the idle connections; a later request opens another one."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, timeout: float) -> HTTPConnection:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            # Data that nobody asked for ends it as well.
            if connection.is_connected and not _holds_more(connection.sock):
                return connection
            connection.close()
        connection = self._new_connection(timeout)
        try:
            connection.connect()
        except BaseException:
            # An interrupted handshake leaves no socket open.
            connection.close()
            raise
        connection.timeout = self._read_timeout
        return connection

    def _new_connection(self, timeout: float) -> HTTPConnection:
        url, proxy = self._url, self._proxy
        is_tls = url.scheme == "https"
        if proxy is None:
            if is_tls:
                return TimedTlsConnection(url.host, url.port, timeout=timeout, ssl_context=self._context)
            return TimedConnection(url.host, url.port, timeout=timeout)
        host, port = proxy.host or "", proxy.port or (HTTPS_PORT if proxy.scheme == "https" else HTTP_PORT)
        if not is_tls:
            return TimedConnection(host, port, timeout=timeout, proxy=proxy)
        trust = ProxyConfig(
            self._context, use_forwarding_for_https=False, assert_hostname=None, assert_fingerprint=None
        )
        connection = TimedTlsConnection(
            host, port, timeout=timeout, ssl_context=self._context, proxy=proxy, proxy_config=trust
        )
        connection.set_tunnel(_in_ascii(url.host), url.port or HTTPS_PORT, self._credentials, proxy.scheme or "http")
        return connection

    @property
    def _credentials(self) -> dict[str, str]:
        """What a proxy asks for."""
        if self._proxy is None or self._proxy.auth is None:
            return {}
        user, _, password = unquote(self._proxy.auth).partition(":")
        return {"Proxy-Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


def _require_one_line(values: Iterable[str]) -> None:
    # http.client would fold a header of several lines. The error does not show the text, which may be a token.
    if not all(_VALUE.fullmatch(value) for value in values):
        raise ValueError("a header cannot be made of this")


def _holds_more(sock: Any) -> bool:  # noqa: ANN401 - plain or TLS
    """Whether TLS keeps something of the server's that was not read: whoever waits for the socket does not see it."""
    if isinstance(sock, SSLTransport):
        return bool(sock.sslobj.pending() or sock.incoming.pending) or _holds_more(sock.socket)
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def _whole(response: BaseHTTPResponse) -> HttpReply:
    try:
        # What comes compressed may be a thousand times as large as it came.
        content = response.read(StrictResponse.largest + 1)
    except DecodeError:
        raise ValueError("the reply is not compressed as it says") from None
    if len(content) > StrictResponse.largest:
        raise ReplyTooLargeError
    return HttpReply(response.status, response.headers, content)


def _in_ascii(host: str) -> str:
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        # There is no such name, as connecting will say.
        return host


# A date is in whole seconds, and takes a while to get here; tokens would not work with clocks that are further apart.
_NO_DRIFT, _MOST_DRIFT = timedelta(seconds=2), timedelta(days=1)


def clock_drift(date: str | None) -> timedelta:
    """How far a server whose answer has this `date` is ahead of this machine; zero where that is no clock's drift."""
    try:
        ahead = parsedate_to_datetime(date or "").astimezone(UTC) - datetime.now(UTC)
    except (ValueError, OverflowError):
        return timedelta()
    return ahead if _NO_DRIFT <= abs(ahead) <= _MOST_DRIFT else timedelta()


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
            pem = base64.b64decode(bundle, validate=True).decode() if bundle else None
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
