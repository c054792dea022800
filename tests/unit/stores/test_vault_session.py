import ssl
from pathlib import Path

import pytest
import urllib3

from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.errors import TlsFailureError
from compiler.stores.vault_session import VaultSession, open_session


def session(url: str, **environ: str) -> VaultSession:
    return open_session(StoreAddress(Provider.VAULT, url), environ, 4)


def test_a_server_below_a_path_keeps_it() -> None:
    opened = session("https://example.com/vault/")
    assert opened._start == "/vault"
    assert isinstance(opened._pool, urllib3.HTTPSConnectionPool)
    opened.close()


@pytest.mark.parametrize(
    ("url", "environ", "start", "proxied"),
    [
        ("https://vault.example.com", {"HTTPS_PROXY": "http://proxy:3128"}, "", True),
        ("https://vault.example.com", {"https_proxy": "http://proxy:3128"}, "", True),
        ("https://vault.example.com", {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com"}, "", False),
        ("https://vault.example.com", {"HTTP_PROXY": "http://proxy:3128"}, "", False),
        ("https://127.0.0.1:8200", {"HTTPS_PROXY": "http://proxy:3128"}, "", False),
        (
            "http://vault.example.com",
            {"HTTP_PROXY": "http://proxy:3128", "PLATFORM_SECRETS_ALLOW_HTTP": "1"},
            "http://vault.example.com",
            True,
        ),
    ],
)
def test_proxies_come_from_the_given_environment_once(
    url: str, environ: dict[str, str], start: str, *, proxied: bool
) -> None:
    opened = session(url, **environ)
    assert opened._start == start
    assert (opened._pool.proxy is not None) == proxied


def test_tls_checks_certificate_and_host() -> None:
    context = session("https://vault.example.com")._pool.conn_kw["ssl_context"]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_authorities_may_be_a_folder_and_a_client_certificate_must_be_readable(tmp_path: Path) -> None:
    session("https://vault.example.com", VAULT_CAPATH=str(tmp_path))
    with pytest.raises(TlsFailureError, match="client certificate"):
        session("https://vault.example.com", VAULT_CLIENT_CERT=str(tmp_path / "absent.pem"))
