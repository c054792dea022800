import base64
import json
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.demo.local_key_vault import CertificateAuthority
from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, StoreError
from compiler.stores.http import Transport
from compiler.stores.interface import StoreOptions
from compiler.stores.secret_value import JsonKind, SecretValue
from compiler.stores.vault import client
from compiler.stores.vault.client import open_transport, read_reply, write_body
from tests import plain_http, providers
from tests.refusals import is_refused

NEAR = {"PLATFORM_SECRETS_ALLOW_HTTP": "1"}


OPTIONS = StoreOptions(connect_timeout=2, read_timeout=2)


def session(url: str, **environ: str) -> Transport:
    return open_transport(StoreAddress(providers.VAULT, url), environ, OPTIONS)[0]


def below(url: str) -> str:
    """The path that stands before all others at a server."""
    return open_transport(StoreAddress(providers.VAULT, url), {}, OPTIONS)[1]


def authorities(environ: Mapping[str, str]) -> tuple[str, str]:
    """What messages name, for a server whose certificate is not checked."""
    return open_transport(StoreAddress(providers.VAULT, "http://127.0.0.1:8200"), environ, OPTIONS)[2].authorities


def connection_of(transport: Transport) -> Any:  # noqa: ANN401 - of plain HTTP or of TLS
    return transport._new_connection(1)


def trusted(transport: Transport) -> ssl.SSLContext:
    assert transport._context is not None
    return transport._context


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
        filled = {name: value.format(proxy=address) for name, value in environ.items()}
        opened, path, _ = open_transport(StoreAddress(providers.VAULT, url), filled, OPTIONS)
        with closing(opened):
            try:
                opened.request("GET", f"{path}/v1/x", {"X-Vault-Token": "t"})
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
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME), match="correct the store's server") as caught:
        session(url, VAULT_ADDR="https://another.example.com")
    assert "secret-word" not in str(caught.value)
    # Where the variable says it, correcting the environment's file would change nothing.
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME), match=r"; correct VAULT_ADDR$"):
        session(url, VAULT_ADDR=url)


@pytest.mark.parametrize("url", plain_http.FAR)
def test_plain_http_is_refused_away_from_the_cluster(url: str) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match="in the clear"):
        session(url)
    for value in ("", "0", "true", "yes", "11"):
        with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match="in the clear"):
            session(url, PLATFORM_SECRETS_ALLOW_HTTP=value)
    session(url, **NEAR).close()


@pytest.mark.parametrize("url", plain_http.NEAR)
def test_plain_http_is_taken_where_the_network_is_near(url: str) -> None:
    session(url).close()


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
    assert connection_of(opened).port in {443, 8200}


@pytest.mark.parametrize(
    "proxy", ["https://proxy.example.com", "socks5://u:secret-word@proxy", "http://", "http://p:x"]
)
def test_a_proxy_that_cannot_be_used_is_refused_without_showing_it(proxy: str) -> None:
    with pytest.raises(
        StoreError, check=is_refused(Code.INVALID_NAME), match="HTTPS_PROXY is not an http:// proxy address"
    ) as caught:
        session("https://vault.example.com", HTTPS_PROXY=proxy)
    assert "secret-word" not in str(caught.value)


def test_tls_checks_certificate_and_host() -> None:
    context = trusted(session("https://vault.example.com"))
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_authorities_may_be_a_folder_and_a_client_certificate_must_be_readable(tmp_path: Path) -> None:
    session("https://vault.example.com", VAULT_CAPATH=str(tmp_path))
    with pytest.raises(
        StoreError, check=is_refused(Code.TLS_FAILURE), match=r"client certificate .* correct VAULT_CLIENT_CERT"
    ) as caught:
        session("https://vault.example.com", VAULT_CLIENT_CERT=str(tmp_path / "absent.pem"))
    assert "absent" not in str(caught.value)


AUTHORITIES = ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.mark.parametrize("first", range(len(AUTHORITIES)))
def test_the_first_variable_that_names_authorities_counts(tmp_path: Path, first: int) -> None:
    there, absent = str(CertificateAuthority.create(tmp_path).ca_file), str(tmp_path / "absent.pem")
    empty, later = dict.fromkeys(AUTHORITIES[:first], ""), AUTHORITIES[first + 1 :]
    session("https://vault.example.com", **empty, **{AUTHORITIES[first]: there}, **dict.fromkeys(later, absent)).close()
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE)):
        session("https://vault.example.com", **empty, **{AUTHORITIES[first]: absent}, **dict.fromkeys(later, there))


def test_the_stores_own_authorities_count_before_any_variables(tmp_path: Path) -> None:
    own = CertificateAuthority.create(tmp_path).ca_file
    address = StoreAddress(providers.VAULT, "https://vault.example.com", ca=own)
    open_transport(address, dict.fromkeys(AUTHORITIES, str(tmp_path / "absent.pem")), OPTIONS)[0].close()


