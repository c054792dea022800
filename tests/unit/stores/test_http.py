import gzip
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPException
from pathlib import Path
from threading import Event, Thread

import pytest

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.model.store import Address
from compiler.stores import http
from compiler.stores.errors import ConnectionDeniedError, UnknownHostError
from compiler.stores.http import (
    ReplyTooLargeError,
    StrictResponse,
    TimedConnection,
    TimedTlsConnection,
    Transport,
    open_socket,
    silence,
)
from compiler.stores.pacing import Clock, Deadlines
from tests.pace import allowed_wall

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


def transport_to(port: int, read_timeout: float = 10) -> Transport:
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


HOST = "127.0.0.1"
PATIENCE = 0.5


@contextmanager
def serving(serve: Callable[[socket.socket, Event], None]) -> Iterator[int]:
    """Serve one connection; the event tells the server that the test is over."""
    over = Event()
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(5)

        def run() -> None:
            try:
                with listener.accept()[0] as client:
                    serve(client, over)
            except OSError:
                return

        thread = Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def trickle(client: socket.socket, data: bytes, over: Event) -> None:
    for byte in data:
        if over.wait(0.05):
            return
        client.sendall(bytes([byte]))


@contextmanager
def given_up() -> Iterator[None]:
    """One request whose operation ends soon, and which ends then."""
    deadlines = Deadlines(Clock(), PATIENCE, first_contact=60)
    deadlines.answered.set()
    began = time.monotonic()
    with pytest.raises(TimeoutError), deadlines.operation(), deadlines.request():
        yield
    # Every server and timeout here goes on for ten seconds at least.
    assert PATIENCE - 0.1 <= time.monotonic() - began < allowed_wall(4, below=10)


def test_a_request_is_answered_as_by_any_connection() -> None:
    def serve(client: socket.socket, _over: Event) -> None:
        client.recv(65_536)
        client.sendall(OK)

    with serving(serve) as port, closing(TimedConnection(HOST, port, timeout=5)) as connection:
        connection.request("GET", "/", preload_content=False)
        assert connection.getresponse().read() == b"{}"


@pytest.mark.parametrize("before", [OK[:1], OK[:20], OK[:-1]], ids=["status line", "headers", "body"])
def test_a_reply_that_trickles_ends_with_the_operation(before: bytes) -> None:
    def serve(client: socket.socket, over: Event) -> None:
        client.recv(65_536)
        client.sendall(before.replace(b"Length: 2", b"Length: 500"))
        trickle(client, b"x" * 400, over)

    with serving(serve) as port, given_up(), closing(TimedConnection(HOST, port, timeout=20)) as connection:
        connection.request("GET", "/", preload_content=False)
        connection.getresponse().read()


def test_a_server_that_takes_in_little_of_what_it_is_sent_ends_with_the_operation() -> None:
    def serve(client: socket.socket, over: Event) -> None:
        while not over.wait(0.05):
            client.recv(16_384)

    with serving(serve) as port, given_up(), closing(TimedConnection(HOST, port, timeout=20)) as connection:
        connection.request("POST", "/", b"x" * 64_000_000)


def test_a_tls_handshake_that_trickles_ends_with_the_operation(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)

    def serve(client: socket.socket, over: Event) -> None:
        client.recv(65_536)
        # The beginning of a handshake record, and then its bytes.
        client.sendall(b"\x16\x03\x03\x40\x00")
        trickle(client, b"\x02" * 400, over)

    context = ssl.create_default_context(cafile=str(authority.ca_file))
    with (
        serving(serve) as port,
        given_up(),
        closing(TimedTlsConnection(HOST, port, timeout=20, ssl_context=context)) as connection,
    ):
        connection.request("GET", "/", preload_content=False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["its answer", "the handshake behind it"])
def test_a_proxy_that_trickles_ends_with_the_operation(answer: bytes) -> None:
    def serve(client: socket.socket, over: Event) -> None:
        client.recv(65_536)
        client.sendall(answer or b"HTTP/1.1 200")
        trickle(client, b" " * 400, over) if not answer else over.wait(20)

    with serving(serve) as port, given_up(), closing(TimedTlsConnection(HOST, port, timeout=20)) as connection:
        connection.set_tunnel("vault.example.com", 443)
        connection.request("GET", "/", preload_content=False)


def test_a_name_server_that_does_not_answer_ends_with_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    over = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(20))
    with given_up():
        open_socket("vault.example.com", 443, 5)
    over.set()


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: object) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)


