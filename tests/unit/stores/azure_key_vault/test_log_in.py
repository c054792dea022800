import base64
import json
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest
from azure.core.credentials import AccessToken, TokenCredential

from compiler.stores.azure_key_vault.client import SdkTransport, log_in_transport
from compiler.stores.azure_key_vault.log_in import (
    TOKEN_VARIABLE,
    FixedToken,
    NoTokenError,
    SharedCredential,
    claims_of,
    shared_credential,
)
from compiler.stores.errors import Code, StoreError, StoreLocation
from compiler.stores.pacing import Clock, Deadlines
from tests.refusals import is_refused

PLACE = StoreLocation("https://v.vault.azure.net")
VAULTS = "https://vault.azure.net/.default"


class Named:
    is_closed = False

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
        return AccessToken("t0ken", 9_999_999_999)

    def close(self) -> None:
        self.is_closed = True


def made(
    url: str, environ: Mapping[str, str], credential: TokenCredential | None = None, *, is_emulator: bool = False
) -> SharedCredential:
    return shared_credential(
        credential, environ, url, PLACE, lambda: log_in_transport(environ, PLACE), is_emulator=is_emulator
    )


def method(credential: SharedCredential, scope: str = VAULTS) -> str:
    credential.get_token(scope)
    identity = credential.identity()
    assert identity is not None
    return identity.method


def test_a_given_credential_goes_before_a_token_and_that_before_the_sdks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda **_: Named())
    variables = {TOKEN_VARIABLE: "t0ken", "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential"}
    assert method(made("https://v.vault.azure.net", variables, Named())) == "Named"
    assert method(made("https://v.vault.azure.net", variables)) == TOKEN_VARIABLE
    del variables[TOKEN_VARIABLE]
    assert method(made("https://v.vault.azure.net", variables)) == "AzureCliCredential"
    assert method(made("https://v.vault.azure.net", {})) == "DefaultAzureCredential"


def test_a_given_credential_stays_its_givers(monkeypatch: pytest.MonkeyPatch) -> None:
    given, own = Named(), Named()
    made("https://v.vault.azure.net", {}, given).close()
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda **_: own)
    made("https://v.vault.azure.net", {}).close()
    assert (given.is_closed, own.is_closed) == (False, True)


def test_a_token_in_a_variable_is_for_key_vaults_and_for_an_emulator() -> None:
    variables = {TOKEN_VARIABLE: "t0ken"}
    with pytest.raises(NoTokenError, match="for another resource than that of"):
        made("https://v.example.com", variables).get_token("https://example.com/.default")
    assert (
        made("https://localhost", variables, is_emulator=True).get_token("https://localhost/.default").token == "t0ken"
    )


@pytest.mark.parametrize("inside", ["\n", "\r\n", "\0", "\t", " ", "\x7f", "ü", "\u200b"])
@pytest.mark.parametrize("after", ["", "x"])
def test_a_token_that_is_no_header_is_refused_by_name(inside: str, after: str) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED), match="cannot log in") as caught:
        made("https://v.vault.azure.net", {TOKEN_VARIABLE: f"sentinel-4711{inside}{after}"})
    assert caught.value.reason == f"{TOKEN_VARIABLE} has a line break or a character that tokens cannot have"
    assert "sentinel" not in f"{caught.value}{caught.value!r}"


@pytest.mark.parametrize(
    ("named", "shown"),
    [("azureclicredential", "AzureCliCredential"), (" prod ", "prod"), ("sentinel-4711", "DefaultAzureCredential")],
)
def test_only_a_credentials_own_name_is_shown(named: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # An SDK from before the variable takes any text of it for none.
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", lambda **_: Named())
    assert method(made("https://v.vault.azure.net", {"AZURE_TOKEN_CREDENTIALS": named})) == shown


def test_no_token_is_told_with_the_codes_and_how_to_log_in() -> None:
    class Failing(Named):
        def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
            raise ValueError("AADSTS70011: client_secret=s3ntinel AADSTS70011 AADSTS1")

    for named, reason in (
        ("AzureCliCredential", "AzureCliCredential returned no token (AADSTS70011)"),
        (
            "DefaultAzureCredential",
            "none of the credentials that DefaultAzureCredential tries returned a token (AADSTS70011)",
        ),
    ):
        with pytest.raises(NoTokenError) as caught:
            SharedCredential(Failing(), named).get_token(VAULTS)
        assert (caught.value.code, caught.value.reason) == (Code.UNAUTHENTICATED, reason)
        assert "az login" in caught.value.remedy
        assert caught.value.__context__ is None


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_token_that_is_set_but_empty_does_not_fall_to_whoever_is_logged_in(blank: str) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.UNAUTHENTICATED)) as caught:
        made("https://v.vault.azure.net", {"AZURE_KEYVAULT_TOKEN": blank})
    assert caught.value.reason == "AZURE_KEYVAULT_TOKEN is set but empty"
    assert caught.value.remedy.startswith("fill it, or unset it")


