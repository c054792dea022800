import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException

import pytest

from compiler.model.store import Address
from compiler.stores import http
from compiler.stores.http import ConnectionDeniedError, ReplyTooLargeError, StrictResponse, Transport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n{}"


class Server:
    """Answers the requests of each connection with the replies scripted for it, then closes it."""

    def __init__(self, *connections: tuple[bytes, ...]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.seen: list[list[bytes]] = []
        # A test that fails leaves connections that nobody opens.
        self._thread = threading.Thread(target=self._serve, args=(connections,), daemon=True)
        self._thread.start()

    def _serve(self, connections: tuple[tuple[bytes, ...], ...]) -> None:
        for replies in connections:
            with self._socket.accept()[0] as one:
                self.seen.append([])
                for reply in replies:
                    self.seen[-1].append(_request(one))
                    one.sendall(reply)

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()


def _request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(65536)):
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length: ")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def serve() -> Iterator[type[Server]]:
    started: list[Server] = []

    class Started(Server):
        def __init__(self, *connections: tuple[bytes, ...]) -> None:
            super().__init__(*connections)
            started.append(self)

    yield Started
    for server in started:
        server.close()


def transport_to(port: int, read_timeout: float = 2) -> Transport:
    return Transport(Address("http", "127.0.0.1", port, ""), None, connect_timeout=1, read_timeout=read_timeout)


def test_a_request_is_sent_as_it_is_and_the_reply_comes_back(serve: type[Server]) -> None:
    server = serve((OK, OK))
    with closing(transport_to(server.port)) as transport:
        reply = transport.request("POST", "/v1/x?a=b", {"X-Vault-Token": "t \xe9", "Content-Type": "a/b"}, b'{"n": 1}')
        transport.request("GET", "/v1/x", {})
    assert (reply.status, reply.content, reply.headers.get("retry-after")) == (200, b"{}", "7")
    head, _, body = server.seen[0][0].partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert line == b"POST /v1/x?a=b HTTP/1.1"
    host = b"Host: 127.0.0.1:%d" % server.port
    assert sorted(headers) == sorted(
        [
            *(host, b"Accept-Encoding: identity", b"X-Vault-Token: t \xe9"),
            *(b"Content-Type: a/b", b"Content-Length: 8"),
        ]
    )
    assert body == b'{"n": 1}'
    assert sorted(server.seen[0][1].split(b"\r\n")[1:-2]) == sorted([host, b"Accept-Encoding: identity"])


@pytest.mark.parametrize(("method", "says"), [("GET", False), ("DELETE", False), ("POST", True), ("PUT", True)])
def test_no_body_has_a_length_where_a_server_may_wait_for_one(serve: type[Server], method: str, *, says: bool) -> None:
    server = serve((OK,))
    with closing(transport_to(server.port)) as transport:
        transport.request(method, "/", {})
    assert (b"Content-Length: 0\r\n" in server.seen[0][0]) is says


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET\r\n", "/", {}),
        ("GET", "/a b", {}),
        ("GET", "/a\r\nX: y", {}),
        ("GET", "/\xe9", {}),
        ("GET", "/", {"X-Vault-Token": "t\r\nX-B: c"}),
        ("GET", "/", {"X-Vault-Token": "t\r\n X-B: c"}),
        ("GET", "/", {"X-Vault-Token": "t\n\tX-B: c"}),
        ("GET", "/", {"X-Vault-Token": "t\0"}),
        ("GET", "/", {"X-Vault-Token": "t\u20ac"}),
        ("GET", "/", {"X-A\r\nB": "c"}),
    ],
)
def test_what_would_be_another_request_is_not_sent(
    serve: type[Server], method: str, target: str, headers: dict[str, str]
) -> None:
    server = serve((b"",), (OK,))
    with closing(transport_to(server.port)) as transport:
        with pytest.raises((ValueError, HTTPException)):
            transport.request(method, target, headers)
        assert transport.request("GET", "/", {}).status == 200
    assert server.seen[0] == [b""]


