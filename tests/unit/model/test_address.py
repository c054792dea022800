import json
from pathlib import Path

import pytest

from compiler.model.address import (
    CLOUDS,
    DEFAULT_CLOUD,
    Address,
    cloud_of,
    is_loopback,
    is_near,
    key_vault_url,
    parse_address,
    vault_name_of,
)
from tests.plain_http import FAR, NEAR

ROOT = Path(__file__).resolve().parents[3]


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


@pytest.mark.parametrize(("cloud", "domain"), CLOUDS.items())
def test_every_cloud_has_its_vaults_in_its_own_domain(cloud: str, domain: str) -> None:
    url = key_vault_url("platform", cloud)
    assert url == f"https://platform.{domain}"
    address = parse_address(url)
    assert address is not None
    assert cloud_of(address.host) == cloud


def test_a_vault_is_in_the_public_cloud_unless_another_is_named() -> None:
    assert key_vault_url("a") == key_vault_url("a", "Elsewhere") == key_vault_url("a", DEFAULT_CLOUD)


@pytest.mark.parametrize("host", ["vault.azure.net", "a.xvault.azure.net", "a.vault.azure.com", "a.vault.azure.net.x"])
def test_other_hosts_are_in_no_cloud(host: str) -> None:
    assert cloud_of(host) is None


@pytest.mark.parametrize("name", ["environment", "values", "manifests"])
def test_the_schemas_know_the_same_clouds(name: str) -> None:
    found: list[list[str]] = []

    def look(data: object) -> None:
        if isinstance(data, dict):
            clouds = data.get("environmentType")
            if isinstance(clouds, dict) and "enum" in clouds:
                found.append([each for each in clouds["enum"] if each is not None])
            for each in data.values():
                look(each)
        elif isinstance(data, list):
            for each in data:
                look(each)

    look(json.loads((ROOT / f"schemas/{name}.schema.json").read_text("utf-8")))
    assert found
    for clouds in found:
        assert set(CLOUDS) <= set(clouds)


@pytest.mark.parametrize(
    ("host", "name"),
    [("platform.vault.azure.net", "platform"), ("a-b1.example.com", "a-b1"), ("127.0.0.1", "NAME"), ("ab", "NAME")],
)
def test_a_vault_is_named_by_its_host(host: str, name: str) -> None:
    assert vault_name_of(host) == name
