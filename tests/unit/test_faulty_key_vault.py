import http.client
import io
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest

from compiler.demo.local_key_vault import VaultReply, VaultRequest, read_request
from tests.faulty_key_vault import Fault, FaultKind, FaultScript, FaultyKeyVault, Limits, VaultOptions
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
    stored = server.state.stored(name)
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


def test_ids_are_below_the_host_that_the_client_wrote(server: FaultyKeyVault, token: str) -> None:
    reply = reply_of(server, "PUT", "/secrets/a", token, {"value": "x"})
    assert isinstance(reply.body, dict)
    assert reply.body["id"].startswith("https://v:1/secrets/a/")


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ("ForbiddenByRbac", "Action: 'secrets/get'"),
        ("ForbiddenByFirewall", "Client address: 127.0.0.1"),
        ("AccessDenied", "does not have secrets get permission"),
    ],
)
def test_a_denied_permission_is_a_403_of_its_kind_before_anything_is_looked_up(
    server: FaultyKeyVault, token: str, inner: str, words: str
) -> None:
    server.denied["get"] = inner
    reply = reply_of(server, "GET", "/secrets/absent", token)
    error = error_of(reply)
    assert (reply.status, error["code"], error["innererror"]) == (403, "Forbidden", {"code": inner})
    assert words in error["message"]
    assert reply_of(server, "GET", "/secrets", token).status == 200


@pytest.mark.parametrize("wait", [None, "7"])
def test_the_throttle_has_key_vault_s_words_and_a_wait_only_where_it_is_scripted(
    server: FaultyKeyVault, token: str, wait: str | None
) -> None:
    server.throttle_retry_after = wait
    replies = [reply_of(server, "PUT", f"/secrets/a{n}", token, {"value": "x"}) for n in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert error_of(replies[-1]) == {
        "code": "Throttled",
        "message": (
            "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"
        ),
    }
    assert replies[-1].headers == (() if wait is None else (("Retry-After", wait),))
    assert server.state.names() == ["a0", "a1", "a2"]


def test_creates_and_others_are_throttled_apart_and_for_ten_seconds(
    server: FaultyKeyVault, token: str, clock: VirtualClock
) -> None:
    def put() -> int:
        return reply_of(server, "PUT", "/secrets/a", token, {"value": "x"}).status

    assert [put() for _ in range(4)] == [200, 200, 200, 429]
    assert [reply_of(server, "GET", "/secrets/a", token).status for _ in range(51)] == [200] * 50 + [429]
    clock.sleep(9.9)
    assert put() == 429
    clock.sleep(0.1)
    assert put() == 200


def test_who_is_not_let_in_uses_nothing_of_the_throttle_up(server: FaultyKeyVault, token: str) -> None:
    for _ in range(10):
        assert reply_of(server, "PUT", "/secrets/a", None, {"value": "x"}).status == 401
    assert reply_of(server, "PUT", "/secrets/a", token, {"value": "x"}).status == 200


def test_the_throttle_comes_before_permissions_and_limits(server: FaultyKeyVault, token: str) -> None:
    server.denied["set"] = "ForbiddenByRbac"
    statuses = [reply_of(server, "PUT", "/secrets/a", token, {"value": ""}).status for _ in range(4)]
    assert statuses == [403, 403, 403, 429]


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


def test_what_a_fault_says_is_what_was_ordered(server: FaultyKeyVault, token: str) -> None:
    for fault in (
        Fault(FaultKind.STATUS, status=429, retry_after="86400"),
        Fault(FaultKind.STATUS, status=503),
        Fault(FaultKind.HTML),
        Fault(FaultKind.REDIRECT, status=307, location="https://other/"),
        Fault(FaultKind.FORBID, inner="AccessDenied"),
    ):
        server.faults.add(fault)
    throttled, failed, page, moved, forbidden = [reply_of(server, "GET", "/secrets", token) for _ in range(5)]
    assert (error_of(throttled)["code"], throttled.headers) == ("Throttled", (("Retry-After", "86400"),))
    assert (error_of(failed)["code"], failed.headers) == ("InternalError", ())
    assert (page.content_type, str(page.body)[:6]) == ("text/html", "<html>")
    assert (moved.body, moved.headers) == (None, (("Location", "https://other/"),))
    assert error_of(forbidden)["innererror"] == {"code": "AccessDenied"}


def test_an_altered_reply_is_the_vaults_but_for_what_the_pattern_finds(server: FaultyKeyVault, token: str) -> None:
    server.faults.add(Fault(FaultKind.ALTER, old="/secrets/[a-z]+/", value="/secrets/other/"))
    told, true = [json.loads(reply_of(server, "PUT", f"/secrets/{name}", token, {"value": "x"}).text) for name in "ab"]
    assert "/secrets/other/" in told["id"]
    assert "/secrets/b/" in true["id"]
    assert (told["value"], told.keys()) == ("x", true.keys())


def test_a_lie_about_what_was_refused_stores_nothing(server: FaultyKeyVault, token: str) -> None:
    server.faults.add(Fault(FaultKind.LIE, value="other", times=None))
    assert reply_of(server, "PUT", "/secrets/a", token, {"value": ""}).status == 400
    assert reply_of(server, "PUT", "/secrets/a", None, {"value": "x"}).status == 401
    assert values_of(server) == []
    server.faults.clear()
    reply_of(server, "PUT", "/secrets/a", token, {"value": "x"})
    server.faults.add(Fault(FaultKind.LIE, value="other"))
    reply_of(server, "GET", "/secrets/a", token)
    assert values_of(server) == ["x"]


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


def test_it_listens_on_this_machine_alone_and_on_the_port_it_tells(server: FaultyKeyVault) -> None:
    assert server._tcp.server_address == ("127.0.0.1", server.port)
    assert server.port > 0


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
    whole = len(wire.server.dated(reply))
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


def test_a_delayed_reply_comes_late_and_whole(wire: Wire, token: str) -> None:
    wire.server.faults.add(Fault(FaultKind.DELAY, seconds=0.2))
    with closing(wire.http()) as connection:
        started = time.monotonic()
        assert status_over(connection, token, "GET", "/secrets") == 200
        assert time.monotonic() - started >= 0.2


def test_writers_at_one_time_each_make_one_version(wire: Wire, token: str) -> None:
    def put(number: int) -> int:
        with closing(wire.http()) as connection:
            return status_over(connection, token, "PUT", "/secrets/a", {"value": str(number)})

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(put, range(12)))
    assert sorted(statuses) == [200] * 3 + [429] * 9
    assert len(set(values_of(wire.server))) == len(wire.server.log) - 9 == 3


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


