import base64
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.errors import InvalidNameError, TlsFailureError
from compiler.stores.vault.session import VaultSession
from compiler.stores.vault.transport import open_session

NEAR = {"PLATFORM_SECRETS_ALLOW_HTTP": "1"}


def session(url: str, **environ: str) -> VaultSession:
    return open_session(StoreAddress(Provider.VAULT, url), environ)


def heard(url: str, environ: Mapping[str, str], reply: bytes = b"") -> bytes:
    """What the proxy in `environ`'s `{proxy}` hears first when a request is sent to `url`."""
    found: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as connection:
                found.append(connection.recv(65536))
                connection.sendall(reply or b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        opened = session(url, **{name: value.format(proxy=address) for name, value in environ.items()})
        with closing(opened):
            try:
                opened.request("get", "/v1/x", {"X-Vault-Token": "t"}, timeout=(2, 2))
            except OSError:
                pass
            finally:
                thread.join(10)
    return found[0]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://vault.example.com",
        "https://",
        "https://vault.example.com/?a=b",
        "https://vault.example.com/#x",
        "https://user:secret-word@vault.example.com",
        "https://secret-word@vault.example.com",
        "secret-word@vault.example.com:8200",
        "https://vault.example.com:99999",
        "https://[::1",
    ],
)
def test_an_address_that_is_no_servers_is_refused(url: str) -> None:
    with pytest.raises(InvalidNameError, match="correct the store's server") as caught:
        session(url, VAULT_ADDR="https://another.example.com")
    assert "secret-word" not in str(caught.value)
    # Where the variable says it, correcting the environment's file would change nothing.
    with pytest.raises(InvalidNameError, match=r"; correct VAULT_ADDR$"):
        session(url, VAULT_ADDR=url)


@pytest.mark.parametrize("url", ["http://vault.example.com", "http://10.0.0.1:8200", "http://vault.svc.example.com"])
def test_plain_http_is_refused_away_from_the_cluster(url: str) -> None:
    with pytest.raises(TlsFailureError, match="in the clear"):
        session(url)
    session(url, **NEAR).close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8200",
        "http://[::1]:8200",
        "http://localhost",
        "http://vault.vault.svc:8200",
        "http://v.v.svc.cluster.local",
    ],
)
def test_plain_http_is_taken_where_the_network_is_near(url: str) -> None:
    session(url).close()


def test_a_server_below_a_path_keeps_it() -> None:
    assert session("https://example.com/vault/")._start == "/vault"


def test_a_proxy_of_plain_http_is_asked_for_whole_urls() -> None:
    sent = heard("http://vault.example.com:8200/below", {"HTTP_PROXY": "http://{proxy}", **NEAR})
    assert sent.startswith(b"GET http://vault.example.com:8200/below/v1/x HTTP/1.1\r\n")
    assert b"Host: vault.example.com:8200\r\n" in sent


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
@pytest.mark.parametrize("proxy", ["http://{proxy}", "{proxy}"])
def test_a_proxy_of_tls_is_a_tunnel_that_sees_no_token(name: str, proxy: str) -> None:
    sent = heard("https://vault.example.com:8200", {name: proxy})
    assert sent.startswith(b"CONNECT vault.example.com:8200 HTTP/1.")
    assert b"X-Vault-Token" not in sent


@pytest.mark.parametrize(
    ("url", "environ"),
    [
        ("https://vault.example.com", {"HTTPS_PROXY": "http://u%40x:p%3Aw@{proxy}"}),
        ("http://vault.example.com", {"HTTP_PROXY": "http://u%40x:p%3Aw@{proxy}", **NEAR}),
    ],
)
def test_a_proxys_user_and_password_go_to_the_proxy(url: str, environ: dict[str, str]) -> None:
    expected = base64.b64encode(b"u@x:p:w")
    assert b"Proxy-Authorization: Basic " + expected in heard(url, environ)


@pytest.mark.parametrize(
    ("url", "environ"),
    [
        ("https://vault.example.com", {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "example.com"}),
        ("https://vault.example.com", {"HTTP_PROXY": "http://127.0.0.1:1"}),
        ("https://127.0.0.1:8200", {"HTTPS_PROXY": "http://127.0.0.1:1"}),
    ],
)
def test_a_proxy_that_is_not_for_this_server_is_not_used(url: str, environ: dict[str, str]) -> None:
    opened = session(url, **environ)
    assert opened._connect().port in {443, 8200}


@pytest.mark.parametrize(
    "proxy", ["https://proxy.example.com", "socks5://u:secret-word@proxy", "http://", "http://p:x"]
)
def test_a_proxy_that_cannot_be_used_is_refused_without_showing_it(proxy: str) -> None:
    with pytest.raises(InvalidNameError, match="HTTPS_PROXY is no http:// address") as caught:
        session("https://vault.example.com", HTTPS_PROXY=proxy)
    assert "secret-word" not in str(caught.value)


def test_tls_checks_certificate_and_host() -> None:
    context = session("https://vault.example.com")._connect()._context  # type: ignore[attr-defined]
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_authorities_may_be_a_folder_and_a_client_certificate_must_be_readable(tmp_path: Path) -> None:
    session("https://vault.example.com", VAULT_CAPATH=str(tmp_path))
    with pytest.raises(TlsFailureError, match="client certificate"):
        session("https://vault.example.com", VAULT_CLIENT_CERT=str(tmp_path / "absent.pem"))
