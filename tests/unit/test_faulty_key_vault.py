import http.client
import io
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from compiler.demo.local_key_vault import VaultReply, VaultRequest, read_request
from tests.faulty_key_vault import Fault, FaultKind, FaultyKeyVault, Limits, VaultOptions
from tests.virtual_clock import VirtualClock

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


def values_of(server: FaultyKeyVault, name: str = "a") -> list[str]:
    stored = server.state.find_secret(name)
    return [] if stored is None else [version.value for version in stored.versions]


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
