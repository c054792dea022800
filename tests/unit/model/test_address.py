import pytest

from compiler.model.store import Address, is_everywhere, is_loopback, is_near, one_spelling, parse_address
from tests.plain_http import FAR, NEAR


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://vault.example.com", Address("https", "vault.example.com", None, "")),
        ("http://vault:8200/", Address("http", "vault", 8200, "")),
        ("HTTPS://Vault.Example.com/team/", Address("https", "vault.example.com", None, "/team")),
        ("https://[::1]:8200", Address("https", "::1", 8200, "")),
        ("https://u:p@a.b", Address("https", "a.b", None, "", ("user",))),
        ("https://a.b?x#y", Address("https", "a.b", None, "", ("query", "fragment"))),
    ],
)
def test_takes_an_address_apart(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.b", "ftp://a.b", "https://", "https://:1", "https://u@:1", "https://[::1"),
        *("https://a.b:0", "https://a.b:65536", "https://a.b:x"),
        *("https://a b", "https://a.b\n", "https://a\\b", "https://a..b", "https://.a"),
    ],
)
def test_refuses_what_is_none(text: str) -> None:
    assert parse_address(text) is None


def test_a_host_and_its_port_are_written_as_in_a_url() -> None:
    for text in ("http://[::1]:8200", "http://vault.example.com:8200", "http://[::1]", "http://vault"):
        address = parse_address(text)
        assert address is not None
        assert f"http://{address.authority}" == text


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"])
def test_knows_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "127.0.0.1.nip.io", "10.0.0.1", "vault.vault.svc", ""])
def test_a_service_or_any_other_host_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_plain_http_goes_to_this_machine_and_the_cluster_alone() -> None:
    hosts = {url: address.host for url in (*NEAR, *FAR) if (address := parse_address(url)) is not None}
    assert [url for url in (*NEAR, *FAR) if url not in hosts] == []
    assert [url for url in NEAR if not is_near(hosts[url])] == []
    assert [url for url in FAR if is_near(hosts[url])] == []


@pytest.mark.parametrize("url", ["http://localhost@evil.example.com", "http://vault.vault.svc@evil.example.com"])
def test_a_user_name_that_looks_like_a_near_host_is_none(url: str) -> None:
    address = parse_address(url)
    assert address is not None
    assert (is_near(address.host), address.extra) == (False, ("user",))


@pytest.mark.parametrize(
    "url",
    [
        *("http://localhost:1", "http://a.localhost", "http://127.0.0.1", "http://[::1]:8200", "http://vault:8200"),
        *("https://vault.vault.svc", "https://vault.vault.svc.cluster.local", "https://vault.vault.svc.corp.example"),
        # As search domains complete them.
        *("http://vault.vault:8200", "http://vault.svc"),
    ],
)
def test_loopback_and_a_service_are_each_machines_or_clusters_own(url: str) -> None:
    assert not is_everywhere(one_spelling(url))


@pytest.mark.parametrize(
    "host",
    [
        *("vault.example.com", "10.0.0.1", "[2001:db8::1]", "vault.svc.example.com", "vault.vault.svcs"),
        *("a.b.c.svc.d", "agents.vault.azure.net"),
    ],
)
def test_every_other_host_is_the_same_for_all_clusters(host: str) -> None:
    for url in (f"https://{host}", f"http://{host}:8200", f"https://{host}/team"):
        assert is_everywhere(one_spelling(url))