def test_closing_twice_or_before_the_start_returns(server: FaultyKeyVault) -> None:
    def close_twice() -> None:
        server.close()
        server.close()

    closer = threading.Thread(target=close_twice, daemon=True)
    closer.start()
    closer.join(timeout=5)
    assert not closer.is_alive()


def test_a_fault_hits_what_it_matches_as_often_as_it_says() -> None:
    script = FaultScript()
    script.add(Fault(FaultKind.RESET, method="PUT", path="^/secrets/a$", times=2, after=1))
    hits = [script.next_for(method, path) for method, path in [("GET", "/secrets/a"), ("PUT", "/secrets/b")]]
    hits += [script.next_for("PUT", "/secrets/a") for _ in range(4)]
    assert [hit is not None for hit in hits] == [False, False, False, True, True, False]


def test_the_first_that_matches_wins_and_the_next_follows() -> None:
    script = FaultScript()
    script.add(Fault(FaultKind.HTML))
    script.add(Fault(FaultKind.STATUS))
    kinds = [fault.kind for _ in range(2) if (fault := script.next_for("GET", "/")) is not None]
    assert kinds == [FaultKind.HTML, FaultKind.STATUS]
    script.add(Fault(FaultKind.HTML))
    script.clear()
    assert script.next_for("GET", "/") is None


def test_a_rate_hits_about_so_many_and_the_same_ones_for_one_seed() -> None:
    def hits() -> list[bool]:
        script = FaultScript(seed=7)
        script.add(Fault(FaultKind.RESET, times=None, rate=0.05))
        return [script.next_for("GET", "/") is not None for _ in range(2_000)]

    assert 60 <= sum(hits()) <= 140
    assert hits() == hits()