def test_the_stores_bundle_counts_where_no_variable_names_a_file(tmp_path: Path) -> None:
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    own, other = (CertificateAuthority.create(tmp_path / name) for name in ("own", "other"))
    bundle = base64.b64encode(own.ca_file.read_bytes()).decode()
    address = StoreAddress(providers.VAULT, "https://vault.example.com", ca_bundle=bundle)
    for environ, authority in (({}, own), ({"VAULT_CACERT": str(other.ca_file)}, other)):
        transport, _, server = open_transport(address, environ, OPTIONS)
        (found,) = trusted(transport).get_ca_certs(binary_form=True)
        assert found == ssl.PEM_cert_to_DER_cert(authority.ca_file.read_text("utf-8"))
        assert server.authorities[0] == ("VAULT_CACERT" if environ else "the store's caBundle")
    for text in ("LS0t", "no Base64"):
        with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match="of the store's caBundle cannot be"):
            open_transport(address._replace(ca_bundle=text), {}, OPTIONS)


def test_authorities_and_a_client_certificate_may_come_from_commands_of_the_shell(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path)
    issued = authority.issue(("client.example.com",))
    # The key stands after its certificate: the file is read twice.
    client = b"".join(path.read_bytes() for path in issued)
    ends: list[int] = []
    for content in (authority.ca_file.read_bytes(), client):
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        ends.append(reading)
    environ = {"VAULT_CACERT": f"/dev/fd/{ends[0]}", "VAULT_CLIENT_CERT": f"/dev/fd/{ends[1]}"}
    assert len(trusted(session("https://vault.example.com", **environ)).get_ca_certs()) == 1
    for end in ends:
        os.close(end)


@pytest.mark.parametrize("variable", ["VAULT_CACERT", "VAULT_CLIENT_CERT"])
def test_a_device_in_place_of_certificates_is_not_read(variable: str) -> None:
    with pytest.raises(
        StoreError, check=is_refused(Code.TLS_FAILURE), match="cannot be read: it is a device, not a file; correct"
    ) as caught:
        session("https://vault.example.com", **{variable: "/dev/zero"})
    assert variable in str(caught.value)


def test_a_path_that_no_file_can_have_is_refused_like_one_that_is_missing() -> None:
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match="cannot be read"):
        session("https://vault.example.com", VAULT_CACERT="ca\0.pem")


def test_a_client_certificate_may_have_its_key_in_a_file_of_its_own(tmp_path: Path) -> None:
    issued, key_of_issued = CertificateAuthority.create(tmp_path).issue(("client.example.com",))
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(issued.read_bytes())
    key.write_bytes(key_of_issued.read_bytes())
    session("https://vault.example.com", VAULT_CLIENT_CERT=str(certificate), VAULT_CLIENT_KEY=str(key)).close()
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE), match="client certificate"):
        session("https://vault.example.com", VAULT_CLIENT_CERT=str(certificate))


@pytest.mark.parametrize(
    ("url", "environ", "reason", "remedy"),
    [
        (
            "ftp://vault.example.com",
            {},
            "the address is not an http:// or https:// URL of a server",
            "correct the store's server",
        ),
        (
            "https://vault.example.com",
            {"HTTPS_PROXY": "socks5://proxy"},
            "HTTPS_PROXY is not an http:// proxy address",
            "correct HTTPS_PROXY, or set NO_PROXY",
        ),
        (
            "http://vault.example.com",
            {},
            "plain http would send the token in the clear",
            "use https, or set PLATFORM_SECRETS_ALLOW_HTTP=1 where the network is trusted",
        ),
    ],
)
def test_a_refusal_names_the_store_the_cause_and_the_way_out(
    url: str, environ: dict[str, str], reason: str, remedy: str
) -> None:
    with pytest.raises(StoreError) as caught:
        session(url, **environ)
    assert str(caught.value) == f"cannot connect to {url}/secret: {reason}; {remedy}"


@pytest.mark.parametrize(
    ("variable", "what"),
    [
        *(
            (name, f"the CA certificates of {name}")
            for name in ("VAULT_CACERT", "VAULT_CAPATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        ),
        ("VAULT_CLIENT_CERT", "the client certificate"),
    ],
)
def test_a_file_of_certificates_that_cannot_be_read_is_told_with_its_variable(variable: str, what: str) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE)) as caught:
        session("https://vault.example.com", **{variable: "/nonexistent/secret-word"})
    assert "secret-word" not in f"{caught.value}{caught.value!r}{caught.value.__context__}"
    assert str(caught.value).startswith("cannot connect to https://vault.example.com/secret: ")
    assert caught.value.reason.endswith(f"{what} cannot be read")
    assert caught.value.remedy.startswith(f"correct {variable}")


