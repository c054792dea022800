import gzip
import io
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError

from compiler.stores.azure_key_vault import client
from compiler.stores.azure_key_vault.client import ForeignHostError, VaultSession, authorities, proxy_for
from compiler.stores.deadline import Deadlines, VirtualClock
from compiler.stores.http import BoundedResponse, ReplyTooLargeError, TimedConnection

URL = "https://team.vault.azure.net"
HEADERS = {"Authorization": "Bearer t0ken-4711"}
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


class Wire(BaseAdapter):
    """Stands for the network: keeps what would leave, and answers with one status."""

    def __init__(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        super().__init__()
        self._body = body
        self.sent: list[requests.PreparedRequest] = []
        self.proxies: list[Any] = []
        self._status, self._headers = status, headers

    def send(self, request: requests.PreparedRequest, *_args: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' signature
        self.sent.append(request)
        self.proxies.append(options.get("proxies"))
        response = requests.Response()
        response.status_code, response.request = self._status, request
        response.url = request.url or ""
        response.headers.update(self._headers)
        response.raw = HTTPResponse(io.BytesIO(self._body), self._headers, preload_content=False)
        return response

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*PROXY_VARIABLES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)


def session_over(wire: Wire, url: str = URL, on_refused: Callable[[str], None] = lambda _token: None) -> VaultSession:
    opened = VaultSession(url, 4, on_refused)
    opened.mount("https://", wire)
    opened.mount("http://", wire)
    return opened


@pytest.mark.parametrize(
    "url",
    [
        "https://other.vault.azure.net/secrets",
        "https://team.vault.azure.net.example/secrets",
        "https://xteam.vault.azure.net/secrets",
        "http://team.vault.azure.net/secrets",
        "http://team.vault.azure.net:443/secrets",
        "https://team.vault.azure.net:8443/secrets",
        "https://team.vault.azure.net@example.com/secrets",
        "//example.com/secrets",
        "/secrets",
        "",
        "ftp://team.vault.azure.net/secrets",
    ],
)
def test_a_url_of_another_origin_is_refused_before_a_byte_is_sent(url: str) -> None:
    wire = Wire()
    with session_over(wire) as opened, pytest.raises(ForeignHostError):
        opened.get(url, headers=HEADERS)
    assert wire.sent == []


@pytest.mark.parametrize("trick", ["\\", "\\\\", "\\x:y", "/\\", "?", "#"])
def test_a_url_that_two_parsers_read_differently_is_judged_by_where_it_would_go(trick: str) -> None:
    wire = Wire()
    with session_over(wire) as opened, pytest.raises(ForeignHostError):
        opened.get(f"https://example.com{trick}@team.vault.azure.net/secrets", headers=HEADERS)
    assert wire.sent == []


@pytest.mark.parametrize("url", ["https://team.vault.azure.net:99999/", "https://[bad/", "https://te am/"])
def test_a_url_that_is_none_is_a_foreign_one(url: str) -> None:
    with session_over(Wire()) as opened, pytest.raises(ForeignHostError):
        opened.get(url)


@pytest.mark.parametrize(
    ("vault", "url"),
    [
        (URL, "https://team.vault.azure.net/secrets?api-version=7.6"),
        (URL, "https://team.vault.azure.net:443/secrets"),
        (URL, "HTTPS://Team.Vault.Azure.NET/secrets"),
        (URL + ":443/", "https://team.vault.azure.net/secrets"),
        ("https://127.0.0.1:8443", "https://127.0.0.1:8443/secrets"),
        ("https://[::1]:8443", "https://[::1]:8443/secrets"),
    ],
)
def test_the_vaults_own_port_and_case_are_no_other_origin(vault: str, url: str) -> None:
    wire = Wire()
    with session_over(wire, vault) as opened:
        assert opened.get(url, headers=HEADERS).status_code == 200
    assert [request.headers["Authorization"] for request in wire.sent] == [HEADERS["Authorization"]]


def test_a_redirect_comes_back_as_it_is_even_to_who_asks_for_following() -> None:
    wire = Wire(302, Location=f"{URL}/elsewhere")
    with session_over(wire) as opened:
        assert opened.get(URL, headers=HEADERS, allow_redirects=True).status_code == 302
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [(401, HEADERS, ["t0ken-4711"]), (401, {}, []), (401, None, []), (403, HEADERS, []), (200, HEADERS, [])],
)
def test_only_a_token_that_was_sent_and_not_accepted_is_told(
    status: int, headers: dict[str, str] | None, told: list[str]
) -> None:
    refused: list[str] = []
    with session_over(Wire(status), on_refused=refused.append) as opened:
        opened.get(URL, headers=headers)
    assert refused == told


def test_a_netrc_entry_of_the_host_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine team.vault.azure.net login ada password s3ntinel\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wire = Wire()
    with session_over(wire) as opened:
        opened.get(URL, headers=HEADERS)
    assert wire.sent[0].headers["Authorization"] == HEADERS["Authorization"]


