import errno
import socket
import ssl
from pathlib import Path

import pytest

from compiler.stores.azure_key_vault.client import connection_error, require_proxy, server_of, verified
from compiler.stores.errors import Action, InvalidNameError, StoreLocation, TlsFailureError, UnreachableError
from compiler.stores.http import UnknownHostError

PLACE = StoreLocation("https://v.vault.azure.net")
SERVER = server_of("https://v.vault.azure.net")


def test_https_is_a_must_and_a_named_authority_must_be_readable(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    assert verified(PLACE, "https://v", None) is True
    assert verified(PLACE, "HTTPS://v", file) == str(file)
    for url, ca in [("http://v", None), ("v", None), ("https://v", tmp_path / "absent")]:
        with pytest.raises(TlsFailureError):
            verified(PLACE, url, ca)


@pytest.mark.parametrize("proxy", [None, "http://proxy:3128", "HTTPS://u:p@proxy", "proxy:3128"])
def test_a_proxy_of_http_is_used(proxy: str | None) -> None:
    require_proxy(PLACE, proxy)


@pytest.mark.parametrize("proxy", ["socks5://s3ntinel@proxy", "http://", "http://proxy:s3ntinel", "http://[s3ntinel"])
def test_another_proxy_is_refused_without_its_text(proxy: str) -> None:
    with pytest.raises(InvalidNameError, match="not an http:// proxy address") as caught:
        require_proxy(PLACE, proxy)
    assert "s3ntinel" not in f"{caught.value} {caught.value.remedy}"


def test_a_cause_is_found_however_deep_it_is_wrapped() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate has expired (_ssl.c:1)")
    outer = OSError(OSError("pool", ValueError(untrusted)))
    outer.args[0].__cause__ = outer
    error = connection_error(outer, SERVER, PLACE, Action.READ)
    assert isinstance(error, TlsFailureError)
    assert error.reason == "no trusted connection: its certificate has expired"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("ReadTimeoutError", "it does not answer"),
        ("ConnectTimeout", "it does not answer"),
        ("ProxyError", "the proxy refuses"),
        ("ProtocolError", "was closed"),
    ],
)
def test_a_broken_connection_says_how(kind: str, reason: str) -> None:
    error = connection_error(OSError(type(kind, (Exception,), {})("s3ntinel")), SERVER, PLACE, Action.READ)
    assert error.code == "unavailable"
    assert reason in str(error)
    assert "s3ntinel" not in str(error)


def test_plain_http_at_the_port_is_a_tls_failure() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert "does not speak TLS" in str(connection_error(plain, SERVER, PLACE, Action.READ))


def test_what_the_machine_said_is_told_however_deep_it_lies() -> None:
    outer = OSError(RuntimeError("pool"))
    outer.args[0].__cause__ = OSError(errno.EHOSTUNREACH, "s3ntinel")
    assert connection_error(outer, SERVER, PLACE, Action.READ).reason == "no network route leads to it"


def test_a_vault_that_there_is_not_is_told_by_its_name() -> None:
    outer = OSError(RuntimeError("pool"))
    outer.args[0].__cause__ = UnknownHostError("v.vault.azure.net", socket.EAI_NONAME)
    error = connection_error(outer, SERVER, PLACE, Action.READ)
    assert isinstance(error, UnreachableError)
    assert error.reason == (
        "the host name v.vault.azure.net does not resolve here: there is no such vault, or its private DNS zone is not "
        "linked to this network"
    )
    assert error.remedy.startswith("correct vaultUrl or AZURE_KEYVAULT_NAME, or ")


def test_a_port_is_the_urls_own_or_that_of_https() -> None:
    assert (server_of("https://V.example:8443/").host, server_of("https://V.example:8443/").port) == ("v.example", 8443)
    assert SERVER.port == 443
    assert server_of("no URL").host == ""
