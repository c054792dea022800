import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import RemoteDisconnected
from http.server import ThreadingHTTPServer

import pytest

from tests.faulty_gateway import FaultyGateway, GatewayFault, QuietHandler, ReceivedRequest


@pytest.fixture
def store() -> Iterator[FaultyGateway]:
    with FaultyGateway(rule=lambda _seen: GatewayFault(200, {"Content-Type": "text/plain"}, b"truth")) as opened:
        yield opened


@pytest.fixture
def gateway(store: FaultyGateway) -> Iterator[FaultyGateway]:
    with FaultyGateway(store.url) as opened:
        yield opened


def get(gateway: FaultyGateway, path: str = "/v1/x", **headers: str) -> bytes:
    asked = urllib.request.Request(gateway.url + path, headers=headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(asked, timeout=5) as reply:  # noqa: S310 - our own server
        return bytes(reply.read())


def test_without_a_fault_the_upstreams_reply_comes_through(gateway: FaultyGateway, store: FaultyGateway) -> None:
    assert get(gateway, "/v1/a", **{"X-Vault-Token": "t0ken"}) == b"truth"
    assert gateway.seen == store.seen == [ReceivedRequest("GET", "/v1/a", with_token=True)]
    assert (gateway.count("GET"), gateway.count("GET", "/b"), gateway.count("POST")) == (1, 0, 0)


def test_a_reply_of_its_own_does_not_reach_the_upstream(gateway: FaultyGateway, store: FaultyGateway) -> None:
    gateway.rule = lambda _seen: GatewayFault(503)
    with pytest.raises(urllib.error.HTTPError, match="503") as caught:
        get(gateway)
    caught.value.close()
    assert store.seen == []


@pytest.mark.parametrize(
    ("fault", "arrived"), [(GatewayFault(drop_before=True), 0), (GatewayFault(drop_after=True), 1)]
)
def test_a_cut_connection_comes_before_or_after_the_upstream(
    gateway: FaultyGateway, store: FaultyGateway, fault: GatewayFault, arrived: int
) -> None:
    gateway.rule = lambda _seen: fault
    with pytest.raises(RemoteDisconnected):
        get(gateway)
    assert len(store.seen) == arrived


def test_a_lie_is_told(gateway: FaultyGateway) -> None:
    gateway.rule = lambda _seen: GatewayFault(rewrite=lambda body: body.replace(b"truth", b"lies!"))
    assert get(gateway) == b"lies!"


def test_without_an_upstream_nothing_is_found() -> None:
    with FaultyGateway() as alone, pytest.raises(urllib.error.HTTPError, match="404") as caught:
        get(alone)
    caught.value.close()


class Handler(QuietHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_connection_is_kept_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
        ports = set()
        for path in ("/", "/?token=s3ntinel"):
            connection.request("GET", path)
            reply = connection.getresponse()
            assert (reply.status, reply.version, reply.read()) == (204, 11, b"")
            ports.add(connection.sock.getsockname()[1] if connection.sock is not None else None)
        # One socket from beginning to end.
        assert len(ports - {None}) == len(ports) == 1
        connection.close()
        server.shutdown()
    assert capfd.readouterr() == ("", "")