@pytest.mark.parametrize(
    ("exempt", "proxied"), [("", True), ("vault.azure.net", False), ("*", False), ("azure.example", True)]
)
def test_proxies_are_read_once_when_the_session_opens(
    monkeypatch: pytest.MonkeyPatch, exempt: str, *, proxied: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert proxy_for(URL) == ("http://proxy:3128" if proxied else None)
    wire = Wire()
    with session_over(wire) as opened:
        monkeypatch.setenv("HTTPS_PROXY", "http://later:3128")
        monkeypatch.delenv("NO_PROXY")
        opened.get(URL)
    assert wire.proxies[0].get("https") == ("http://proxy:3128" if proxied else None)


def test_nothing_is_sent_again_below_our_own_policy() -> None:
    with VaultSession(URL, 4, lambda _token: None) as opened:
        adapter = opened.get_adapter(URL)
        assert isinstance(adapter, requests.adapters.HTTPAdapter)
        assert (adapter.max_retries.total, adapter._pool_maxsize) == (0, 4)


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("own.pem", {"AZURE_KEYVAULT_CACERT": "a"}, "the store's ca own.pem"),
        (
            None,
            {"CURL_CA_BUNDLE": "c", "REQUESTS_CA_BUNDLE": "b", "AZURE_KEYVAULT_CACERT": "a"},
            "AZURE_KEYVAULT_CACERT a",
        ),
        (None, {"CURL_CA_BUNDLE": "c", "REQUESTS_CA_BUNDLE": "b", "AZURE_KEYVAULT_CACERT": ""}, "REQUESTS_CA_BUNDLE b"),
        (None, {"CURL_CA_BUNDLE": "c"}, "CURL_CA_BUNDLE c"),
        (None, {"SSL_CERT_FILE": "d"}, " "),
        (None, {}, " "),
    ],
)
def test_the_authorities_are_the_address_own_or_the_first_variables(
    given: str | None, environment: dict[str, str], expected: str
) -> None:
    found = authorities(Path(given) if given else None, environment)
    assert " ".join(found) == expected


def test_what_comes_compressed_is_measured_by_what_it_becomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedResponse, "largest", 100_000)
    encoding = {"Content-Encoding": "gzip"}
    with session_over(Wire(200, gzip.compress(bytes(100_000)), **encoding)) as opened:
        assert opened.get(URL).content == bytes(100_000)
    with (
        session_over(Wire(200, gzip.compress(bytes(100_001)), **encoding)) as opened,
        pytest.raises(ReplyTooLargeError),
    ):
        opened.get(URL)


def test_a_reply_of_many_tiny_values_is_refused_before_the_sdk_parses_it() -> None:
    with session_over(Wire(200, b"[" + b"[]," * 50_000 + b"0]")) as opened, pytest.raises(ReplyTooLargeError):
        opened.get(URL)


def test_replies_have_an_end_through_a_proxy_too() -> None:
    with VaultSession(URL, 4, lambda _token: None) as opened:
        adapter = opened.get_adapter(URL)
        assert isinstance(adapter, HTTPAdapter)
        for manager in (adapter.poolmanager, adapter.proxy_manager_for("http://proxy.example:3128")):
            pool = manager.connection_from_host("team.vault.azure.net", 443, "https")
            connection: type = pool.ConnectionCls
            assert issubclass(connection, TimedConnection)
            assert connection.response_class is BoundedResponse


def test_no_more_is_taken_in_than_the_bound_and_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(Wire):
        """Keeps what its replies are read from."""

        def __init__(self, body: bytes) -> None:
            super().__init__(200, body)
            self.raw: list[HTTPResponse] = []

        def send(self, *args: Any, **options: Any) -> requests.Response:  # noqa: ANN401 - requests' signature
            response = super().send(*args, **options)
            self.raw.append(response.raw)
            return response

    monkeypatch.setattr(BoundedResponse, "largest", 100_000)
    wire = Watched(bytes(10_000_000))
    with session_over(wire) as opened, pytest.raises(ReplyTooLargeError):
        opened.get(URL)
    assert wire.raw[0].tell() <= 100_000 + 65_536


@pytest.mark.parametrize(
    ("status", "is_answer"), [(200, True), (401, True), (429, True), (499, True), (500, False), (503, False)]
)
def test_what_shows_a_working_vault_ends_the_first_contact(status: int, *, is_answer: bool) -> None:
    deadlines = Deadlines(VirtualClock(), patience=120, first_contact=10)
    with deadlines.operation(), deadlines.request():
        session_over(Wire(status)).get(f"{URL}/secrets", headers=HEADERS)
        assert deadlines.answered.is_set() is is_answer


@pytest.mark.parametrize(
    ("problem", "kind", "reason", "words"),
    [
        (socket.gaierror(-2, "x"), requests.ConnectionError, NameResolutionError, "azure.net' ([Errno -2] x)"),
        (TimeoutError(), requests.ConnectTimeout, ConnectTimeoutError, "'no connection in time')"),
        (ConnectionRefusedError("refused"), requests.ConnectionError, NewConnectionError, ": no connection: refused"),
    ],
)
def test_a_connection_that_cannot_be_made_is_told_as_urllib3_tells_it(
    monkeypatch: pytest.MonkeyPatch,
    problem: OSError,
    kind: type[requests.RequestException],
    reason: type[HTTPError],
    words: str,
) -> None:
    asked: list[tuple[object, ...]] = []

    def refuse(*given: object) -> None:
        asked.append(given)
        raise problem

    # Not by its path: another test has the package imported anew.
    monkeypatch.setattr(client, "open_socket", refuse)
    with pytest.raises(kind) as caught:
        VaultSession(URL, 4, lambda _token: None).get(f"{URL}/secrets", timeout=(3, 4))
    assert asked == [("team.vault.azure.net", 443, 3)]
    found = caught.value.args[0].reason
    assert type(found) is reason
    assert words in str(found)
    assert found.__cause__ is problem
    # What connected, by which urllib3 tells the host and the port.
    assert "_BoundedConnection" in repr(found.args)


def test_whatever_requests_takes_in_its_place_reaches_it() -> None:
    wire = Wire()
    session_over(wire).request("GET", f" {URL}/secrets", {"api-version": "7.4"})
    assert [sent.url for sent in wire.sent] == [f"{URL}/secrets?api-version=7.4"]
