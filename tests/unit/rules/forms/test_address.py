from __future__ import annotations

import pytest

from compiler.rules.forms.address import Address, is_cluster_internal, is_loopback, is_service, parse_address


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


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "127.0.0.1", "127.255.0.1", "::1"])
def test_knows_loopback(host: str) -> None:
    assert is_loopback(host)
    assert is_cluster_internal(host)


@pytest.mark.parametrize(
    "host",
    [
        *("notlocalhost", "a.notlocalhost", "localhosts", "localhost.example.com", "127.0.0.1.example.com", "v1"),
        *("126.255.255.255", "128.0.0.1", "0.0.0.1", "10.0.0.1", "::", "::2", "2001:db8::1", "127.1"),
    ],
)
def test_what_only_looks_like_loopback_is_none(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["vault.vault.svc", "vault.vault.svc.cluster.local", "vault.vault.svc.corp.example"])
def test_knows_services(host: str) -> None:
    assert is_service(host)
    assert is_cluster_internal(host)


@pytest.mark.parametrize(
    "host",
    [
        "vault.svc",
        "svc",
        "vault.svc.example.com",
        "vault.vault.svcs",
        "a.b.c.svc.d",
        "a.bsvc",
        "a.bbsvc",
        "a.b.xsvc",
        "a.b.svc.",
        ".b.svc",
        "a..svc",
        "a.b.svc/x",
        "a.b.svc.c/x",
    ],
)
def test_what_only_looks_like_a_service_is_none(host: str) -> None:
    assert not is_service(host)


@pytest.mark.parametrize("host", ["vault.example.com", "10.0.0.1", "2001:db8::1", "vault.vault"])
def test_everything_else_is_the_same_for_all(host: str) -> None:
    assert not is_cluster_internal(host)


def test_a_name_without_a_dot_is_the_clusters_own() -> None:
    assert is_cluster_internal("vault")
