"""Sends one request over an open connection and reads its reply, strictly and up to a limit of bytes and seconds.

http.client takes three times as long, as it hands the head of every reply to the parser of e-mails, and guesses where a
reply ends that does not say so clearly. Here that is refused.
"""

import time
from collections.abc import Mapping
from http.client import BadStatusLine, HTTPConnection, HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any, ClassVar, Final, NamedTuple, NoReturn

from compiler.stores.sending.bounded_reply import BoundedResponse, ReplyTooLargeError
from compiler.stores.sending.deadline import rest
from compiler.text.regex import regex

_AT_ONCE: Final = 65_536
# http.client takes a hundred headers of this length each; a store sends a dozen of some dozen characters.
_LONGEST_HEAD: Final = 65_536
_MOST_HEADERS: Final = 100
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_WORD: Final = regex(_NAME)
_TARGET: Final = regex(r"[!-~]+")
# Obsolete line folding is none, and neither is a space before the colon: both are ways to mean two things at once.
_FIELDS: Final = regex(rf"(?:{_NAME}:[\t -~\x80-\xff]*+\r\n)*+")
_STATUS: Final = regex(r"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [\t -~\x80-\xff]*+)?")
_STATUS_BEGINS: Final = b"HTTP/1."
_VALUE: Final = regex(r"[\t -~\x80-\xff]*+")
_LENGTH: Final = regex(r"[0-9]{1,18}")
_CHUNK: Final = regex(r"([0-9A-Fa-f]{1,8})[\t ]*(?:;[\t -~\x80-\xff]*+)?")
# Servers may wait for the length of these, also of none.
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_NO_CONTENT: Final = frozenset({204, 304})
_FIRST_FINAL: Final = 200


class Reply(NamedTuple):
    """A whole reply: `headers` by their names in lower case; `is_last` tells that the connection must not be kept."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    is_last: bool


def exchange(
    connection: HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes | None, silence: float
) -> Reply:
    """Send a request over a connection that is open, and return its reply.

    `headers` have the Host, and no length. Raises OSError (after `silence` seconds without a byte TimeoutError) and
    HTTPException, neither with a part of the reply; ReplyTooLargeError; ValueError for what is no request.
    """
    request = _request(method, target, headers, body)
    connection.sock.settimeout(silence)
    connection.send(request)
    return Reader(connection.sock, silence).reply()


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

    def __init__(self, sock: Any, silence: float) -> None:  # noqa: ANN401 - plain or TLS
        self._sock = sock
        self._silence = silence
        self._end = time.monotonic() + self.longest
        self._left = self.largest
        self._read = bytearray()

    def reply(self) -> Reply:
        minor, status, headers = self._head()
        while status < _FIRST_FINAL:
            # "Continue" and the like, before the reply itself.
            minor, status, headers = self._head()
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        is_last = minor == "0" or "close" in headers.get("connection", "").lower()
        if status in _NO_CONTENT:
            content = b""
        elif coding is not None:
            if coding.lower() != "chunked":
                raise HTTPException("a transfer encoding that nobody asked for")
            # A length beside it is from whoever does not know that encoding.
            content, is_last = self._chunks(), is_last or length is not None
        elif length is not None:
            content = self._take(self._announced(length))
        else:
            content, is_last = self._all(), True
        # What comes after a reply is none to any request.
        return Reply(status, headers, content, is_last or bool(self._read))

    def _head(self) -> tuple[str, int, dict[str, str]]:
        found = _STATUS.fullmatch(self._status_line())
        if found is None:
            raise BadStatusLine("")
        # From the end of that line on, so that a head without a field ends like any other.
        head = self._until(b"\r\n\r\n").removeprefix("\r\n") + "\r\n"
        if head == "\r\n":
            return found[1], int(found[2]), {}
        if not _FIELDS.fullmatch(head) or head.count("\n") > _MOST_HEADERS:
            raise HTTPException("a head that is none")
        headers: dict[str, str] = {}
        for field in head.split("\r\n")[:-1]:
            name, _, value = field.partition(":")
            name, value = name.lower(), value.strip(" \t")
            if headers.setdefault(name, value) != value and name in ("content-length", "transfer-encoding"):
                raise HTTPException("two ends of one reply")
        return found[1], int(found[2]), headers

    def _announced(self, length: str) -> int:
        if not _LENGTH.fullmatch(length):
            raise HTTPException("a length that is none")
        if (announced := int(length)) > self.largest:
            # Memory for all of it would be taken before any of it came.
            raise ReplyTooLargeError
        return announced

    def _chunks(self) -> bytes:
        content = bytearray()
        while True:
            found = _CHUNK.fullmatch(self._until(b"\r\n"))
            if found is None:
                raise IncompleteRead(b"")
            size = int(found[1], 16)
            if size == 0:
                break
            content += self._take(size)
            if self._take(2) != b"\r\n":
                raise IncompleteRead(b"")
        while self._until(b"\r\n"):
            # Trailers: nothing in them is used.
            pass
        return bytes(content)

    def _all(self) -> bytes:
        while self._more():
            pass
        content = bytes(self._read)
        self._read.clear()
        return content

    def _status_line(self) -> str:
        """The first line without its end, which is left."""
        if not self._read and not self._more():
            raise RemoteDisconnected("the connection was closed without a reply")
        while not self._read.startswith(_STATUS_BEGINS):
            # Told at once: what does not speak HTTP may wait for more itself.
            if not _STATUS_BEGINS.startswith(self._read):
                raise BadStatusLine("")
            if not self._more():
                raise IncompleteRead(b"")
        line = self._until(b"\r\n")
        self._read[:0] = b"\r\n"
        return line

    def _until(self, end: bytes) -> str:
        """The text before `end`, which is taken away with it."""
        searched = 0
        while (at := self._read.find(end, searched, _LONGEST_HEAD)) < 0:
            if len(self._read) >= _LONGEST_HEAD:
                raise HTTPException("a line without an end")
            searched = max(0, len(self._read) - len(end) + 1)
            if not self._more():
                raise IncompleteRead(b"")
        text = self._read[:at].decode("latin-1")
        del self._read[: at + len(end)]
        return text

    def _take(self, size: int) -> bytes:
        while len(self._read) < size:
            if not self._more():
                raise IncompleteRead(b"")
        content = bytes(self._read[:size])
        del self._read[:size]
        return content

    def _more(self) -> bool:
        """Wait for more bytes; False at the end of the connection."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(rest(min(left, self._silence)))
        data = self._sock.recv(_AT_ONCE)
        self._left -= len(data)
        if self._left < 0:
            raise ReplyTooLargeError
        self._read += data
        return bool(data)