def test_connections_are_kept(serve: type[Server]) -> None:
    server = serve((OK, OK, OK))
    with closing(transport_to(server.port)) as transport:
        for _ in range(3):
            transport.request("GET", "/", {})
    assert [len(requests) for requests in server.seen] == [3]


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again(serve: type[Server]) -> None:
    server = serve((OK,), (OK,))
    with closing(transport_to(server.port)) as transport:
        transport.request("GET", "/", {})
        while len(server.seen) < 1 or not _is_closed(transport):
            pass
        assert transport.request("GET", "/", {}).status == 200


def _is_closed(transport: Transport) -> bool:
    return transport._idle[0].sock.recv(1, socket.MSG_PEEK) == b""


def test_a_reply_that_ends_the_connection_is_honoured(serve: type[Server]) -> None:
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    server = serve((last,), (OK,))
    with closing(transport_to(server.port)) as transport:
        transport.request("GET", "/", {})
        transport.request("GET", "/", {})
    assert [len(requests) for requests in server.seen] == [1, 1]


@pytest.mark.parametrize("broken", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"no HTTP\r\n\r\n"])
def test_after_a_broken_reply_nothing_of_it_reaches_the_next_request(serve: type[Server], broken: bytes) -> None:
    server = serve((broken,), (OK,))
    with closing(transport_to(server.port)) as transport:
        with pytest.raises((OSError, HTTPException)):
            transport.request("GET", "/", {})
        assert transport.request("GET", "/", {}).content == b"{}"


def test_nothing_is_sent_twice(serve: type[Server]) -> None:
    server = serve((b"",))
    with closing(transport_to(server.port)) as transport, pytest.raises(OSError, match="closed"):
        transport.request("POST", "/", {})
    assert len(server.seen[0]) == 1


def test_a_redirect_is_a_reply_like_any_other(serve: type[Server]) -> None:
    server = serve((b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",))
    with closing(transport_to(server.port)) as transport:
        assert transport.request("GET", "/", {}).status == 307


def test_waiting_for_a_reply_ends_with_the_read_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(transport_to(silent.getsockname()[1], read_timeout=0.05)) as transport,
        pytest.raises(TimeoutError),
    ):
        transport.request("GET", "/", {})


def test_a_host_that_takes_no_connection_is_told_as_such() -> None:
    with socket.socket() as bound:
        # Not listening, but taken: nobody else's server can come to this port meanwhile.
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionDeniedError):
            transport_to(bound.getsockname()[1]).request("GET", "/", {})


def test_a_reply_without_an_end_is_given_up_and_its_connection_with_it(serve: type[Server]) -> None:
    server = serve((b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",), (OK,))
    with closing(transport_to(server.port)) as transport:
        with pytest.raises(ReplyTooLargeError):
            transport.request("GET", "/", {})
        assert transport.request("GET", "/", {}).content == b"{}"


def compressed(content: bytes) -> bytes:
    packed = gzip.compress(content)
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed


def test_what_comes_compressed_is_measured_by_what_it_becomes(
    serve: type[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StrictResponse, "largest", 100_000)
    broken = compressed(b"{}").replace(b"\x1f\x8b", b"\x1f\x00")
    server = serve((compressed(bytes(100_000)), compressed(bytes(100_001))), (broken,), (OK,))
    with closing(transport_to(server.port)) as transport:
        assert transport.request("GET", "/", {}).content == bytes(100_000)
        with pytest.raises(ReplyTooLargeError):
            transport.request("GET", "/", {})
        with pytest.raises(ValueError, match="not compressed as it says"):
            transport.request("GET", "/", {})
        assert transport.request("GET", "/", {}).content == b"{}"


def test_a_connection_may_be_given_less_time_than_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []

    def refuse(_host: str, _port: int, timeout: float | None) -> socket.socket:
        given.append(timeout)
        raise TimeoutError

    monkeypatch.setattr(http, "open_socket", refuse)
    for seconds in (None, 0.25):
        with pytest.raises(TimeoutError):
            transport_to(1).request("GET", "/", {}, connect_timeout=seconds)
    assert given == [1, 0.25]
