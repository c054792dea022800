import pytest

from compiler.stores.azure_key_vault.rules.unexpected_vault_domain import check
from tests.unit.rules.conftest import Judge

WAIVER = 'to accept it, add to "azure": `waive: {unexpected-vault-domain: the reason}`'


def test_finds_a_misspelt_domain(judge: Judge) -> None:
    found = judge(check, "stores: {azure: {vaultUrl: https://platform.vault.azure.com}}")
    assert found.messages == [
        'the host of the store "azure" does not end in ".vault.azure.net", the domain of PublicCloud'
    ]
    assert found.helps == [f"write https://platform.vault.azure.net; {WAIVER}"]
    assert found.marked == ["https://platform.vault.azure.com"]


@pytest.mark.parametrize("host", ["portal.azure.com", "platform.example.com", "localhost:8443"])
def test_takes_no_name_from_a_host_that_is_no_vaults(judge: Judge, host: str) -> None:
    found = judge(check, f"stores: {{azure: {{vaultUrl: 'https://{host}'}}}}")
    assert found.helps == [f"write https://NAME.vault.azure.net; {WAIVER}"]


def test_leaves_the_url_of_a_page_to_another_rule(judge: Judge) -> None:
    assert not judge(check, "stores: {azure: {vaultUrl: https://management.azure.com/vaults/platform}}")


def test_finds_the_domain_of_another_cloud(judge: Judge) -> None:
    found = judge(check, "stores: {azure: {vaultUrl: https://platform.vault.azure.cn}}")
    assert found.helps == [f"set `environmentType: ChinaCloud`; {WAIVER}"]
    found = judge(check, "stores: {azure: {environmentType: USGovernmentCloud}}")
    assert found.helps == [f"set `environmentType: PublicCloud`; {WAIVER}"]


@pytest.mark.parametrize(
    "store",
    [
        "{vaultUrl: https://platform.vault.azure.net/}",
        "{vaultUrl: https://PLATFORM.vault.azure.net:443}",
        "{vaultUrl: https://platform.vault.azure.cn, environmentType: ChinaCloud}",
        "{vaultUrl: not an address}",
        "{vaultUrl: null}",
    ],
)
def test_leaves_the_clouds_own_domain_alone(judge: Judge, store: str) -> None:
    assert not judge(check, f"stores: {{azure: {store}}}")
