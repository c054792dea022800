"""Sends one request over an open connection and reads its reply, strictly and up to a limit of bytes and seconds.

Only this module imports httptools, whose parser is that of Node.js. http.client hands the head of every reply to the
parser of e-mails, and guesses where a reply ends that does not say so clearly; httptools refuses it, in a fraction of
the time. What it knows nothing of is here: time, size, and the end of a connection.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from socket import socket
from typing import Any, ClassVar, Final, NamedTuple, NoReturn

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from compiler.stores.deadline import rest
from compiler.stores.http import PIECE, BoundedResponse, ReplyTooLargeError

# Seconds: a timeout that was set so short ago is still the right one. To set it anew is a call of the system, after
# which a thread waits for its turn again.
_PRECISION: Final = 0.01
_AT_ONCE: Final = 65_536
# http.client takes a hundred headers of this length each; a store sends a dozen of some dozen characters.
_LONGEST_HEAD: Final = 65_536
_MOST_HEADERS: Final = 100
_WORD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(r"[!-~]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\xff]*+")
_NONE: Final = "a reply that is none"
_USED: Final = frozenset({b"content-length", b"retry-after", b"transfer-encoding"})
_VERSIONS: Final = frozenset({"1.0", "1.1"})
# Servers may wait for the length of these, also of none.
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_FIRST: Final = 100
_FIRST_FINAL: Final = 200


class Reply(NamedTuple):
    """A whole reply, with the one header that is used; `is_last` tells that the connection must not be kept."""

    status: int
    retry_after: str | None
    content: bytes
    is_last: bool


def exchange(
    sock: socket, method: str, target: str, headers: Mapping[str, str], body: bytes | None, silence: float
) -> Reply:
    """Send a request over the socket of an open connection, and return its reply.

    `headers` have the Host, and no length. Raises OSError (after `silence` seconds without a byte TimeoutError) and
    HTTPException, neither with a part of the reply; ReplyTooLargeError; ValueError for what is no request.
    """
    request = _request(method, target, headers, body)
    for at in range(0, len(request), PIECE):
        sock.settimeout(rest(silence))
        sock.sendall(request[at : at + PIECE])
    return Reader(sock, silence, limited=time.monotonic()).reply()


def _request(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Accept-Encoding: identity"]
    if not _WORD.fullmatch(method) or not _TARGET.fullmatch(target):
        _refuse_request()
    for name, value in headers.items():
        if not _WORD.fullmatch(name) or not _VALUE.fullmatch(value):
            _refuse_request()
        lines.append(f"{name}: {value}")
    if body is not None or method in _WITH_BODY:
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join((*lines, "\r\n")).encode("latin-1") + (body or b"")


def _refuse_request() -> NoReturn:
    # It does not show the text, which may be a token.
    raise ValueError("a request cannot be made of this")


class Reader:
    """Reads one reply from a socket, plain or of TLS."""

    largest: ClassVar[int] = BoundedResponse.largest
    longest: ClassVar[float] = BoundedResponse.longest

    def __init__(self, sock: Any, silence: float, limited: float = -math.inf) -> None:  # noqa: ANN401 - plain or TLS
        """`limited` is when the socket's timeout was last set, as here, by the machine's clock."""
        self._limited = limited
        self._sock = sock
        self._silence = silence
        self._end = time.monotonic() + self.longest
        self._read = 0

    def reply(self) -> Reply:
        message = _Message()
        try:
            while not message.is_whole:
                self._read_on(message)
        finally:
            # It holds the message too, and both would stay in memory until the next collection.
            del message.parser
        return Reply(message.status, message.retry_after, b"".join(message.content), message.is_last)

    def _read_on(self, message: _Message) -> None:
        if message.announced is not None and message.announced > self.largest:
            # Memory for all of it would be taken before any of it came.
            raise ReplyTooLargeError
        most = _AT_ONCE if message.status else _LONGEST_HEAD - self._read
        if most == 0:
            raise HTTPException("a head without an end")
        data = self._more(most)
        if not data:
            message.end()
            return
        # The parser knows other protocols too, and lines before a reply.
        if not self._read and not data.startswith(b"H"):
            raise HTTPException(_NONE)
        self._read += len(data)
        if self._read > self.largest:
            raise ReplyTooLargeError
        message.take(data)

    def _more(self, most: int) -> bytes:
        """Wait for more bytes; none at the end of the connection."""
        now = time.monotonic()
        if now >= self._end:
            raise TimeoutError
        if now - self._limited > _PRECISION:
            self._sock.settimeout(rest(min(self._end - now, self._silence)))
            self._limited = now
        data: bytes = self._sock.recv(most)
        return data


class _Message:
    """What the parser has told of the reply; `status` is 0 until its head is read."""

    def __init__(self) -> None:
        self.status = 0
        self.announced: int | None = None
        self.retry_after: str | None = None
        self.content: list[bytes] = []
        self.is_last = self.is_whole = False
        self._is_begun = self._is_chunked = False
        self._fields: list[tuple[bytes, bytes]] = []
        self.on_body = self.content.append
        self.parser = HttpResponseParser(self)

    def take(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            is_reply = self.is_whole
        else:
            return
        if not is_reply:
            raise HTTPException(_NONE)
        # What comes after a reply is none to any request.
        self.is_last = True

    def end(self) -> None:
        """Take note that the connection has ended, which is the end of a reply that tells no other."""
        if not self._is_begun:
            raise RemoteDisconnected("the connection was closed without a reply")
        if not self.status or self._is_chunked or self.announced is not None:
            raise IncompleteRead(b"")
        self.is_whole = True

    # What the parser calls. It turns what they raise into an error of its own.

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise HTTPException("more than one reply")
        self._is_begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come after the head; they are not used, and as many as fit in a reply would fill the memory.
        if not self.status:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if status < _FIRST or self.parser.get_http_version() not in _VERSIONS or len(self._fields) > _MOST_HEADERS:
            raise HTTPException(_NONE)
        for name, value in self._fields:
            if (key := name.lower()) in _USED:
                self._use(key, value.decode("latin-1").strip(" \t"))
        self.status = status
        self.is_last = not self.parser.should_keep_alive()

    def on_message_complete(self) -> None:
        self.is_whole = self.status >= _FIRST_FINAL
        if not self.is_whole:
            # "Continue" and the like, before the reply itself.
            self._is_begun, self.status = False, 0
            self.announced, self.retry_after, self._is_chunked = None, None, False
            self._fields.clear()

    def _use(self, key: bytes, value: str) -> None:
        if key == b"transfer-encoding":
            if value.lower() != "chunked":
                raise HTTPException("a transfer encoding that nobody asked for")
            self._is_chunked = True
        elif key == b"retry-after":
            self.retry_after = self.retry_after or value
        else:
            # The parser takes any number of zeros before it; int() raises for thousands.
            self.announced = int(value)
