import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException

import pytest

from compiler.stores.http import ReplyTooLargeError, TimedConnection
from compiler.stores.vault.session import VaultSession

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\n{}"


class Server:
    """Answers the requests of each connection with the replies scripted for it, then closes it."""

    def __init__(self, *connections: tuple[bytes, ...]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.seen: list[list[bytes]] = []
        self._thread = threading.Thread(target=self._serve, args=(connections,))
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
        data += connection.recv(65536)
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


def session_to(server: Server, start: str = "") -> VaultSession:
    return VaultSession(lambda: TimedConnection("127.0.0.1", server.port), start, {"X-Extra": "e"}, "vault:8200")


def test_a_request_is_sent_as_hvac_means_it_and_the_reply_comes_back(serve: type[Server]) -> None:
    server = serve((OK,))
    with closing(session_to(server, "/below")) as session:
        reply = session.request(
            "post", "/v1/x", {"X-Vault-Token": "t"}, params={"a": "b c"}, json={"n": 1}, timeout=(1, 2)
        )
    assert (reply.status, reply.content, reply.retry_after) == (200, b"{}", "7")
    head, _, body = server.seen[0][0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /below/v1/x?a=b+c HTTP/1.1"
    assert {b"Host: vault:8200", b"X-Vault-Token: t", b"X-Extra: e", b"Content-Type: application/json"} <= set(lines)
    assert body == b'{"n": 1}'


def test_connections_are_kept(serve: type[Server]) -> None:
    server = serve((OK, OK, OK))
    with closing(session_to(server)) as session:
        for _ in range(3):
            session.request("get", "/", {}, timeout=(1, 2))
    assert [len(requests) for requests in server.seen] == [3]


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_again(serve: type[Server]) -> None:
    server = serve((OK,), (OK,))
    with closing(session_to(server)) as session:
        session.request("get", "/", {}, timeout=(1, 2))
        while len(server.seen) < 1 or not _is_closed(session):
            pass
        assert session.request("get", "/", {}, timeout=(1, 2)).status == 200


def _is_closed(session: VaultSession) -> bool:
    return session._idle[0].sock.recv(1, socket.MSG_PEEK) == b""


def test_a_reply_that_ends_the_connection_is_honoured(serve: type[Server]) -> None:
    last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    server = serve((last,), (OK,))
    with closing(session_to(server)) as session:
        session.request("get", "/", {}, timeout=(1, 2))
        session.request("get", "/", {}, timeout=(1, 2))
    assert [len(requests) for requests in server.seen] == [1, 1]


@pytest.mark.parametrize("broken", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"no HTTP\r\n\r\n"])
def test_after_a_broken_reply_nothing_of_it_reaches_the_next_request(serve: type[Server], broken: bytes) -> None:
    server = serve((broken,), (OK,))
    with closing(session_to(server)) as session:
        with pytest.raises((OSError, HTTPException)):
            session.request("get", "/", {}, timeout=(1, 2))
        assert session.request("get", "/", {}, timeout=(1, 2)).content == b"{}"


def test_nothing_is_sent_twice(serve: type[Server]) -> None:
    server = serve((b"",))
    with closing(session_to(server)) as session, pytest.raises(OSError, match="closed"):
        session.request("post", "/", {}, json={}, timeout=(1, 2))
    assert len(server.seen[0]) == 1


def test_a_redirect_is_a_reply_like_any_other(serve: type[Server]) -> None:
    server = serve((b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",))
    with closing(session_to(server)) as session:
        assert session.request("get", "/", {}, timeout=(1, 2)).status == 307


def test_waiting_for_a_reply_ends_with_the_read_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(VaultSession(lambda: TimedConnection(*silent.getsockname()), "", {}, "vault:8200")) as session,
        pytest.raises(TimeoutError),
    ):
        session.request("get", "/", {}, timeout=(1, 0.05))


def test_a_host_that_takes_no_connection_is_an_os_error() -> None:
    with socket.socket() as bound:
        # Not listening, but taken: nobody else's server can come to this port meanwhile.
        bound.bind(("127.0.0.1", 0))
        session = VaultSession(lambda: TimedConnection(*bound.getsockname()), "", {}, "vault:8200")
        with pytest.raises(ConnectionRefusedError):
            session.request("get", "/", {}, timeout=(1, 2))


def test_a_reply_without_an_end_is_given_up_and_its_connection_with_it(serve: type[Server]) -> None:
    server = serve((b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",), (OK,))
    with closing(session_to(server)) as session:
        with pytest.raises(ReplyTooLargeError):
            session.request("get", "/", {}, timeout=(1, 2))
        assert session.request("get", "/", {}, timeout=(1, 2)).content == b"{}"