@pytest.mark.parametrize(
    ("url", "environ", "expected"),
    [
        ("https://v.vault.azure.net", {}, {}),
        ("https://v.vault.azure.cn", {}, {"authority": "login.chinacloudapi.cn"}),
        ("https://v.vault.usgovcloudapi.net/", {}, {"authority": "login.microsoftonline.us"}),
        ("https://v.vault.azure.cn", {"AZURE_AUTHORITY_HOST": "login.example"}, {}),
    ],
)
def test_the_default_credential_logs_in_at_the_vaults_own_cloud(
    url: str, environ: dict[str, str], expected: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []

    def record(transport: object, **options: str) -> Named:
        assert isinstance(transport, SdkTransport)
        asked.append(options)
        return Named()

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", record)
    made(url, environ).close()
    assert asked == [expected]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AZURE_TOKEN_CREDENTIALS", "sentinel-4711"),
        ("AZURE_AUTHORITY_HOST", "http://sentinel-4711"),
        # The SDK reads the file at once, and what the file system says of it quotes its name.
        ("AZURE_CLIENT_CERTIFICATE_PATH", "sentinel-4711"),
        ("AZURE_CLIENT_CERTIFICATE_PATH", "sentinel-4711" * 400),
    ],
)
def test_a_variable_that_names_no_credential_is_no_defect(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", "22222222-2222-4222-8222-222222222222")
    monkeypatch.setenv("AZURE_CLIENT_ID", "22222222-2222-4222-8222-222222222222")
    monkeypatch.setenv(variable, value)
    with pytest.raises(
        StoreError, check=is_refused(Code.UNAUTHENTICATED), match="correct AZURE_TOKEN_CREDENTIALS"
    ) as caught:
        made("https://v.vault.azure.net", {variable: value})
    assert "sentinel" not in str(caught.value)
    assert caught.value.__context__ is None


def test_without_azure_identity_the_extra_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(StoreError, check=is_refused(Code.MISSING_DEPENDENCY), match=r"platform-secrets\[azure\]"):
        made("https://v.vault.azure.net", {})


def test_no_token_in_time_is_trouble_of_the_log_in_and_may_pass() -> None:
    class Late(Named):
        def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
            raise TimeoutError

    with pytest.raises(NoTokenError) as caught:
        SharedCredential(Late(), "AzureCliCredential").get_token(VAULTS)
    assert (caught.value.code, caught.value.reason) == (
        Code.UNAVAILABLE,
        "AzureCliCredential returned no token in time",
    )


class TokenServer:
    """A managed identity's endpoint on the loopback, which answers with these bytes."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.environ = {
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": f"http://127.0.0.1:{self._socket.getsockname()[1]}/token",
            "IDENTITY_HEADER": "h",
        }
        self.heads: list[str] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client = self._socket.accept()[0]
            except OSError:
                return
            with client:
                self.heads.append(client.recv(65_536).decode())
                client.sendall(self._reply)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


def token_reply(more: bytes = b"") -> bytes:
    ends = int(time.time()) + 3_600
    body = b'{"access_token": "t0ken", "expires_on": "%d", "resource": "r", "token_type": "Bearer"}' % ends
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n" % (more, len(body)) + body
    )


def asked_for_token(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    credential = made("https://v.vault.azure.net", server.environ)
    with closing(server), closing(credential):
        return credential.get_token("https://vault.azure.net/.default").token


def test_a_token_request_goes_over_the_transport_of_the_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    server = TokenServer(token_reply())
    assert asked_for_token(server, monkeypatch) == "t0ken"
    assert server.heads[0].startswith("GET /token?")
    assert "requests" not in server.heads[0].lower().replace("x-ms-client-request", "")


def test_a_lying_log_in_server_gives_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without its waits between attempts.
    monkeypatch.setattr(SdkTransport, "sleep", lambda _transport, _seconds: None)
    with pytest.raises(NoTokenError):
        asked_for_token(TokenServer(token_reply(b"Content-Length: 7\r\n")), monkeypatch)


SCOPE = "https://vault.azure.net/.default"


def jwt(claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{part}.signature"


class Issuer:
    def __init__(self, claims: object, lifetime: float = 3_600.0) -> None:
        self.claims = claims
        self.lifetime = lifetime
        self.asked: list[dict[str, object]] = []

    def get_token(self, *_scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
        self.asked.append(options)
        return AccessToken(f"{jwt(self.claims)}{len(self.asked)}", int(1_000 + self.lifetime))


def now() -> float:
    return 1_000.0


def test_a_credential_is_waited_for_until_the_operation_ends_and_by_others_too() -> None:
    free = threading.Event()

    class Slow(Issuer):
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
            free.wait(30)
            return super().get_token(*scopes, **options)

    credential = SharedCredential(Slow({}), "test", now)
    deadlines = Deadlines(Clock(), patience=0.2, first_contact=60)
    told: list[NoTokenError] = []

    def ask() -> None:
        with deadlines.operation(), deadlines.request():
            try:
                credential.get_token(SCOPE)
            except NoTokenError as error:
                told.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [(error.code, error.__context__) for error in told] == [(Code.UNAVAILABLE, None)] * 3
    free.set()
    assert credential.get_token(SCOPE).token.startswith("e30.")


def test_a_token_is_kept_until_five_minutes_before_its_end() -> None:
    kept, short = Issuer({}), Issuer({}, lifetime=300)
    for issuer in (kept, short):
        credential = SharedCredential(issuer, "test", now)
        for _ in range(3):
            credential.get_token("scope", enable_cae=True)
    assert (len(kept.asked), len(short.asked)) == (1, 3)


def test_another_scope_and_a_claims_challenge_ask_anew() -> None:
    issuer = Issuer({})
    credential = SharedCredential(issuer, "test", now)
    credential.get_token("one")
    credential.get_token("two")
    credential.get_token("two", claims="{}")
    assert issuer.asked == [{}, {}, {"claims": "{}"}]


def test_only_the_refused_token_is_forgotten() -> None:
    issuer = Issuer({})
    credential = SharedCredential(issuer, "test", now)
    first = credential.get_token("scope").token
    credential.forget("another")
    assert credential.get_token("scope").token == first
    credential.forget(first)
    assert credential.get_token("scope").token != first


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ({"upn": "ada@example.com", "appid": "cli", "oid": "1"}, "ada@example.com (oid 1)"),
        ({"appid": "app", "oid": "1"}, "app (oid 1)"),
        ({"oid": "1"}, "oid 1"),
        ({"upn": "a\nb"}, "a\\nb"),
        ({"upn": 5}, "unknown"),
        ([], "unknown"),
    ],
)
def test_the_subject_is_the_first_name_that_the_claims_give(claims: object, subject: str) -> None:
    credential = SharedCredential(Issuer(claims), "method", now)
    assert credential.identity() is None
    credential.get_token("scope")
    identity = credential.identity()
    assert identity is not None
    assert (identity.subject, identity.method) == (subject, "method")


def test_which_credential_of_a_chain_gave_the_token_is_told() -> None:
    class AzureCliCredential(Issuer):
        pass

    class Chain(Issuer):
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ANN401 - azure's own signature
            self._successful_credential = AzureCliCredential({})
            return super().get_token(*scopes, **options)

    credential = SharedCredential(Chain({}), "DefaultAzureCredential", now)
    assert credential.label == "DefaultAzureCredential"
    credential.get_token("scope")
    identity = credential.identity()
    assert identity is not None
    assert (identity.method, identity.source) == ("DefaultAzureCredential", "AzureCliCredential")
    assert credential.label == "DefaultAzureCredential (AzureCliCredential)"


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.%%.c", "a.W10.c", "a.e30.c.d", "a." + "W" * 9 + ".c"])
def test_what_is_no_token_of_claims_has_none(token: str) -> None:
    assert claims_of(token) == {}


@pytest.mark.parametrize("end", [10**30, -(10**30), 10**14])
def test_an_end_beyond_any_calendar_is_none(end: int) -> None:
    credential = SharedCredential(FixedToken(jwt({"exp": end})), "method", now)
    credential.get_token(SCOPE)
    identity = credential.identity()
    assert identity is not None
    assert identity.expires is None


def test_a_fixed_token_ends_when_it_says_and_is_not_shown() -> None:
    assert FixedToken(jwt({"exp": 4_000_000_000})).get_token(SCOPE).expires_on == 4_000_000_000
    assert FixedToken("opaque").get_token(SCOPE).expires_on > 1_700_000_000
    assert "opaque" not in repr(FixedToken("opaque"))


@pytest.mark.parametrize(
    ("token", "scope", "given"),
    [
        (jwt({"aud": "https://vault.azure.net"}), SCOPE, True),
        (jwt({"aud": "https://Vault.Azure.net/"}), SCOPE, True),
        (jwt({"aud": "https://vault.azure.cn"}), SCOPE, False),
        (jwt({"aud": "https://vault.example"}), "https://vault.example/.default", True),
        (jwt({"aud": "https://vault.azure.net"}), "https://vault.azure.net.example/.default", False),
        (jwt({"aud": "https://vault.azure.net"}), "https://vault.azure.net@example/.default", False),
        (jwt({"aud": "https://vault.azure.net"}), "https://[/.default", False),
        (jwt({"aud": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}), SCOPE, True),
        (jwt({"aud": "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"}), "https://vault.example/.default", False),
        ("opaque", "https://vault.usgovcloudapi.net/.default", True),
        ("opaque", "https://vault.example/.default", False),
    ],
)
def test_a_token_is_given_for_its_own_resource_alone(token: str, scope: str, *, given: bool) -> None:
    credential = SharedCredential(FixedToken(token), "test")
    if given:
        assert credential.get_token(scope).token == token
    else:
        with pytest.raises(NoTokenError, match="for another resource than that of"):
            credential.get_token(scope)
    assert FixedToken(token, is_for_any=True).get_token(scope).token == token
