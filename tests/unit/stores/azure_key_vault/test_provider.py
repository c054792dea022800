from __future__ import annotations

import json
from pathlib import Path

import pytest

from compiler.model.provider import InvalidReferenceError, UnprovenReferenceError
from compiler.model.store import one_spelling, parse_address
from compiler.stores.azure_key_vault.provider import (
    CLOUDS,
    DEFAULT_CLOUD,
    PROVIDER,
    cloud_of,
    key_vault_url,
    vault_name_of,
)

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("url", "value", "leads"),
    [
        ("https://team.vault.azure.net", "team", True),
        ("https://TEAM.vault.azure.net/", "Team", True),
        ("https://team.vault.azure.net", "other", False),
        ("team", "team", False),
    ],
)
def test_the_variable_names_a_vault_by_the_beginning_of_its_host(url: str, value: str, leads: bool) -> None:  # noqa: FBT001
    assert PROVIDER.leads_to(value, url) is leads


def test_the_variable_gives_the_url_in_the_cloud_of_the_store() -> None:
    china: dict[str, str] = {"environmentType": "ChinaCloud"}
    assert PROVIDER.url_of("team", china.get) == "https://team.vault.azure.cn"
    assert PROVIDER.url_of("team", dict[str, str]().get) == "https://team.vault.azure.net"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://team.vault.azure.net", None),
        ("https://vault.internal:8443", None),
        ("https://team.vault.azure.net/secrets", "has a path, which Key Vaults do not have"),
        ("http://team.vault.azure.net", "is http, but Key Vault is reached over https only"),
        ("https://t.vault.azure.net", "has an invalid Key Vault name"),
        ("https://portal.azure.com.vault.azure.net", "has an invalid Key Vault name"),
    ],
)
def test_an_address_has_a_host_alone_and_https(url: str, problem: str | None) -> None:
    address = parse_address(url)
    assert address is not None
    found = PROVIDER.address_problem(address)
    assert (found[0] if found is not None else None) == problem


def test_a_name_is_made_of_letters_digits_and_hyphens() -> None:
    assert PROVIDER.fitting_name("team/git_hub.") == "team-git-hub"
    assert PROVIDER.remote_name("secret/Name/more") == PROVIDER.remote_name("NAME") == "name"


def test_the_operator_asks_for_the_part_behind_the_first_slash() -> None:
    assert PROVIDER.operator_name("", "secret/name/more") == "name"
    with pytest.raises(UnprovenReferenceError):
        PROVIDER.operator_name("", "cert/name")
    with pytest.raises(InvalidReferenceError):
        PROVIDER.operator_name("", "team/name")


def test_two_names_or_two_clouds_are_two_vaults() -> None:
    assert PROVIDER.is_another("a.vault.azure.net:443", "b.vault.azure.net:443")
    assert PROVIDER.is_another("a.vault.azure.net:443", "a.vault.azure.cn:443")
    for other in ("a.privatelink.vaultcore.azure.net", "b.example.com", "localhost", "\uff42.vault.azure.net"):
        assert not PROVIDER.is_another("a.vault.azure.net:443", f"{other}:443")
    assert not PROVIDER.is_another("a.vault.azure.net:443", "a.vault.azure.net:8443")


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
    [
        *(("platform.vault.azure.net", "platform"), ("a-b1.vault.azure.com", "a-b1")),
        *(("a-b1.privatelink.vaultcore.azure.net", "a-b1"), ("platform.vault.usgovcloudapi.com", "platform")),
        *(("portal.azure.com", "NAME"), ("a-b1.example.com", "NAME"), ("platform.vault.contoso.com", "NAME")),
        *(("localhost", "NAME"), ("127.0.0.1", "NAME"), ("ab.vault.azure.net", "NAME")),
    ],
)
def test_a_vault_is_named_by_its_host_and_by_no_other(host: str, name: str) -> None:
    assert vault_name_of(host) == name


_ID = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/Team-prod"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (f"https://portal.azure.com/#@contoso.com/resource{_ID}/overview", "https://team-prod.vault.azure.net"),
        (f"https://portal.azure.com/#view/x/resourceId/{_ID.replace('/', '%2F')}", "https://team-prod.vault.azure.net"),
        (f"https://management.azure.com{_ID}?api-version=2026-02-01", "https://team-prod.vault.azure.net"),
        (_ID, "https://team-prod.vault.azure.net"),
        ("https://portal.azure.com/#@contoso.com/resource/subscriptions/0", "https://NAME.vault.azure.net"),
        ("https://portal.azure.com/#x/Microsoft.RecoveryServices/vaults/backup", "https://NAME.vault.azure.net"),
        ("https://root:hunter2@example.com", "https://NAME.vault.azure.net"),
        ("https://team.vault.azure.cn/secrets", "https://team.vault.azure.cn"),
        ("http://localhost:8443/a", "https://localhost:8443"),
    ],
)
def test_the_url_that_a_text_means_has_no_name_of_another_host(text: str, url: str) -> None:
    assert PROVIDER.url_meant(text, lambda _: None) == url


def test_the_url_that_a_text_means_is_in_the_cloud_of_the_store() -> None:
    china: dict[str, str] = {"environmentType": "ChinaCloud"}
    for text in ("team-prod", _ID):
        assert PROVIDER.url_meant(text, china.get) == "https://team-prod.vault.azure.cn"


@pytest.mark.parametrize(
    ("value", "way_out"),
    [
        *((text, 'set it to the vault\'s name, "team-prod"') for text in (_ID, "https://team-prod.vault.azure.net")),
        ("team-prod.vault.azure.net", 'set it to the vault\'s name, "team-prod"'),
        *((text, "set it to the vault's name alone") for text in ("portal.azure.com", "https://kv.internal", "a b")),
    ],
)
def test_the_variable_takes_the_name_of_a_vault_alone(value: str, way_out: str) -> None:
    assert PROVIDER.value_problem(value) == ("is not the name of a Key Vault", way_out)
    assert PROVIDER.value_problem("Team-prod") is None


def test_a_private_name_of_a_vault_is_no_other_vault() -> None:
    public, private = "https://prod.vault.azure.net", "https://prod.privatelink.vault.azure.net"
    assert not PROVIDER.is_another(one_spelling(public), one_spelling(private))
    assert PROVIDER.is_another(one_spelling(public), one_spelling("https://test.vault.azure.net"))
