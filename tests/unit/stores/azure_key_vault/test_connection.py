import errno
import socket
import ssl

import pytest
from urllib3.util import parse_url

from compiler.stores.azure_key_vault.client import connection_error, proxy_to, require_https, server_of
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.http import UnknownHostError
from tests.refusals import is_refused

URL = parse_url("https://v.vault.azure.net")
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
    assert (proxy_to(URL) is None) is (proxy is None)


@pytest.mark.parametrize(
    "proxy", ["socks5://s3ntinel@proxy", "http://", "http://proxy:s3ntinel", "http://[s3ntinel", "s3ntinel\nx"]
)
def test_another_proxy_is_refused_without_its_text(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME), match="not an http:// proxy address") as caught:
        proxy_to(URL)
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


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (TimeoutError("s3ntinel"), "it does not answer"),
        (OSError("Tunnel connection failed: 403 s3ntinel"), "the proxy refuses the connection"),
        (ConnectionResetError("s3ntinel"), "the connection was closed without an answer"),
        (OSError(errno.EHOSTUNREACH, "s3ntinel"), "no network route leads to it"),
    ],
)
def test_a_broken_connection_says_how(problem: Exception, reason: str) -> None:
    error = connection_error(problem, SERVER, PLACE, Action.READ)
    assert (error.code, error.reason) == ("unavailable", reason)
    assert "s3ntinel" not in str(error)


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
