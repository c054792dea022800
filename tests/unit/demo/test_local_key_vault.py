import base64
import io
import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
import requests
from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import ApiVersion, SecretClient
from cryptography import x509

from compiler.demo.key_vault_state import KeyVaultState, RefusedRequestError
from compiler.demo.local_key_vault import (
    BadRequestError,
    CertificateAuthority,
    Throttle,
    TokenIssuer,
    VaultReply,
    VaultRequest,
    answer,
    kind_of,
    read_request,
)
from tests.faulty_key_vault import (
    FaultyKeyVault,
    permission_of,
)
from tests.key_vault_program import main
from tests.virtual_clock import VirtualClock


@pytest.fixture
def vault() -> Iterator[FaultyKeyVault]:
    with FaultyKeyVault() as running:
        yield running


@pytest.fixture
def client(vault: FaultyKeyVault) -> Iterator[SecretClient]:
    with sdk_client(vault) as opened:
        yield opened


def sdk_client(vault: FaultyKeyVault) -> SecretClient:
    transport = RequestsTransport(connection_verify=str(vault.ca_file))
    # Its annotation names azure's own token class; any named tuple of the same two fields does.
    credential = cast("TokenCredential", vault.credential())
    return SecretClient(vault.url, credential, transport=transport, verify_challenge_resource=False, retry_total=0)


