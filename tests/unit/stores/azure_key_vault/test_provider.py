from __future__ import annotations

import pytest

from compiler.model.address import parse_address
from compiler.model.provider import InvalidReferenceError, UnprovenReferenceError
from compiler.stores.azure_key_vault.provider import PROVIDER


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
    assert PROVIDER.asked_name("", "secret/name/more") == "name"
    with pytest.raises(UnprovenReferenceError):
        PROVIDER.asked_name("", "cert/name")
    with pytest.raises(InvalidReferenceError):
        PROVIDER.asked_name("", "team/name")


def test_two_names_or_two_clouds_are_two_vaults() -> None:
    assert PROVIDER.is_another("a.vault.azure.net:443", "b.vault.azure.net:443")
    assert PROVIDER.is_another("a.vault.azure.net:443", "a.vault.azure.cn:443")
    assert not PROVIDER.is_another("a.vault.azure.net:443", "a.privatelink.vaultcore.azure.net:443")
