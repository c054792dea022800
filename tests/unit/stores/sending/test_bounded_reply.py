import socket
import time
from collections.abc import Iterator
from http.client import HTTPException
from threading import Thread

import pytest

from compiler.stores.sending.bounded_reply import BoundedResponse, ReplyTooLargeError

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


def read(ours: socket.socket) -> bytes:
    reply = Small(ours, method="GET")
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
        for _ in range(200):
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
    assert time.monotonic() - began < 3