def test_a_port_is_any_but_none() -> None:
    assert connection_of(session("https://vault.example.com:1")).port == 1
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME)):
        session("https://vault.example.com:0")


@pytest.mark.parametrize(
    ("url", "start"),
    [("https://example.com", ""), ("https://example.com//", ""), ("https://example.com/X/", "/X")],
)
def test_only_slashes_are_taken_from_a_paths_end(url: str, start: str) -> None:
    assert below(url) == start


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("exempt", "port"),
    [
        ("vault.example.com", 443),
        ("other.example.com, .example.com", 443),
        ("*", 443),
        ("example.org", 3128),
        ("", 3128),
    ],
)
def test_a_server_that_needs_no_proxy_is_asked_itself(name: str, exempt: str, port: int) -> None:
    opened = session("https://vault.example.com", HTTPS_PROXY="http://proxy.example.org:3128", **{name: exempt})
    assert connection_of(opened).port == port


@pytest.mark.parametrize(
    ("proxy", "port", "credentials"),
    [
        ("http://proxy.example.org", 80, None),
        ("http://proxy.example.org:3128", 3128, None),
        ("http://proxy.example.org:1", 1, None),
        ("http://user@proxy.example.org", 80, b"user:"),
        ("http://:word@proxy.example.org", 80, b":word"),
    ],
)
def test_a_proxy_is_reached_at_its_port_as_its_user(proxy: str, port: int, credentials: bytes | None) -> None:
    opened = session("http://vault.example.com", HTTP_PROXY=proxy, **NEAR)
    connection = connection_of(opened)
    assert (connection.host, connection.port) == ("proxy.example.org", port)
    assert connection.proxy_is_forwarding
    expected = {} if credentials is None else {"Proxy-Authorization": f"Basic {base64.b64encode(credentials).decode()}"}
    assert opened._credentials == expected


def test_a_tunnel_goes_to_the_servers_own_port_and_path_and_speaks_tls_inside() -> None:
    opened = session("https://vault.example.com:8200/below", HTTPS_PROXY="http://proxy.example.org:3128")
    connection = connection_of(opened)
    assert (connection.host, connection.port) == ("proxy.example.org", 3128)
    assert (connection._tunnel_host, connection._tunnel_port) == ("vault.example.com", 8200)
    # Without it the token would go through the tunnel in the clear.
    context = connection.ssl_context
    assert context is not None
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("https://vault.example.com", "vault.example.com", 443), ("http://localhost:8200", "localhost", 8200)],
)
def test_without_a_proxy_the_server_itself_is_asked(url: str, host: str, port: int) -> None:
    connection = connection_of(session(url))
    assert (connection.host, connection.port) == (host, port)


def test_a_folder_of_authorities_brings_none_of_the_machines_own_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the machine trusts by default, in a file of this test.
    monkeypatch.setenv("SSL_CERT_FILE", str(CertificateAuthority.create(tmp_path).ca_file))
    (tmp_path / "folder").mkdir()
    found = [
        trusted(session("https://vault.example.com", **environ)).get_ca_certs()
        for environ in ({}, {"VAULT_CAPATH": str(tmp_path / "folder")})
    ]
    assert [len(authorities) for authorities in found] == [1, 0]


@pytest.mark.parametrize("path", ["/ui", "/ui/vault/secrets", "/v1", "/v1/"])
def test_an_address_of_pages_or_of_the_api_is_noticed(path: str) -> None:
    url = f"https://vault.example.com:8200{path}"
    for environ, setting in (
        ({}, "the store's server"),
        ({"VAULT_ADDR": url}, "VAULT_ADDR"),
        ({"BAO_ADDR": url}, "BAO_ADDR"),
    ):
        with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME)) as caught:
            session(url, **environ)
        assert caught.value.reason == "the address ends in an API path"
        assert caught.value.remedy == f"set {setting} to https://vault.example.com:8200"


def test_quotes_around_an_address_are_noticed() -> None:
    with pytest.raises(StoreError, check=is_refused(Code.INVALID_NAME), match="it has quotes around it") as caught:
        session('"https://vault.example.com"', VAULT_ADDR='"https://vault.example.com"')
    assert caught.value.remedy == "correct VAULT_ADDR"


def test_a_store_is_reached_at_its_own_reachable_at_and_is_still_the_written_one() -> None:
    address = StoreAddress(providers.VAULT, "http://vault.vault.svc:8200", reachable_at="http://127.0.0.1:8201")
    _, _, server = open_transport(address, {"VAULT_ADDR": "http://127.0.0.1:8200"}, OPTIONS)
    assert (server.host, server.port, server.setting) == ("127.0.0.1", 8201, "the store's reachableAt")
    assert address.absolute == "http://vault.vault.svc:8200/secret"
    with pytest.raises(
        StoreError, check=is_refused(Code.TLS_FAILURE), match="plain http would send the token in the clear"
    ):
        open_transport(address._replace(reachable_at="http://vault.example.com"), {}, OPTIONS)


