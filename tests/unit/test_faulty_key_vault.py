import http.client
import io
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from compiler.demo.local_key_vault import VaultReply, VaultRequest, read_request
from tests.faulty_key_vault import Fault, FaultKind, FaultyKeyVault, Limits, VaultOptions
from tests.pace import allowed_wall
from tests.virtual_clock import VirtualClock

CHALLENGE = (
    'Bearer authorization="https://login.microsoftonline.com/22222222-2222-4222-8222-222222222222", '
    'resource="https://vault.azure.net"'
)
SENTINEL = "s3ntinel-value"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(start=1_000)


@pytest.fixture
def server(clock: VirtualClock) -> Iterator[FaultyKeyVault]:
    """A vault that listens and does not serve yet: `handle` needs no connection."""
    with ExitStack() as stack:
        yield stack.push(FaultyKeyVault(VaultOptions(clock.now, Limits(creates=3, others=50))))


@pytest.fixture
def token(server: FaultyKeyVault) -> str:
    return server.issue_token(lifetime=1e6)


def raw_request(method: str, path: str, token: str | None, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    sign = "" if token is None else f"Authorization: Bearer {token}\r\n"
    head = f"{method} {path}?api-version=7.6 HTTP/1.1\r\nHost: v:1\r\n{sign}Content-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def request_of(method: str, path: str, token: str | None, body: object = None) -> VaultRequest:
    read = read_request(io.BytesIO(raw_request(method, path, token, body)))
    assert read is not None
    return read


def reply_of(server: FaultyKeyVault, method: str, path: str, token: str | None, body: object = None) -> VaultReply:
    reply, _fault = server.handle(request_of(method, path, token, body))
    assert reply is not None
    return reply


def error_of(reply: VaultReply) -> dict[str, Any]:
    assert isinstance(reply.body, dict)
    error: dict[str, Any] = reply.body["error"]
    return error


def values_of(server: FaultyKeyVault, name: str = "a") -> list[str]:
    stored = server.state.find_secret(name)
    return [] if stored is None else [version.value for version in stored.versions]


def test_without_a_token_the_challenge_is_the_whole_answer(server: FaultyKeyVault) -> None:
    reply = reply_of(server, "PUT", "/secrets/a", None, {"value": SENTINEL})
    assert (reply.status, reply.headers) == (401, (("WWW-Authenticate", CHALLENGE),))
    assert error_of(reply) == {
        "code": "Unauthorized",
        "message": "AKV10000: Request is missing a Bearer or PoP token.",
    }
    assert values_of(server) == []


def test_a_bad_token_is_told_what_is_wrong_beside_the_challenge(server: FaultyKeyVault) -> None:
    reply = reply_of(server, "GET", "/secrets", server.issue_token(lifetime=-1))
    (header,) = reply.headers
    assert header == (
        "WWW-Authenticate",
        f'{CHALLENGE}, error="invalid_token", error_description="AKV10001: The token is expired."',
    )
    assert (reply.status, error_of(reply)["message"]) == (401, "AKV10001: The token is expired.")


def test_creates_and_others_are_throttled_apart_and_for_ten_seconds(
    server: FaultyKeyVault, token: str, clock: VirtualClock
) -> None:
    def put() -> int:
        return reply_of(server, "PUT", "/secrets/a", token, {"value": "x"}).status

    assert [put() for _ in range(4)] == [200, 200, 200, 429]
    server.throttle_retry_after = "7"
    assert reply_of(server, "PUT", "/secrets/a", token, {"value": "x"}).headers == (("Retry-After", "7"),)
    assert [reply_of(server, "GET", "/secrets/a", token).status for _ in range(51)] == [200] * 50 + [429]
    clock.sleep(9.9)
    assert put() == 429
    clock.sleep(0.1)
    assert put() == 200


@pytest.mark.parametrize(
    ("kind", "stored"),
    [
        (FaultKind.DROP_REQUEST, []),
        (FaultKind.RESET, []),
        (FaultKind.DROP_REPLY, [SENTINEL]),
        (FaultKind.RESET_REPLY, [SENTINEL]),
    ],
)
def test_a_reply_that_is_never_sent_is_logged_without_a_status(
    server: FaultyKeyVault, token: str, clock: VirtualClock, kind: FaultKind, stored: list[str]
) -> None:
    server.faults.add(Fault(kind))
    clock.sleep(5)
    reply, fault = server.handle(request_of("PUT", "/secrets/a", token, {"value": SENTINEL}))
    assert reply is None
    assert fault is not None
    assert values_of(server) == stored
    (entry,) = server.log
    assert (entry.time, entry.method, entry.path, entry.kind) == (1_005, "PUT", "/secrets/a", "create")
    assert (entry.status, entry.authorised, entry.fault, entry.writes) == (None, True, kind, True)
    assert SENTINEL not in repr(server.log)


@pytest.mark.parametrize(
    ("fault", "status", "stored"),
    [
        (Fault(FaultKind.STATUS, status=500), 500, []),
        (Fault(FaultKind.STATUS_AFTER, status=503), 503, ["x"]),
        (Fault(FaultKind.HTML), 200, []),
        (Fault(FaultKind.HTML, page=404), 404, []),
        (Fault(FaultKind.ALTER, old="x", value="other"), 200, ["x"]),
        (Fault(FaultKind.REDIRECT, status=302, location="https://other/"), 302, []),
        (Fault(FaultKind.FORBID, inner="ForbiddenByFirewall"), 403, []),
        (Fault(FaultKind.LIE, value="other"), 200, ["other"]),
        (Fault(FaultKind.DELAY), 200, ["x"]),
    ],
    ids=lambda part: part.kind.name if isinstance(part, Fault) else "",
)
def test_a_fault_takes_the_place_of_the_answer_or_of_what_is_stored(
    server: FaultyKeyVault, token: str, fault: Fault, status: int, stored: list[str]
) -> None:
    server.faults.add(fault)
    assert reply_of(server, "PUT", "/secrets/a", token, {"value": "x"}).status == status
    assert values_of(server) == stored
    assert [(entry.status, entry.fault) for entry in server.log] == [(status, fault.kind)]


class Wire:
    """TLS connections to a running server."""

    def __init__(self, server: FaultyKeyVault) -> None:
        self.server = server
        self._context = ssl.create_default_context(cafile=str(server.ca_file))

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.server.port), timeout=5)

    def tls(self, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        raw = self.raw()
        try:
            return (context or self._context).wrap_socket(raw, server_hostname="localhost")
        except OSError:
            raw.close()
            raise

    def http(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.server.port, context=self._context, timeout=5)


@pytest.fixture
def wire(server: FaultyKeyVault) -> Wire:
    server.start()
    return Wire(server)


def all_of(connection: socket.socket) -> tuple[bytes, bool]:
    """What comes until the connection ends, and whether a reset ended it."""
    content = b""
    try:
        while part := connection.recv(10_000):
            content += part
    except ConnectionResetError:
        return content, True
    return content, False


def status_over(
    connection: http.client.HTTPSConnection, token: str, method: str, path: str, body: object = None
) -> int:
    sent = None if body is None else json.dumps(body)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, f"{path}?api-version=7.6", sent, headers)
    with connection.getresponse() as reply:
        reply.read()
        return reply.status


