import socket
import time
from collections.abc import Iterator
from http.client import HTTPException
from threading import Thread

import pytest

from compiler.stores.deadline import Deadlines, SystemClock
from compiler.stores.http import BoundedResponse, ReplyTooLargeError
from tests.pace import allowed_wall

HEAD = b"HTTP/1.1 200 OK\r\n"


class Small(BoundedResponse):
    largest = 1000
    longest = 0.2


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        yield ours, theirs


def read(ours: socket.socket, kind: type[BoundedResponse] = Small) -> bytes:
    reply = kind(ours, method="GET")
    try:
        reply.begin()
        return reply.read()
    finally:
        reply.close()


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + b"Content-Length: 500\r\n\r\n" + b"x" * 500,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1f4\r\n" + b"x" * 500 + b"\r\n0\r\n\r\n",
        HEAD + b"Connection: close\r\n\r\n" + b"x" * 500,
    ],
)
def test_a_reply_within_the_bounds_is_read_as_it_is(ends: tuple[socket.socket, socket.socket], reply: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(reply)
    theirs.shutdown(socket.SHUT_WR)
    assert read(ours) == b"x" * 500


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + b"Content-Length: 99999999999999\r\n\r\n",
        HEAD + b"\r\n" + b"x" * 2000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 500,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X-A: b\r\n" * 500,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100,
    ],
    ids=["announced", "without end", "chunks", "trailers", "preludes"],
)
def test_a_reply_that_is_too_large_is_not_read_further(ends: tuple[socket.socket, socket.socket], reply: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(reply)
    with pytest.raises(ReplyTooLargeError):
        read(ours)


@pytest.mark.parametrize("head", [b"", HEAD, HEAD + b"Content-Length: 900\r\n\r\n"])
def test_a_reply_that_trickles_ends_in_time_although_each_byte_comes_in_time(
    ends: tuple[socket.socket, socket.socket], head: bytes
) -> None:
    ours, theirs = ends
    theirs.sendall(head)

    def trickle() -> None:
        for _ in range(1_000):
            try:
                theirs.sendall(b"H")
            except OSError:
                return
            time.sleep(0.02)

    feeder = Thread(target=trickle)
    began = time.monotonic()
    feeder.start()
    with pytest.raises((TimeoutError, HTTPException)) as caught:
        read(ours)
    ours.close()
    feeder.join()
    assert caught.type is TimeoutError
    assert time.monotonic() - began < allowed_wall(3, below=20)


def filled(size: int, head: bytes) -> bytes:
    """A reply of `size` bytes in all, its head's `{length}` filled in."""
    length = size - len(head % 100)
    return head % length + b"x" * length


@pytest.mark.parametrize(
    "head", [HEAD + b"Content-Length: %d\r\n\r\n", HEAD + b"X-Length: %d\r\nConnection: close\r\n\r\n"]
)
def test_the_bound_is_of_all_bytes_and_the_last_one_is_within_it(
    ends: tuple[socket.socket, socket.socket], head: bytes
) -> None:
    ours, theirs = ends
    theirs.sendall(filled(1000, head))
    theirs.shutdown(socket.SHUT_WR)
    assert set(read(ours)) == set(b"x")


@pytest.mark.parametrize(
    "head", [HEAD + b"Content-Length: %d\r\n\r\n", HEAD + b"X-Length: %d\r\nConnection: close\r\n\r\n"]
)
def test_one_byte_above_the_bound_is_too_many(ends: tuple[socket.socket, socket.socket], head: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(filled(1001, head))
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(ReplyTooLargeError):
        read(ours)


@pytest.mark.parametrize(("announced", "refused"), [(8 * 1024 * 1024, False), (8 * 1024 * 1024 + 1, True)])
def test_what_a_store_may_announce_is_8_mib(
    ends: tuple[socket.socket, socket.socket], announced: int, *, refused: bool
) -> None:
    ours, theirs = ends
    theirs.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % announced)
    reply = BoundedResponse(ours, method="GET")
    try:
        if refused:
            with pytest.raises(ReplyTooLargeError):
                reply.begin()
        else:
            reply.begin()
            assert reply.length == announced
    finally:
        reply.close()


def test_a_reply_without_a_body_by_its_method_is_not_waited_for(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.sendall(HEAD + b"Content-Length: 500\r\n\r\n")
    reply = Small(ours, method="HEAD")
    reply.begin()
    assert reply.read() == b""
    reply.close()


def test_a_silence_is_no_longer_than_the_sockets_own_timeout(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.settimeout(0.05)
    theirs.sendall(HEAD)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        read(ours, BoundedResponse)
    assert time.monotonic() - began < allowed_wall(10, below=60)


def test_a_reply_ends_with_the_operation(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.settimeout(30)
    deadlines = Deadlines(SystemClock(), patience=0.05, first_contact=60)
    deadlines.answered.set()
    theirs.sendall(HEAD)
    began = time.monotonic()
    with deadlines.operation(), deadlines.request(), pytest.raises(TimeoutError):
        read(ours, BoundedResponse)
    assert time.monotonic() - began < allowed_wall(10, below=30)


def test_a_socket_without_a_timeout_has_the_bounds_too(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.settimeout(None)
    theirs.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert read(ours) == b"{}"
    ours.settimeout(None)
    theirs.sendall(HEAD + b"Content-Length: 2\r\n\r\n{")
    with pytest.raises(TimeoutError):
        read(ours)


def test_it_is_made_as_http_client_makes_a_response(ends: tuple[socket.socket, socket.socket]) -> None:
    reply = Small(ends[0], 1, method="HEAD")
    assert (reply.debuglevel, reply._method) == (1, "HEAD")  # type: ignore[attr-defined]
    reply.close()
