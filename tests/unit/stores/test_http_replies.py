import io
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from threading import Thread
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.stores.http import ReplyTooLargeError, StrictResponse
from compiler.stores.pacing import Clock, Deadlines
from tests.pace import allowed_wall

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
Ends = tuple[socket.socket, socket.socket]


class Reply(NamedTuple):
    status: int
    content: bytes
    retry_after: str | None
    is_last: bool


class Small(StrictResponse):
    largest = 1000


class Brief(StrictResponse):
    longest = 0.2


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def read(ours: socket.socket, kind: type[HTTPResponse] = Small, silence: float | None = 5) -> Reply:
    ours.settimeout(silence)
    response = kind(ours, method="GET")
    try:
        response.begin()
        content = response.read()
    finally:
        response.close()
    return Reply(response.status, content, response.headers.get("Retry-After"), bool(response.will_close))


def replied(*pieces: bytes) -> Reply:
    """What is read of a reply that comes in these pieces, each of which is read before the next is sent."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        if len(pieces) == 1:
            theirs.sendall(pieces[0])
            theirs.shutdown(socket.SHUT_WR)
            return read(ours, StrictResponse)
        return read(Pieces(ours, pieces), StrictResponse)  # type: ignore[arg-type] # what http.client uses of a socket


class Pieces:
    """Stands for a socket: gives these pieces, one at a time, and then the end."""

    def __init__(self, sock: socket.socket, pieces: tuple[bytes, ...]) -> None:
        self._sock = sock
        self._pieces = list(pieces)
        self.settimeout, self.gettimeout = sock.settimeout, sock.gettimeout

    def makefile(self, _mode: str) -> io.BufferedReader:
        given = self

        class Raw(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - io's own name of the type is private
                if not given._pieces:
                    return 0
                piece = given._pieces.pop(0)
                if rest := piece[len(buffer) :]:
                    given._pieces.insert(0, rest)
                count = min(len(piece), len(buffer))
                buffer[:count] = piece[:count]
                return count

        return io.BufferedReader(Raw())


WHOLE = {
    "length": OK + b"Content-Length: 5\r\nRetry-After: 7\r\n\r\nhello",
    "chunks": CHUNKED + b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: t\r\n\r\n",
    "to the end": OK + b"Retry-After:  7 \r\n\r\nhello",
    "closing": OK + b"connection: Close\r\nContent-Length: 5\r\n\r\nhello",
    "older": b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "no reason": b"HTTP/1.1 429\r\nContent-Length: 5\r\n\r\nhello",
    "any number of zeros": OK + b"Content-Length: 005 \r\n\r\nhello",
    "the same header twice": OK + b"Retry-After: 7\r\nRetry-After: 8\r\nContent-Length: 5\r\n\r\nhello",
    "empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    "empty with a length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "no headers": OK + b"\r\nhello",
    "trailers that would be headers": CHUNKED + b"5\r\nhello\r\n0\r\nRetry-After: 7\r\n\r\n",
    "prelude that would have to be waited for": b"HTTP/1.1 100 A\r\nRetry-After: 9\r\n\r\n" + OK + b"\r\nhello",
    "prelude": b"HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
    "letters beyond ASCII": b"HTTP/1.1 200 \xe9\r\nX-A: \xe9\r\nContent-Length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("reply", WHOLE.values(), ids=WHOLE)
def test_a_reply_is_what_http_client_takes_it_for(ends: Ends, reply: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(reply)
    theirs.shutdown(socket.SHUT_WR)
    theirs_status, content, retry_after, will_close = read(ours, HTTPResponse)
    # http.client waits for what the end of the connection says, where none can come.
    is_last = will_close and theirs_status not in (204, 304)
    expected = (theirs_status, content, None if retry_after is None else retry_after.strip(), is_last)
    assert replied(reply) == expected


@pytest.mark.parametrize("reply", WHOLE.values(), ids=WHOLE)
def test_it_does_not_matter_in_which_pieces_a_reply_comes(reply: bytes) -> None:
    whole = replied(reply)
    assert replied(*(reply[at : at + 1] for at in range(len(reply)))) == whole
    for at in range(1, len(reply)):
        assert replied(reply[:at], reply[at:]) == whole


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\nhello",
        OK + b"Content-Length: 5, 5\r\n\r\nhello",
        OK + b"Content-Length: five\r\n\r\nhello",
        OK + b"Content-Length: \r\n\r\nhello",
        OK + b"Content-Length: \xb2\r\n\r\nhello",
        OK + b"Content-Length: +5\r\n\r\nhello",
        OK + b"Content-Length: " + b"0" * 5000 + b"5\r\n\r\nhello",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"X-A: b\r\n Content-Length: 5\r\n\r\nhello",
        OK + b"Content-Length : 5\r\n\r\nhello",
        OK + b"no field\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Content-Length: 5\nX-A: b\r\n\r\nhello",
        OK + b"X-A: b\0\r\nContent-Length: 5\r\n\r\nhello",
        OK + b": 5\r\n\r\nhello",
        OK + b"X-A: b\r\n" * 101 + b"\r\n",
        OK + b"X-A: " + b"b" * 70_000 + b"\r\n\r\n",
        CHUNKED + b"five\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\nhello\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\nno field\r\n\r\n",
        CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nhelloXX0\r\n\r\n",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
        OK + b"Content-Length: 6\r\n\r\nhello",
        OK + b"Content-Length: 5",
        OK,
        # Another protocol was agreed upon, says the server.
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h\r\nConnection: upgrade\r\n\r\nhello",
    ],
)
def test_what_leaves_open_where_a_reply_ends_is_none(reply: bytes) -> None:
    with pytest.raises(HTTPException) as caught:
        replied(reply)
    assert "hello" not in repr(caught.value)
    assert not getattr(caught.value, "partial", b"")


@pytest.mark.parametrize("status", [b"102 Processing", b"103 Early Hints", b"199 Other"])
def test_what_comes_before_a_reply_is_skipped(status: bytes) -> None:
    prelude = b"HTTP/1.1 " + status + b"\r\nRetry-After: 9\r\n\r\n"
    assert replied(prelude + prelude + OK + b"Content-Length: 5\r\n\r\nhello") == Reply(200, b"hello", None, False)


@pytest.mark.parametrize(("line", "is_good"), [(b"X-A:%s\1\r\n", False), (b"X-A:%sb%s\r\n", True)])
def test_a_long_header_of_white_space_is_read_at_once(line: bytes, *, is_good: bool) -> None:
    blank = b" " * (60_000 // line.count(b"%s"))
    reply = OK + line.replace(b"%s", blank) + b"Content-Length: 5\r\n\r\nhello"
    began = time.monotonic()
    if is_good:
        assert replied(reply).content == b"hello"
    else:
        with pytest.raises(HTTPException):
            replied(reply)
    assert time.monotonic() - began < allowed_wall(5, below=20)


def test_trailers_take_no_memory() -> None:
    trailers = b"ab:cd\r\n" * 100_000
    reply = CHUNKED + b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n"
    tracemalloc.start()
    try:
        assert replied(reply[:40], reply[40:]).content == b"hello"
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 4 * len(reply)


def test_a_head_ends_within_64_kib() -> None:
    longest = OK + b"X-A: " + b"b" * (65_536 - len(OK) - 9) + b"\r\n\r\n"
    assert replied(longest, b"hello").content == b"hello"
    with pytest.raises(HTTPException, match="a head without an end"):
        replied(longest.replace(b"b", b"bb", 1))


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/2 200\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"HTTP/1.1 20 O\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n",
        b"\r\n" + OK,
        b"hello",
    ],
)
def test_what_does_not_speak_http_is_not_waited_for(ends: Ends, reply: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(reply)
    with pytest.raises(HTTPException) as caught:
        read(ours, StrictResponse)
    assert str(caught.value) == "the reply is not valid HTTP"


def test_a_connection_that_is_closed_before_a_reply_is_told_from_one_inside_of_it() -> None:
    with pytest.raises(RemoteDisconnected):
        replied()
    with pytest.raises(RemoteDisconnected):
        replied(b"HTTP/1.1 100 Continue\r\n\r\n")
    for begun in (b"HTT", b"HTTP/1.", OK):
        with pytest.raises(IncompleteRead):
            replied(begun)


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 5\r\n\r\nhello" + OK,
        OK + b"Content-Length: 5\r\n\r\nhello" + OK + b"Content-Length: 5\r\n\r\nworld",
        CHUNKED + b"5\r\nhello\r\n0\r\n\r\nx",
        b"HTTP/1.1 204 No Content\r\n\r\nx",
    ],
)
def test_a_connection_on_which_more_may_follow_is_not_kept(reply: bytes) -> None:
    assert replied(reply).is_last


PARTS = [OK, CHUNKED, b"Content-Length: 3\r\n", b"\r\n", b"abc", b"3\r\n", b"0\r\n", b"\n", b":", b"\xff"]


@given(st.lists(st.one_of(st.sampled_from(PARTS), st.binary(min_size=1, max_size=9))))
def test_no_reply_makes_another_error(pieces: list[bytes]) -> None:
    with suppress(HTTPException, OSError):
        assert replied(*pieces).status >= 200


@pytest.mark.parametrize(
    "reply",
    [
        OK + b"Content-Length: 999999999999\r\n\r\n",
        OK + b"\r\n" + b"x" * 2000,
        CHUNKED + b"1\r\nx\r\n" * 500,
        CHUNKED + b"ffffffff\r\n" + b"x" * 2000,
        CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 500,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    ],
    ids=["announced", "without end", "chunks", "chunk", "trailers", "preludes"],
)
def test_a_reply_that_is_too_large_is_not_read_further(ends: Ends, reply: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(reply)
    with pytest.raises(ReplyTooLargeError):
        read(ours)


@pytest.mark.parametrize(("more", "refused"), [(0, False), (1, True)])
def test_the_bound_is_of_all_bytes_and_the_last_one_is_within_it(ends: Ends, more: int, *, refused: bool) -> None:
    ours, theirs = ends
    theirs.sendall(OK + b"\r\n" + b"x" * (1000 - len(OK) - 2 + more))
    theirs.shutdown(socket.SHUT_WR)
    if refused:
        with pytest.raises(ReplyTooLargeError):
            read(ours)
    else:
        assert set(read(ours).content) == set(b"x")


def test_what_a_store_may_announce_is_8_mib() -> None:
    with pytest.raises(ReplyTooLargeError):
        replied(OK + b"Content-Length: %d\r\n\r\n" % (8 * 1024 * 1024 + 1))
    with pytest.raises(IncompleteRead):
        replied(OK + b"Content-Length: %d\r\n\r\n" % (8 * 1024 * 1024))


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 ", OK + b"X-A: ", OK + b"Content-Length: 900\r\n\r\n", CHUNKED])
def test_a_reply_that_trickles_ends_in_time_although_each_byte_comes_in_time(ends: Ends, head: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(head)

    def trickle() -> None:
        for _ in range(1_000):
            try:
                theirs.sendall(b"1")
            except OSError:
                return
            time.sleep(0.02)

    feeder = Thread(target=trickle)
    began = time.monotonic()
    feeder.start()
    with pytest.raises(TimeoutError):
        read(ours, Brief)
    ours.close()
    feeder.join()
    assert time.monotonic() - began < allowed_wall(3, below=20)


def test_a_reply_that_takes_too_long_is_not_waited_for_any_more(ends: Ends) -> None:
    class Over(StrictResponse):
        longest = 0.0

    ends[1].sendall(OK)
    with pytest.raises(TimeoutError):
        read(ends[0], Over)


def test_a_silence_is_no_longer_than_asked_for(ends: Ends) -> None:
    ends[1].sendall(OK)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        read(ends[0], StrictResponse, silence=0.05)
    assert time.monotonic() - began < allowed_wall(10, below=60)


def test_a_reply_ends_with_the_operation(ends: Ends) -> None:
    deadlines = Deadlines(Clock(), patience=0.05, first_contact=60)
    deadlines.answered.set()
    ends[1].sendall(OK)
    began = time.monotonic()
    with deadlines.operation(), deadlines.request(), pytest.raises(TimeoutError):
        read(ends[0], StrictResponse, silence=30)
    assert time.monotonic() - began < allowed_wall(10, below=30)


def test_a_reply_without_a_body_by_its_method_is_not_waited_for(ends: Ends) -> None:
    ends[1].sendall(OK + b"Content-Length: 500\r\n\r\n")
    ends[0].settimeout(5)
    reply = Small(ends[0], 1, method="HEAD")
    assert reply.debuglevel == 1
    reply.begin()
    assert reply.read() == b""
    reply.close()


def test_a_socket_without_a_timeout_has_the_bounds_too(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
    assert read(ours, silence=None).content == b"{}"
    theirs.sendall(OK + b"Content-Length: 2\r\n\r\n{")
    with pytest.raises(TimeoutError):
        read(ours, Brief, silence=None)