def test_one_connection_carries_one_request_after_another(wire: Wire, token: str) -> None:
    with closing(wire.http()) as connection:
        assert status_over(connection, token, "PUT", "/secrets/a", {"value": "é"}) == 200
        socket_before = connection.sock
        assert status_over(connection, token, "GET", "/secrets/absent") == 404
        assert status_over(connection, token, "DELETE", "/secrets/a") == 200
        assert status_over(connection, token, "DELETE", "/deletedsecrets/a") == 204
        assert status_over(connection, token, "GET", "/secrets") == 200
        assert connection.sock is socket_before


def test_who_speaks_no_tls_trusts_no_stranger_or_sends_no_http_disturbs_nobody(
    wire: Wire, token: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with wire.raw() as plain:
        plain.sendall(raw_request("GET", "/secrets", token))
        assert b"HTTP" not in all_of(plain)[0]
    with pytest.raises(ssl.SSLCertVerificationError):
        wire.tls(ssl.create_default_context())
    with wire.tls() as garbled:
        garbled.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert all_of(garbled)[0] == b""
    with closing(wire.http()) as connection:
        assert status_over(connection, token, "GET", "/secrets") == 200
    assert [entry.path for entry in wire.server.log] == ["/secrets"]
    # No thread ended with a traceback.
    assert capsys.readouterr() == ("", "")


def test_a_broken_reply_is_the_end_of_its_connection(wire: Wire, token: str) -> None:
    reply = reply_of(wire.server, "GET", "/secrets", token)
    whole = len(wire.server.add_date(reply))
    for kind, got in ((FaultKind.TRUNCATE_REPLY, whole // 2), (FaultKind.DROP_REPLY, 0)):
        wire.server.faults.add(Fault(kind))
        with wire.tls() as connection:
            connection.sendall(raw_request("GET", "/secrets", token))
            assert len(all_of(connection)[0]) == got
    wire.server.faults.add(Fault(FaultKind.RESET))
    with wire.tls() as connection:
        connection.sendall(raw_request("GET", "/secrets", token))
        # Below TLS, whose client makes an end of file of it.
        with socket.socket(fileno=connection.detach()) as bare:
            bare.settimeout(5)
            assert all_of(bare)[1]


def test_closing_wakes_a_client_that_waits(wire: Wire) -> None:
    with wire.tls() as idle:
        idle.sendall(raw_request("GET", "/secrets", None))
        assert idle.recv(10_000).startswith(b"HTTP/1.1 401")
        started = time.monotonic()
        wire.server.close()
        assert idle.recv(10) == b""
        assert time.monotonic() - started < allowed_wall(2, below=30)
    with pytest.raises(ConnectionRefusedError):
        wire.raw()
