import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from compiler.demo.certificates import CertificateAuthority
from compiler.stores.http import (
    ConnectionDeniedError,
    TimedConnection,
    TimedTlsConnection,
    UnknownHostError,
    open_socket,
)
from compiler.stores.pacing import Clock, Deadlines
from tests.pace import allowed_wall

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
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

    with serving(serve) as port:
        connection = TimedConnection(HOST, port, timeout=5)
        connection.request("GET", "/", preload_content=False)
        assert connection.getresponse().read() == b"{}"
        connection.close()


@pytest.mark.parametrize("before", [OK[:1], OK[:20], OK[:-1]], ids=["status line", "headers", "body"])
def test_a_reply_that_trickles_ends_with_the_operation(before: bytes) -> None:
    def serve(client: socket.socket, over: Event) -> None:
        client.recv(65_536)
        client.sendall(before.replace(b"Length: 2", b"Length: 500"))
        trickle(client, b"x" * 400, over)

    with serving(serve) as port, given_up():
        connection = TimedConnection(HOST, port, timeout=20)
        try:
            connection.request("GET", "/", preload_content=False)
            connection.getresponse().read()
        finally:
            connection.close()


def test_a_server_that_takes_in_little_of_what_it_is_sent_ends_with_the_operation() -> None:
    def serve(client: socket.socket, over: Event) -> None:
        while not over.wait(0.05):
            client.recv(16_384)

    with serving(serve) as port, given_up():
        connection = TimedConnection(HOST, port, timeout=20)
        try:
            connection.request("POST", "/", b"x" * 64_000_000)
        finally:
            connection.close()


def test_a_tls_handshake_that_trickles_ends_with_the_operation(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)

    def serve(client: socket.socket, over: Event) -> None:
        client.recv(65_536)
        # The beginning of a handshake record, and then its bytes.
        client.sendall(b"\x16\x03\x03\x40\x00")
        trickle(client, b"\x02" * 400, over)

    with serving(serve) as port, given_up():
        context = ssl.create_default_context(cafile=str(authority.ca_file))
        connection = TimedTlsConnection(HOST, port, timeout=20, ssl_context=context)
        try:
            connection.request("GET", "/", preload_content=False)
        finally:
            connection.close()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["its answer", "the handshake behind it"])
def test_a_proxy_that_trickles_ends_with_the_operation(answer: bytes) -> None:
    def serve(client: socket.socket, over: Event) -> None:
        client.recv(65_536)
        client.sendall(answer or b"HTTP/1.1 200")
        trickle(client, b" " * 400, over) if not answer else over.wait(20)

    with serving(serve) as port, given_up():
        connection = TimedTlsConnection(HOST, port, timeout=20)
        connection.set_tunnel("vault.example.com", 443)
        try:
            connection.request("GET", "/", preload_content=False)
        finally:
            connection.close()


def test_a_name_server_that_does_not_answer_ends_with_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    over = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(20))
    with given_up():
        open_socket("vault.example.com", 443, 5)
    over.set()


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
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)] * 50
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        with given_up():
            open_socket("vault.example.com", 443, 0.2)


def test_outside_of_an_operation_an_address_has_the_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_queue() as address:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)])
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            open_socket("vault.example.com", 443, 0.2)
        assert time.monotonic() - began < allowed_wall(4, below=10)


def test_the_next_address_is_tried_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as listener, socket.socket() as closed:
        closed.bind((HOST, 0))
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each.getsockname()) for each in (closed, listener)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        with open_socket("vault.example.com", 443, 5) as opened:
            assert opened.getpeername() == listener.getsockname()
            assert opened.gettimeout() == 5
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found[:1])
        with pytest.raises(ConnectionRefusedError):
            open_socket("vault.example.com", 443, 5)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
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
    with serving(serve) as port:
        connection = TimedConnection(HOST, port, timeout=5)
        connection.request("POST", "/", body, {"A": "b"}, preload_content=False)
        assert connection.getresponse().read() == b"{}"
        connection.close()
    assert bytes(heard).partition(b"\r\n\r\n")[2] == body
    # The head, and 51,200 bytes by 16,384; outside of an operation the connection's own timeout is what is left.
    assert cuts == [5, 5, 5, 5, 5]


def test_within_an_operation_the_shorter_of_both_is_waited_for() -> None:
    deadlines = Deadlines(Clock(), 2, first_contact=60)
    deadlines.answered.set()
    with socket.create_server((HOST, 0)) as listener, deadlines.operation(), deadlines.request():
        for timeout, most in ((1.0, 1.0), (50.0, 2.0), (None, 2.0)):
            with open_socket(HOST, listener.getsockname()[1], timeout) as opened:
                left = opened.gettimeout()
                assert left is not None
                assert most - 0.9 < left <= most


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
