import dataclasses
import inspect
import pickle
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import HttpRequest as OlderRequest
from azure.core.rest import HttpRequest
from urllib3 import HTTPHeaderDict
from urllib3.util import parse_url

from compiler.stores.azure_key_vault.client import (
    CA_VARIABLES,
    ForeignHostError,
    SdkClient,
    SdkTransport,
    VaultTransport,
    attribute_problems,
    connection_error,
    form_problem,
    name_problems,
    proxy_to,
    require_https,
    server_of,
    size_problems,
    value_problems,
)
from compiler.stores.azure_key_vault.replies import Bundle, is_version
from compiler.stores.errors import Action, Code, StoreError, StoreLocation, UnknownHostError
from compiler.stores.http import HttpReply, ReplyTooLargeError, Transport, authorities_of
from compiler.stores.interface import Attributes
from compiler.stores.pacing import Deadlines
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock

URL = "https://team.vault.azure.net"
HEADERS = {"Authorization": "Bearer t0ken-4711"}
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
Sent = tuple[str, str, Mapping[str, str], bytes | None, float | None]


class Wire:
    """Stands for the network: keeps what would leave, and answers with one status."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.bodies: list[bytes | None] = []
        self.headers: list[Mapping[str, str]] = []
        self.timeouts: list[float | None] = []
        self.reply: HttpReply | Exception = HttpReply(status, HTTPHeaderDict(headers), body)
        wire = self

        def request(
            transport: Transport,
            method: str,
            target: str,
            headers: Mapping[str, str],
            body: bytes | None = None,
            connect_timeout: float | None = None,
        ) -> HttpReply:
            proxy = "" if transport._proxy is None else str(transport._proxy)
            wire.sent.append((method, transport._url.authority, target, proxy))
            wire.headers.append(headers)
            wire.bodies.append(body)
            wire.timeouts.append(connect_timeout)
            if isinstance(wire.reply, Exception):
                raise wire.reply
            return wire.reply

        monkeypatch.setattr(Transport, "request", request)


def get(transport: SdkTransport, url: str, headers: Mapping[str, str] | None = None) -> int:
    return transport.send(HttpRequest("GET", url, headers=dict(headers or {}))).status_code


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*PROXY_VARIABLES, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


# Once: reading the hundred authorities of a system takes 40 ms.
TRUST = ssl.create_default_context()


def transport_to(url: str = URL, on_refused: Callable[[str], None] = lambda _token: None) -> VaultTransport:
    return VaultTransport(url, TRUST, on_refused, 3, 4)


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
def test_a_url_of_another_origin_is_refused_before_a_byte_is_sent(wire: Wire, url: str) -> None:
    with closing(transport_to()) as opened, pytest.raises(ForeignHostError):
        get(opened, url, HEADERS)
    assert wire.sent == []


@pytest.mark.parametrize("trick", ["\\", "\\\\", "\\x:y", "/\\", "?", "#"])
def test_a_url_that_two_parsers_read_differently_is_judged_by_where_it_would_go(wire: Wire, trick: str) -> None:
    with pytest.raises(ForeignHostError):
        get(transport_to(), f"https://example.com{trick}@team.vault.azure.net/secrets", HEADERS)
    assert wire.sent == []


@pytest.mark.parametrize("url", ["https://team.vault.azure.net:99999/", "https://[bad/", "https://te am/"])
def test_a_url_that_is_none_is_a_foreign_one(url: str) -> None:
    with pytest.raises(ForeignHostError):
        get(transport_to(), url)


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
def test_the_vaults_own_port_and_case_are_no_other_origin(wire: Wire, vault: str, url: str) -> None:
    assert get(transport_to(vault), url, HEADERS) == 200
    assert [headers["Authorization"] for headers in wire.headers] == [HEADERS["Authorization"]]
    assert [target.partition("?")[0] for _, _, target, _ in wire.sent] == ["/secrets"]


def test_a_redirect_comes_back_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, 302, Location=f"{URL}/elsewhere")
    assert get(transport_to(), URL, HEADERS) == 302
    assert len(wire.sent) == 1


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [(401, HEADERS, ["t0ken-4711"]), (401, {}, []), (403, HEADERS, []), (200, HEADERS, [])],
)
def test_only_a_token_that_was_sent_and_not_accepted_is_told(
    monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str], told: list[str]
) -> None:
    Wire(monkeypatch, status)
    refused: list[str] = []
    get(transport_to(on_refused=refused.append), URL, headers)
    assert refused == told


@pytest.mark.parametrize(
    ("exempt", "proxied"), [("", True), ("vault.azure.net", False), ("*", False), ("azure.example", True)]
)
def test_proxies_are_read_once_when_the_store_opens(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, exempt: str, *, proxied: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", exempt)
    proxy = proxy_to(parse_url(URL))
    assert (proxy and proxy.url) == ("http://proxy:3128" if proxied else None)
    opened = transport_to()
    monkeypatch.setenv("HTTPS_PROXY", "http://later:3128")
    monkeypatch.delenv("NO_PROXY")
    get(opened, URL)
    assert wire.sent[0][3] == ("http://proxy:3128" if proxied else "")


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
    found = authorities_of(Path(given) if given else None, environment, CA_VARIABLES)
    assert " ".join(found) == expected


def test_a_reply_of_many_tiny_values_is_refused_before_the_sdk_parses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    Wire(monkeypatch, 200, b"[" + b"[]," * 50_000 + b"0]")
    with pytest.raises(ReplyTooLargeError):
        get(transport_to(), URL)


@pytest.mark.parametrize(
    ("status", "is_answer"), [(200, True), (401, True), (429, True), (499, True), (500, False), (503, False)]
)
def test_what_shows_a_working_vault_ends_the_first_contact(
    monkeypatch: pytest.MonkeyPatch, status: int, *, is_answer: bool
) -> None:
    Wire(monkeypatch, status)
    deadlines = Deadlines(VirtualClock(), patience=120, first_contact=10)
    with deadlines.operation(), deadlines.request():
        get(transport_to(), f"{URL}/secrets", HEADERS)
        assert deadlines.answered.is_set() is is_answer


def test_a_connection_that_breaks_is_one_of_the_sdks_errors_with_its_cause(wire: Wire) -> None:
    wire.reply = ConnectionResetError("s3ntinel")
    with pytest.raises(ServiceRequestError) as caught:
        get(transport_to(), URL)
    assert caught.value.inner_exception is wire.reply
    assert "s3ntinel" not in str(caught.value)


def log_in_transport() -> SdkTransport:
    return SdkTransport(lambda: TRUST)


def test_a_log_in_server_is_asked_for_what_either_kind_of_request_says(wire: Wire) -> None:
    with log_in_transport() as opened:
        form = HttpRequest("POST", "https://login.example:8443/t/token?a=b", data={"grant": "x y", "b": "&"})
        opened.send(form, stream=False, connection_timeout=1)
        opened.send(OlderRequest("POST", "https://login.example/", data={"resource": "r"}))
        opened.send(OlderRequest("GET", "http://169.254.169.254/metadata?api=1", headers={"Metadata": "true"}))
        opened.send(HttpRequest("POST", "https://login.example/", content="text"))
    assert [sent[:3] for sent in wire.sent] == [
        ("POST", "login.example:8443", "/t/token?a=b"),
        ("POST", "login.example", "/"),
        ("GET", "169.254.169.254", "/metadata?api=1"),
        ("POST", "login.example", "/"),
    ]
    assert wire.bodies == [b"grant=x+y&b=%26", b"resource=r", None, b"text"]
    assert [headers.get("Content-Type") for headers in wire.headers[:2]] == ["application/x-www-form-urlencoded"] * 2
    assert wire.headers[2]["Metadata"] == "true"
    assert wire.timeouts == [1, None, None, None]


def test_a_reply_is_what_the_sdks_clients_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Wire(monkeypatch, 400, b'\xef\xbb\xbf{"error": "x"}', **{"content-type": "application/json; charset=utf-8"})
    with log_in_transport() as opened:
        reply = opened.send(HttpRequest("GET", "https://login.example/"))
    assert (reply.status_code, reply.json(), reply.text()) == (400, {"error": "x"}, '{"error": "x"}')
    assert reply.content_type == reply.headers["Content-Type"] == "application/json; charset=utf-8"
    assert reply.read() == reply.body()


def test_each_server_has_connections_and_a_proxy_of_its_own(monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    with closing(log_in_transport()) as opened:
        for url in (
            "https://one.example/a",
            "https://two.example/",
            "https://one.example/b",
            "http://169.254.169.254/",
        ):
            get(opened, url)
        assert len(opened._transports) == 3
    assert [sent[3] for sent in wire.sent] == ["http://proxy:3128"] * 3 + [""]


@pytest.mark.parametrize("hours", [0, 5, -5, 23])
def test_how_far_the_vaults_clock_is_ahead_is_in_its_last_answer(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    there = datetime.now(UTC) + timedelta(hours=hours)
    Wire(monkeypatch, 200, date=format_datetime(there, usegmt=True))
    with closing(transport_to()) as opened:
        assert opened.clock_ahead == timedelta()
        get(opened, URL)
        assert abs(opened.clock_ahead - timedelta(hours=hours)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    "told",
    ["", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "Mon, 01 Jan 0001 00:00 +2300"],
)
def test_what_is_no_clocks_drift_does_not_count(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    Wire(monkeypatch, 200, date=told)
    with closing(transport_to()) as opened:
        get(opened, URL)
        assert opened.clock_ahead == timedelta()


PARSED_URL = parse_url("https://v.vault.azure.net")
PLACE = StoreLocation("https://v.vault.azure.net")
SERVER = server_of("https://v.vault.azure.net")


def test_https_is_a_must() -> None:
    require_https(PLACE, "HTTPS://v")
    for url in ("http://v", "v"):
        with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE)):
            require_https(PLACE, url)


@pytest.mark.parametrize("proxy", [None, "http://proxy:3128", "HTTPS://u:p@proxy", "proxy:3128"])
def test_a_proxy_of_http_is_used(proxy: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy or "")
    assert (proxy_to(PARSED_URL) is None) is (proxy is None)


@pytest.mark.parametrize(
    "proxy", ["socks5://s3ntinel@proxy", "http://", "http://proxy:s3ntinel", "http://[s3ntinel", "s3ntinel\nx"]
)
def test_another_proxy_is_refused_without_its_text(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME), match="not an http:// proxy address") as caught:
        proxy_to(PARSED_URL)
    assert caught.value.place == PLACE
    assert "s3ntinel" not in f"{caught.value} {caught.value.remedy}"


def test_a_certificate_that_is_not_trusted_is_told_with_the_variable_that_names_another() -> None:
    expired = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired (_ssl.c:1)")
    error = connection_error(expired, SERVER, PLACE, Action.READ)
    assert error.code == Code.TLS_FAILURE
    assert error.reason == "no trusted connection: its certificate has expired"
    assert error.remedy == "set AZURE_KEYVAULT_CACERT to its CA, or correct vaultUrl or AZURE_KEYVAULT_NAME"


def test_plain_http_at_the_port_is_a_tls_failure_and_a_gateways_alert_passes() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    error = connection_error(plain, SERVER, PLACE, Action.READ)
    assert (error.code, error.reason) == ("tls-failure", "no trusted connection: it does not speak TLS")
    assert error.remedy == "correct vaultUrl or AZURE_KEYVAULT_NAME"
    alert = ssl.SSLError(1, "[SSL: TLSV1_ALERT_INTERNAL_ERROR] s3ntinel")
    assert connection_error(alert, SERVER, PLACE, Action.READ).code == "unavailable"


def test_a_vault_that_there_is_not_is_told_by_its_name() -> None:
    unknown = UnknownHostError("v.vault.azure.net", socket.EAI_NONAME)
    error = connection_error(unknown, SERVER, PLACE, Action.READ)
    assert error.code is Code.UNREACHABLE
    assert error.reason == (
        "the host name v.vault.azure.net does not resolve here: there is no such vault, or its private DNS zone is not "
        "linked to this network"
    )
    assert error.remedy.startswith("correct vaultUrl or AZURE_KEYVAULT_NAME, or ")


def test_a_port_is_the_urls_own_or_that_of_https() -> None:
    assert (server_of("https://V.example:8443/").host, server_of("https://V.example:8443/").port) == ("v.example", 8443)
    assert SERVER.port == 443
    assert server_of("no URL").host == ""


NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENTINEL = "s3ntinel-4711"


@pytest.mark.parametrize("name", ["a", "0", "a-", "ai-platform-engineering-global", "Z9" * 63, "x" * 127])
def test_letters_digits_and_hyphens_are_a_name(name: str) -> None:
    assert name_problems(name) == ()


@pytest.mark.parametrize(
    "name",
    ["", "x" * 128, "dev/github", "a_b", "a.b", "a b", "a\n", "\na", "ä", "\u0663", "a\0", "..", "a%2fb", "-", "-a"],
)
def test_whatever_else_is_told_with_the_rule_and_its_code(name: str) -> None:
    (problem,) = name_problems(name)
    assert (problem.code, problem.name, problem.property) == ("invalid-name", name, None)
    assert "1 to 127 letters, digits and hyphens" in problem.remedy


def test_a_version_is_32_small_hexadecimal_digits() -> None:
    version = "0123456789abcdef" * 2
    assert is_version(version)
    for other in (
        "",
        version[1:],
        version + "0",
        version + "\n",
        version.upper(),
        "../deletedsecrets/x",
        "\u0660" * 32,
    ):
        assert not is_version(other)


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        (SENTINEL, []),
        (f" {SENTINEL}\n", []),
        ("changeme", []),
        ("", ["the value is empty"]),
        (" \n\t", ["the value is empty"]),
        (f"{SENTINEL}\0", ["the value has a NUL character"]),
        (f"{SENTINEL}\ud800", ["the value is not valid Unicode text"]),
        ("\ud800\0", ["the value is not valid Unicode text", "the value has a NUL character"]),
    ],
)
def test_a_value_that_would_not_come_back_as_it_is_has_a_problem_at_its_property(text: str, reasons: list[str]) -> None:
    found = value_problems("github", SecretValue(text), "TOKEN")
    assert [problem.reason for problem in found] == reasons
    assert {(problem.code, problem.name, problem.property) for problem in found} <= {
        ("invalid-value", "github", "TOKEN")
    }
    assert all(problem.remedy for problem in found)
    assert SENTINEL not in f"{found}"


def test_a_whole_value_is_named_without_a_property_and_another_kind_is_kept_as_it_was_read() -> None:
    assert [problem.property for problem in value_problems("github", SecretValue(""))] == [None]
    assert value_problems("github", SecretValue("17", JsonKind.NUMBER), "PORT") == ()


@pytest.mark.parametrize(
    "text", ["x" * 25_600, "ü" * 12_800, "€" * 8_533 + "x", "\U0001f511" * 6_400, "\ud800" * 8_533]
)
def test_25_600_bytes_are_taken_and_one_more_is_told_with_both_figures(text: str) -> None:
    assert size_problems("github", text) == ()
    more = text + "x" * (25_601 - len(text.encode("utf-8", "surrogatepass")))
    (problem,) = size_problems("github", more)
    assert problem.code == "too-large"
    assert "25601 bytes" in problem.reason
    assert "25600" in problem.reason
    assert "several secrets" in problem.remedy


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes(),
        Attributes(tags={str(number): "x" for number in range(15)}),
        Attributes(tags={"k" * 512: "v" * 256}),
        Attributes(tags={"k": ""}),
        Attributes(content_type="c" * 255),
        Attributes(not_before=NOW, expires=NOW + timedelta(seconds=1)),
        Attributes(not_before=NOW),
        Attributes(expires=NOW - timedelta(days=9_000)),
    ],
)
def test_attributes_at_their_limits_pass(attributes: Attributes) -> None:
    assert attribute_problems("github", attributes) == ()


@pytest.mark.parametrize(
    ("attributes", "code", "words"),
    [
        (Attributes(tags={str(number): "x" for number in range(16)}), "too-large", "16 tags, and Key Vault allows 15"),
        (Attributes(tags={"": "x"}), "too-large", "1 to 512 characters"),
        (Attributes(tags={"k" * 513: "v"}), "too-large", "1 to 512 characters"),
        (Attributes(tags={"k": "v" * 257}), "too-large", "its value at most 256"),
        (Attributes(content_type="c" * 256), "too-large", "255 characters"),
        (Attributes(not_before=NOW, expires=NOW), "invalid-value", "expire before it is valid"),
        (Attributes(not_before=NOW, expires=NOW - timedelta(1)), "invalid-value", "expire before it is valid"),
    ],
)
def test_attributes_over_a_limit_are_told_which(attributes: Attributes, code: str, words: str) -> None:
    (problem,) = attribute_problems("github", attributes)
    assert (problem.code, problem.name) == (code, "github")
    assert words in problem.reason


def test_every_attribute_that_is_wrong_is_told_and_a_long_tag_is_shown_by_its_start() -> None:
    tags = {"first-" + "k" * 600: "v", "second": "v" * 257, "good": "v"}
    found = attribute_problems("github", Attributes(tags=tags, content_type="c" * 256, not_before=NOW, expires=NOW))
    assert [problem.code for problem in found] == ["too-large"] * 3 + ["invalid-value"]
    assert found[0].remedy == f'shorten the tag "first-{"k" * 34}"'
    assert found[1].remedy == 'shorten the tag "second"'


def test_what_cannot_be_merged_into_says_the_two_ways_out() -> None:
    problem = form_problem("github")
    assert (problem.code, problem.name) == ("malformed-document", "github")
    assert problem.remedy == "write the whole value, or repair it by hand"


BUNDLE = Bundle("github", "1f" * 16, SecretValue(SENTINEL), Attributes(tags={"team": "platform"}))


def test_a_bundle_shows_all_but_its_value() -> None:
    shown = f"{BUNDLE!r}"
    assert SENTINEL not in shown
    assert "'github'" in shown
    assert "1f" * 16 in shown
    assert "'team'" in shown


@pytest.mark.parametrize("leak", [pickle.dumps, dataclasses.asdict, hash])
def test_a_bundle_with_a_value_is_not_copied_out(leak: object) -> None:
    assert callable(leak)
    with pytest.raises(TypeError) as caught:
        leak(BUNDLE)
    assert SENTINEL not in str(caught.value)


def test_bundles_with_values_are_not_compared_in_the_clear() -> None:
    with pytest.raises(TypeError, match="Comparer"):
        _ = dataclasses.replace(BUNDLE, value=SecretValue(SENTINEL)) == BUNDLE


def test_a_bundle_stays_as_the_vault_showed_it() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        BUNDLE.version = "other"  # type: ignore[misc]


def test_the_sdks_client_asks_for_these_and_for_no_purge() -> None:
    asked = {name for name, _ in inspect.getmembers(SdkClient, inspect.isfunction) if not name.startswith("_")}
    reading = {"get", "get_deleted", "page_of_secrets", "page_of_versions", "identity"}
    assert asked == reading | {"set", "delete", "recover", "close"}