def test_the_sdk_sets_gets_lists_deletes_and_recovers(vault: FaultyKeyVault, client: SecretClient) -> None:
    made = client.set_secret("Github", "välue", tags={"a": "b"}, content_type="text/plain")
    assert client.get_secret("github", made.properties.version).value == "välue"
    client.update_secret_properties("github", content_type="text/other")
    assert client.get_secret("GITHUB").properties.content_type == "text/other"
    for number in range(60):
        vault.seed(f"name-{number}", "x")
        vault.seed("many", str(number))
    assert len(list(client.list_properties_of_secrets())) == 62
    assert len(list(client.list_properties_of_secret_versions("many"))) == 60
    client.begin_delete_secret("github").wait()
    assert client.get_deleted_secret("github").name == "Github"
    with pytest.raises(ResourceExistsError, match="deleted but recoverable"):
        client.set_secret("github", "x")
    client.begin_recover_deleted_secret("github").wait()
    assert client.get_secret("github").value == "välue"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_a_program_it_prints_what_to_export_and_cleans_up_when_stopped(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.key_vault_program", "--port", "0", "--no-limits"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        lines = [run.stdout.readline().strip() for _ in range(4)]
        exported = dict(line.removeprefix("export ").split("=", 1) for line in lines[:3])
        url = lines[3].removeprefix("# ")
        reply = requests.get(
            f"{url}/secrets?api-version=7.6",
            headers={"Authorization": f"Bearer {exported['AZURE_KEYVAULT_TOKEN']}"},
            verify=exported["AZURE_KEYVAULT_CACERT"],
            timeout=5,
        )
        assert reply.json() == {"value": [], "nextLink": None}
        run.send_signal(number)
        assert run.wait(timeout=10) == 0
    assert not Path(exported["AZURE_KEYVAULT_CACERT"]).exists()


def test_a_port_that_is_taken_is_said_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        main(["--port", str(taken.getsockname()[1])])
    for number, handler in handlers:
        signal.signal(number, handler)
    assert ended.value.code == 1
    assert "Address already in use; name another with --port\n" in capsys.readouterr().err


BASE = "https://v.vault.azure.net"
SENTINEL = "s3ntinel-value"
NOWHERE = "0" * 32


def request_of(
    method: str, target: str, body: object = None, content_type: str | None = "application/json"
) -> VaultRequest:
    content = b"" if body is None else json.dumps(body).encode()
    declared = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    head = f"{method} {target} HTTP/1.1\r\nHost: v\r\n{declared}Content-Length: {len(content)}\r\n\r\n"
    read = read_request(io.BytesIO(head.encode() + content))
    assert read is not None
    return read


@pytest.fixture
def state() -> KeyVaultState:
    return KeyVaultState(VirtualClock(start=1_000).now)


@pytest.fixture
def ask(state: KeyVaultState) -> Callable[..., tuple[int, Any]]:
    """What is answered: the status, and the body of a success or the error of a refusal."""

    def asked(method: str, path: str, body: object = None, **more: Any) -> tuple[int, Any]:  # noqa: ANN401 - as a test needs it
        target = path + ("&" if "?" in path else "?") + "api-version=7.6"
        try:
            reply: VaultReply = answer(state, request_of(method, target, body, **more), BASE)
        except RefusedRequestError as refusal:
            return refusal.status, refusal.body()["error"]
        return reply.status, reply.body

    return asked


def pages_of(state: KeyVaultState, target: str) -> list[dict[str, Any]]:
    """Every page, each asked for by the link of the one before, as the SDK does."""
    pages: list[dict[str, Any]] = []
    link: str | None = target
    while link is not None:
        body = answer(state, request_of("GET", link.removeprefix(BASE)), BASE).body
        assert isinstance(body, dict)
        pages.append(body)
        link = body["nextLink"]
    return pages


PERMISSIONS = {
    ("PUT", "/secrets/a"): ("create", "set"),
    ("PATCH", "/secrets/a/v"): ("other", "update"),
    ("GET", "/secrets/a"): ("other", "get"),
    ("GET", "/secrets/a/"): ("other", "get"),
    ("GET", "/secrets/a/v"): ("other", "get"),
    ("GET", "/secrets"): ("other", "list"),
    ("GET", "/secrets/"): ("other", "list"),
    ("GET", "/secrets/a/versions"): ("other", "list"),
    ("GET", "/secrets/a/versions/"): ("other", "list"),
    ("DELETE", "/secrets/a"): ("other", "delete"),
    ("GET", "/deletedsecrets"): ("other", "list"),
    ("GET", "/deletedsecrets/a"): ("other", "get"),
    ("DELETE", "/deletedsecrets/a"): ("other", "purge"),
    ("DELETE", "/deletedsecrets/a/"): ("other", "purge"),
    ("POST", "/deletedsecrets/a/recover"): ("other", "recover"),
    ("POST", "/deletedsecrets/a/recover/"): ("other", "recover"),
}


def test_each_request_has_its_throttle_and_its_permission() -> None:
    requests = {each: request_of(*each) for each in PERMISSIONS}
    assert {each: (kind_of(request), permission_of(request)) for each, request in requests.items()} == PERMISSIONS


def test_every_version_that_the_sdk_speaks_is_served(state: KeyVaultState) -> None:
    requests = {version: request_of("GET", f"/secrets?api-version={version.value}") for version in ApiVersion}
    assert [version for version, request in requests.items() if answer(state, request, BASE).status != 200] == []


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=7.06", "?api-version=8.0", "?version=7.6"])
def test_a_request_without_a_version_of_the_api_is_refused_whatever_it_asks(state: KeyVaultState, query: str) -> None:
    for request in (request_of("GET", f"/secrets{query}"), request_of("PUT", f"/secrets/a{query}", {"value": "x"})):
        with pytest.raises(RefusedRequestError) as caught:
            answer(state, request, BASE)
        assert (caught.value.status, caught.value.code) == (400, "BadParameter")
    assert state.keys_in("active") == []


def test_a_secret_lives_is_deleted_softly_recovered_and_purged(ask: Callable[..., tuple[int, Any]]) -> None:
    status, first = ask("PUT", "/secrets/Github", {"value": "1", "tags": {"a": "b"}, "contentType": "t"})
    assert (status, first["value"], first["tags"]) == (200, "1", {"a": "b"})
    _, second = ask("PUT", "/secrets/github", {"value": "2"})
    for path in ("/secrets/github", "/secrets/github/", "/secrets/GITHUB"):
        assert ask("GET", path) == (200, second)
    old = first["id"].removeprefix(BASE)
    assert ask("GET", old)[1]["value"] == "1"
    assert ask("DELETE", "/secrets/github")[0] == 200
    assert ask("GET", "/secrets/github")[1]["code"] == "SecretNotFound"
    assert ask("PUT", "/secrets/github", {"value": "3"}) == (
        409,
        {
            "code": "Conflict",
            "message": (
                "Secret Github is currently in a deleted but recoverable state, and its name cannot be reused; "
                "in this state, the secret can only be recovered or purged."
            ),
            "innererror": {"code": "ObjectIsDeletedButRecoverable"},
        },
    )
    status, deleted = ask("GET", "/deletedsecrets/github")
    assert (status, deleted["recoveryId"]) == (200, f"{BASE}/deletedsecrets/Github")
    assert ask("POST", "/deletedsecrets/github/recover")[0] == 200
    assert ask("GET", old)[1]["value"] == "1"
    assert ask("DELETE", "/secrets/github")[0] == 200
    assert ask("DELETE", "/deletedsecrets/github") == (204, None)
    assert ask("GET", "/deletedsecrets/github")[0] == 404
    assert ask("PUT", "/secrets/github", {"value": "4"})[0] == 200


def test_an_update_reaches_the_version_it_names_or_else_the_newest(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState
) -> None:
    _, first = ask("PUT", "/secrets/a", {"value": "1"})
    ask("PUT", "/secrets/a", {"value": "2"})
    assert ask("PATCH", first["id"].removeprefix(BASE), {"contentType": "first"})[0] == 200
    status, shown = ask("PATCH", "/secrets/a/", {"contentType": "newest", "attributes": {"enabled": False}})
    assert (status, shown["contentType"]) == (200, "newest")
    assert "value" not in shown
    stored = state.find_secret("a")
    assert stored is not None
    assert [(each.content_type, each.enabled, each.value) for each in stored.versions] == [
        ("first", True, "1"),
        ("newest", False, "2"),
    ]
    assert ask("GET", "/secrets/a")[1]["innererror"] == {"code": "SecretDisabled"}


@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 50, 60])
def test_a_list_comes_in_pages_of_25_with_a_link_to_the_next_and_none_on_the_last(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState, count: int
) -> None:
    for number in range(count):
        ask("PUT", f"/secrets/n{number:02}", {"value": SENTINEL})
    pages = pages_of(state, "/secrets?api-version=7.4")
    assert [len(page["value"]) for page in pages[:-1]] == [25] * (len(pages) - 1)
    assert len(pages) == max(1, -(-count // 25))
    names = [item["id"].rpartition("/")[2] for page in pages for item in page["value"]]
    assert names == [f"n{number:02}" for number in range(count)]
    assert SENTINEL not in json.dumps(pages)
    assert all("api-version=7.4" in page["nextLink"] for page in pages[:-1])
    assert all(page["nextLink"].startswith(f"{BASE}/secrets?") for page in pages[:-1])


def test_versions_come_in_pages_too(ask: Callable[..., tuple[int, Any]], state: KeyVaultState) -> None:
    for _ in range(55):
        ask("PUT", "/secrets/many", {"value": "x"})
    for path in ("/secrets/many/versions", "/secrets/many/versions/"):
        pages = pages_of(state, f"{path}?api-version=7.6")
        assert [len(page["value"]) for page in pages] == [25, 25, 5]
        assert len({item["id"] for page in pages for item in page["value"]}) == 55


def test_a_page_goes_on_after_the_name_it_ended_with_although_that_is_gone(
    ask: Callable[..., tuple[int, Any]],
) -> None:
    for number in range(27):
        ask("PUT", f"/secrets/n{number:02}", {"value": "x"})
    _, page = ask("GET", "/secrets")
    ask("DELETE", "/secrets/n24")
    ask("PUT", "/secrets/n24b", {"value": "x"})
    _, rest = ask("GET", page["nextLink"].removeprefix(BASE).replace("api-version=7.6&", ""))
    assert [item["id"].rpartition("/")[2] for item in rest["value"]] == ["n24b", "n25", "n26"]


@pytest.mark.parametrize("token", ["!", "a", "====", "%C3%A9", "_w", "%2Fw%3D%3D", "gA=="])
def test_a_forged_page_token_is_refused(ask: Callable[..., tuple[int, Any]], token: str) -> None:
    status, error = ask("GET", f"/secrets?$skiptoken={token}")
    assert (status, error["code"]) == (400, "BadParameter")


OF_A_SECRET = (
    ("PUT", "/secrets/{}"),
    ("PATCH", "/secrets/{}"),
    ("GET", "/secrets/{}"),
    ("GET", "/secrets/{}/versions"),
    ("DELETE", "/secrets/{}"),
    ("GET", "/deletedsecrets/{}"),
    ("DELETE", "/deletedsecrets/{}"),
    ("POST", "/deletedsecrets/{}/recover"),
)


def test_no_route_takes_a_name_that_no_secret_can_have(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState
) -> None:
    taken = []
    for method, path in OF_A_SECRET:
        body = {"PUT": {"value": SENTINEL}, "PATCH": {}}.get(method)
        for name in ("a_b", "a.b", "a" * 128, "%2e%2e", "a%00", "a%0A", "%C3%A9", "a%2Fb"):
            status, error = ask(method, path.format(name), body)
            if (status, error["code"]) != (400, "BadParameter"):
                taken.append((method, path, name))
    assert taken == []
    assert state.keys_in("active") == []


@pytest.mark.parametrize(
    ("declared", "status"),
    [("application/json", 200), ("application/json; charset=utf-8", 200), ("text/plain", 415), (None, 415)],
)
def test_a_body_must_be_declared_as_json(
    ask: Callable[..., tuple[int, Any]], state: KeyVaultState, declared: str | None, status: int
) -> None:
    assert ask("PUT", "/secrets/a", {"value": "x"}, content_type=declared)[0] == status
    assert len(state.keys_in("active")) == (status == 200)


REFUSED = {
    ("GET", "/"): 404,
    ("GET", "/keys"): 404,
    ("GET", "/deletedsecrets"): 404,
    ("GET", "/secrets/a/b/c"): 404,
    ("GET", "/secrets/a/xyz"): 400,
    ("GET", f"/secrets/a/{NOWHERE}"): 404,
    ("GET", "/secrets//"): 400,
    ("PATCH", f"/secrets/a/{NOWHERE}"): 404,
    ("PATCH", f"/secrets/a/{NOWHERE}/b"): 405,
    ("POST", "/secrets/a"): 405,
    ("POST", "/secrets/a/backup"): 405,
    ("PUT", "/secrets"): 405,
    ("PUT", f"/secrets/a/{NOWHERE}"): 405,
    ("DELETE", f"/secrets/a/{NOWHERE}"): 405,
    ("HEAD", "/secrets"): 405,
    ("DELETE", "/secrets/absent"): 404,
    ("DELETE", "/deletedsecrets/a"): 404,
    ("POST", "/deletedsecrets/a/recover"): 404,
    ("GET", "/secrets/absent/versions"): 404,
}


def test_what_is_not_there_or_not_offered_is_said_in_an_error_s_form(ask: Callable[..., tuple[int, Any]]) -> None:
    ask("PUT", "/secrets/a", {"value": SENTINEL})
    answers = {each: ask(*each, {}) for each in REFUSED}
    assert {each: status for each, (status, _) in answers.items()} == REFUSED
    assert [each for each, (_, error) in answers.items() if set(error) != {"code", "message"}] == []
    assert ask("GET", "/secrets/a")[1]["value"] == SENTINEL


def test_a_request_is_read_with_its_parts_and_the_next_one_follows() -> None:
    raw = b"PUT /secrets/a%2Db/?api-version=7.6&x= HTTP/1.1\r\nHost: h:1\r\nContent-Length: 2\r\n\r\n{}"
    stream = io.BytesIO(raw + b"GET / HTTP/1.1\r\n\r\n")
    first = read_request(stream)
    assert first is not None
    assert (first.method, first.path, first.query) == ("PUT", ("secrets", "a-b", ""), {"api-version": "7.6", "x": ""})
    assert (first.headers["host"], first.body) == ("h:1", b"{}")
    second = read_request(stream)
    assert second is not None
    assert second.path == ("",)
    assert read_request(stream) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"GET\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET https://other/ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: " + b"1" * 5_000 + b"\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n",
        b"PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n{}",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequestError):
        read_request(io.BytesIO(raw))


@pytest.mark.parametrize(
    ("target", "path"),
    [("//secrets/a?x=1", ("", "secrets", "a")), ("//[", ("", "[")), ("/a%2Fb/c", ("a/b", "c")), ("/?x=/y?z", ("",))],
)
def test_a_target_is_a_path_whatever_it_looks_like(target: str, path: tuple[str, ...]) -> None:
    request = read_request(io.BytesIO(f"GET {target} HTTP/1.1\r\n\r\n".encode()))
    assert request is not None
    assert request.path == path


def test_a_reply_is_one_piece_with_its_length() -> None:
    head, _, content = VaultReply(200, {"value": "é"}, (("X", "y"),)).to_bytes().partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert f"Content-Length: {len(content)}" in lines
    assert "X: y" in lines
    assert json.loads(content) == {"value": "é"}
    assert VaultReply(204).to_bytes() == b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
    assert "s3ntinel" not in repr(VaultReply(200, {"value": "s3ntinel"}))


AUDIENCE = "https://vault.azure.net"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(start=1_000.5)


@pytest.fixture
def issuer(clock: VirtualClock) -> TokenIssuer:
    return TokenIssuer(AUDIENCE, clock.now)


def claims_of(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(token, options={"verify_signature": False})
    return claims


def part(claims: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


def test_a_token_is_a_jwt_that_names_its_caller_and_its_end(issuer: TokenIssuer) -> None:
    issued = issuer.issue(lifetime=60)
    assert jwt.get_unverified_header(issued) == {"alg": "HS256", "typ": "JWT"}
    claims = claims_of(issued)
    assert (claims["aud"], claims["exp"]) == (AUDIENCE, 1_060)
    assert claims["upn"] == "ada@example.com"
    assert {"oid", "tid"} <= set(claims)


def test_another_caller_takes_the_place_of_the_usual_one(issuer: TokenIssuer) -> None:
    issued = issuer.issue(caller={"appid": "ci"})
    claims = claims_of(issued)
    assert claims["appid"] == "ci"
    assert "upn" not in claims
    assert issuer.fault_of(f"Bearer {issued}") is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_passes_in_any_case_of_its_scheme(issuer: TokenIssuer, scheme: str) -> None:
    assert issuer.fault_of(f"{scheme} {issuer.issue()}") is None


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "token"])
def test_what_is_no_bearer_token_is_missing(issuer: TokenIssuer, header: str | None) -> None:
    assert issuer.fault_of(header) == "AKV10000: Request is missing a Bearer or PoP token."


def test_a_token_ends_at_its_second(issuer: TokenIssuer, clock: VirtualClock) -> None:
    header = f"Bearer {issuer.issue(lifetime=60)}"
    clock.sleep(59.4)
    assert issuer.fault_of(header) is None
    clock.sleep(0.1)
    assert issuer.fault_of(header) == "AKV10001: The token is expired."


def test_changed_claims_a_removed_signature_and_another_issuer_are_forgeries(
    issuer: TokenIssuer, clock: VirtualClock
) -> None:
    head, body, signature = issuer.issue(lifetime=-1).split(".")
    longer = part(claims_of(f"{head}.{body}.{signature}") | {"exp": 9_999_999_999})
    unsigned = part({"alg": "none", "typ": "JWT"})
    forged = (
        f"{head}.{longer}.{signature}",
        f"{head}.{longer}.",
        f"{unsigned}.{longer}.",
        TokenIssuer(AUDIENCE, clock.now).issue(),
        "x",
        "\xe9.\xe9.\xe9",
    )
    for token in forged:
        assert issuer.fault_of(f"Bearer {token}") == "AKV10022: Invalid signature of the token."


def test_a_token_for_another_cloud_is_refused_with_the_audience_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    # One key for both, as one tenant signs for every resource.
    monkeypatch.setattr("compiler.demo.local_key_vault.secrets.token_bytes", lambda size: b"k" * size)
    public, china = TokenIssuer(AUDIENCE, clock.now), TokenIssuer("https://vault.azure.cn", clock.now)
    refusal = public.fault_of(f"Bearer {china.issue()}")
    assert refusal == "AKV10022: Invalid audience. Expected https://vault.azure.net."


def test_300_creates_and_4000_others_are_admitted_in_any_10_seconds() -> None:
    throttle = Throttle()
    assert sum(throttle.admits("create", 100.0) for _ in range(400)) == 300
    assert sum(throttle.admits("other", 100.0) for _ in range(5_000)) == 4_000
    assert not throttle.admits("create", 109.99)
    assert throttle.admits("create", 110.0)


def test_the_window_slides() -> None:
    throttle = Throttle(creates=2)
    assert throttle.admits("create", 0.0)
    assert throttle.admits("create", 9.0)
    assert throttle.admits("create", 10.5)
    assert not throttle.admits("create", 18.9)


def test_a_server_certificate_is_trusted_by_its_authority_alone(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)
    certificate_file, key_file = authority.issue(("localhost", "127.0.0.1", "*.vault.azure.net"))
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_file.read_bytes()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "*.vault.azure.net"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    ssl.create_default_context(cafile=str(authority.ca_file)).load_cert_chain(certificate_file, key_file)


def test_an_expired_certificate_began_and_ended_before_now(tmp_path: Path) -> None:
    certificate_file, _ = CertificateAuthority.create(tmp_path).issue(("localhost",), file_stem="old", expired=True)
    certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    assert certificate.not_valid_before_utc < certificate.not_valid_after_utc < datetime.now(UTC)


def test_keys_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    _, key_file = CertificateAuthority.create(tmp_path).issue(("localhost",))
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert not list(tmp_path.glob("ca*.key"))