@contextmanager
def full_queue() -> Iterator[tuple[str, int]]:
    """An address whose queue of one is full: the next connection is neither let in nor refused."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((HOST, 0))
        full.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield full.getsockname()


def test_addresses_that_let_nobody_in_end_with_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_queue() as address:
        resolves_to(monkeypatch, *[address] * 50)
        with given_up():
            open_socket("vault.example.com", 443, 0.2)


def test_outside_of_an_operation_an_address_has_the_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_queue() as address:
        resolves_to(monkeypatch, address)
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            open_socket("vault.example.com", 443, 0.2)
        assert time.monotonic() - began < allowed_wall(4, below=10)


def test_the_next_address_is_tried_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as listener, socket.socket() as closed:
        closed.bind((HOST, 0))
        resolves_to(monkeypatch, closed.getsockname(), listener.getsockname())
        with open_socket("vault.example.com", 443, 5) as opened:
            assert opened.getpeername() == listener.getsockname()
            assert opened.gettimeout() == 5
        resolves_to(monkeypatch, closed.getsockname())
        with pytest.raises(ConnectionRefusedError):
            open_socket("vault.example.com", 443, 5)
        resolves_to(monkeypatch)
        with pytest.raises(OSError, match=r"^the name has no address$"):
            open_socket("vault.example.com", 443, 5)


@pytest.mark.parametrize(
    ("raised", "is_final"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), True),
        (socket.gaierror(socket.EAI_AGAIN, "x"), False),
        (socket.gaierror("x"), False),
        (UnicodeError("x"), True),
    ],
)
def test_a_name_that_there_is_not_is_told_from_a_name_server_in_trouble(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, *, is_final: bool
) -> None:
    def failing(*_: object) -> None:
        raise raised

    monkeypatch.setattr(socket, "getaddrinfo", failing)
    with pytest.raises(UnknownHostError) as caught:
        open_socket("vault.example.com", 443, 5)
    assert (caught.value.host, caught.value.is_final) == ("vault.example.com", is_final)


def test_a_refusal_names_the_port() -> None:
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        with pytest.raises(ConnectionDeniedError) as caught:
            open_socket(HOST, closed.getsockname()[1], 5)
        assert (caught.value.host, caught.value.port) == closed.getsockname()


def test_a_body_goes_out_whole_in_pieces_each_with_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    body, heard, cuts = bytes(range(256)) * 200, bytearray(), list[float | None]()
    cut = TimedConnection._cut_timeout

    def counted(connection: TimedConnection) -> None:
        cut(connection)
        cuts.append(connection.sock.gettimeout())

    def serve(client: socket.socket, _over: Event) -> None:
        # A body that does not come whole ends the test and not only its patience.
        client.settimeout(5)
        while not heard.endswith(body) and (piece := client.recv(65_536)):
            heard.extend(piece)
        client.sendall(OK)

    monkeypatch.setattr(TimedConnection, "_cut_timeout", counted)
    with serving(serve) as port, closing(TimedConnection(HOST, port, timeout=5)) as connection:
        connection.request("POST", "/", body, {"A": "b"}, preload_content=False)
        assert connection.getresponse().read() == b"{}"
    assert bytes(heard).partition(b"\r\n\r\n")[2] == body
    # The head, and 51,200 bytes by 16,384; outside of an operation the connection's own timeout is what is left.
    assert cuts == [5, 5, 5, 5, 5]


def test_within_an_operation_the_shorter_of_both_is_waited_for() -> None:
    deadlines = Deadlines(Clock(), 200, first_contact=6_000)
    deadlines.answered.set()
    with socket.create_server((HOST, 0)) as listener, deadlines.operation(), deadlines.request():
        for timeout, most in ((100.0, 100.0), (5_000.0, 200.0), (None, 200.0)):
            with open_socket(HOST, listener.getsockname()[1], timeout) as opened:
                left = opened.gettimeout()
                assert left is not None
                assert most - 90 < left <= most


def test_a_name_is_asked_for_its_addresses_and_a_number_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as listener:
        asked: list[tuple[object, ...]] = []
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", listener.getsockname())]

        def answer(*given: object) -> object:
            asked.append(given)
            return found

        monkeypatch.setattr(socket, "getaddrinfo", answer)
        with open_socket("vault.example.com", 443, 5) as opened:
            # A small request is not held back for the answer to the one before it.
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        monkeypatch.setattr("compiler.stores.http.call_in_time", None)
        open_socket(HOST, 443, 5).close()
    assert asked == [("vault.example.com", 443, 0, socket.SOCK_STREAM), (HOST, 443, 0, socket.SOCK_STREAM)]


def test_a_kind_of_address_that_the_machine_lacks_is_passed_over_and_nothing_stays_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def open_descriptors() -> set[str]:
        return {path.name for path in Path("/proc/self/fd").iterdir()}

    with socket.create_server((HOST, 0)) as listener, socket.socket() as closed:
        closed.bind((HOST, 0))
        lacking = (99, socket.SOCK_STREAM, 6, "", ("::1", 443))
        there = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each.getsockname()) for each in (closed, listener)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [lacking, *there])
        before = open_descriptors()
        open_socket("vault.example.com", 443, 5).close()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [lacking])
        with pytest.raises(OSError, match="not supported"):
            open_socket("vault.example.com", 443, 5)
        assert open_descriptors() <= before


@pytest.fixture
def _as_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without pytest's own handler; what is added to the list is gone afterwards.
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger("a client"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("a client"), "propagate", True)


@pytest.mark.usefixtures("_as_in_a_process_of_its_own")
def test_nothing_that_a_client_logs_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    silence("a client")
    logging.getLogger("a client.login").error("s3ntinel")
    logging.getLogger("another").warning("s3ntinel")
    logging.exception("s3ntinel")  # noqa: LOG015, LOG004 - as a client does, which gives the root logger a handler
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("_as_in_a_process_of_its_own")
def test_no_handler_of_others_gets_a_record_of_a_named_client() -> None:
    seen: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    logging.getLogger().addHandler(Kept())
    silence("a client")
    logging.getLogger("a client.login").error("s3ntinel")
    logging.getLogger("another").error("shown")
    assert [record.getMessage() for record in seen] == ["shown"]
