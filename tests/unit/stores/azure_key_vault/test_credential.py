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
    NoTokenError,
    SharedCredential,
    shared_credential,
)
from compiler.stores.errors import Code, StoreError, StoreLocation
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
            raise ValueError("no: AADSTS700016")

    for named, reason in (
        ("AzureCliCredential", "AzureCliCredential returned no token (AADSTS700016)"),
        (
            "DefaultAzureCredential",
            "none of the credentials that DefaultAzureCredential tries returned a token (AADSTS700016)",
        ),
    ):
        with pytest.raises(NoTokenError) as caught:
            SharedCredential(Failing(), named).get_token(VAULTS)
        assert (caught.value.code, caught.value.reason) == (Code.UNAUTHENTICATED, reason)
        assert "az login" in caught.value.remedy


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