def test_the_variable_of_the_authorities_is_told_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "own.pem"
    file.write_text("no PEM")
    for name in ("VAULT_CACERT", "BAO_CACERT", "SSL_CERT_FILE"):
        assert authorities({name: str(file)}) == (name, str(file))
        with pytest.raises(StoreError, check=is_refused(Code.TLS_FAILURE)) as caught:
            session("https://vault.example.com", **{name: str(file)})
        assert caught.value.reason == f"the CA certificates of {name} ({file}) cannot be read"
    assert authorities({}) == ("", "")
    # Vault's own set is in use: the other's authority is none of its.
    assert authorities({"VAULT_TOKEN": "t", "BAO_CACERT": str(file)}) == ("", "")


# JSON's own grammar of numbers, https://www.rfc-editor.org/rfc/rfc8259#section-6
NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", fullmatch=True)
OTHERS = ("true", "false", "null", "[]", '{ "a" : [1.0, {"b":\t-0}] }', '{"a":"\\u003c"}', "9" * 5_000)


def reply(token: str) -> bytes:
    metadata = '{"version": 3, "created_time": "2026-01-01T00:00:00Z"}'
    document = f'{{"N": {token}, "S": "é\\ud800"}}'
    return f'{{"lease_duration": 0, "data": {{"data": {document}, "metadata": {metadata}}}}}'.encode()


def sent(token: str) -> str:
    """What is sent of a property that was read, as the text of its token."""
    body = read_reply(reply(token))
    assert body is not None
    written = write_body({"options": {"cas": 3}, "data": body["data"]["data"]}).decode()
    return written.removeprefix('{"options": {"cas": 3}, "data": {"N": ').removesuffix(', "S": "\\u00e9\\ud800"}}')


@given(NUMBERS)
def test_any_number_is_sent_as_the_text_that_was_read(token: str) -> None:
    assert sent(token) == token


@pytest.mark.parametrize("token", OTHERS)
def test_so_is_every_other_kind(token: str) -> None:
    assert sent(token) == token


def test_only_a_versions_properties_are_secrets() -> None:
    body = read_reply(reply("1.10"))
    assert body is not None
    assert (body["lease_duration"], body["data"]["metadata"]["version"]) == (0, 3)
    found = body["data"]["data"]
    assert {name: (value.kind, value.reveal()) for name, value in found.items()} == {
        "N": (JsonKind.NUMBER, "1.10"),
        "S": (JsonKind.STRING, "é\ud800"),
    }
    assert read_reply(b'{"data": {"data": null, "keys": ["a"]}}') == {"data": {"data": None, "keys": ["a"]}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[1]",
        b'"text"',
        b"\xff{}",
        b"[" * 100_000,
        b'{"ttl": NaN}',
        b'{"data": {"data": {"A": "1", "A": "2"}}}',
        b'{"data": {"data": {"A": 1, "A": 2}}}',
        b'{"data": 1, "data": {"data": {"A": "1"}}}',
        b'{"data": {"data": {"N": Infinity}}}',
    ],
)
def test_what_is_no_json_object_that_all_readers_agree_on_is_none(content: bytes) -> None:
    assert read_reply(content) is None


def test_a_number_of_the_servers_own_may_be_of_any_length() -> None:
    assert read_reply(b'{"ttl": ' + b"9" * 5_000 + b"}") == {"ttl": float("inf")}
    assert read_reply(b'{"ttl": 12345678901234567890}') == {"ttl": 12345678901234567890}


def test_what_holds_no_secret_is_sent_as_json_has_it() -> None:
    body = {"role": 'a"é', "options": {}, "versions": [1, 2], "left": None, "data": {"\ud800": SecretValue("\ud800")}}
    assert json.loads(write_body(body)) == {**body, "data": {"\ud800": "\ud800"}}


@pytest.mark.parametrize("many", [b"[],", b"{},", b"0,", b'"",', b'{"a":0},'], ids=repr)
def test_a_reply_of_many_tiny_values_is_none_and_is_not_parsed(monkeypatch: pytest.MonkeyPatch, many: bytes) -> None:
    content = b'{"data": {"data": {"A": [' + many * 100_000 + b"0]}}}"
    # Not by its path: another test has the package imported anew.
    monkeypatch.setattr(client, "_DECODER", None)
    assert read_reply(content) is None


def test_a_value_may_hold_as_many_commas_as_it_likes() -> None:
    table = "1,[2],{}" * 20_000
    body = read_reply(json.dumps({"data": {"data": {"TABLE": table}}}).encode())
    assert body is not None
    assert body["data"]["data"]["TABLE"].reveal() == table
