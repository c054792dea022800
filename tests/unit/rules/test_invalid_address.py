import pytest

from compiler.rules.invalid_address import check
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("vault.example.com:8200", "is not an http or https URL with a host"),
        ("ftp://vault.example.com", "is not an http or https URL with a host"),
        ("https://", "is not an http or https URL with a host"),
        ("https://vault.example.com:0", "is not an http or https URL with a host"),
        ("https://vault.example.com:99999", "is not an http or https URL with a host"),
        ("https://va ult.example.com", "is not an http or https URL with a host"),
        ("https://vault..example.com", "is not an http or https URL with a host"),
        ("https://[::1", "is not an http or https URL with a host"),
        ("https://root:hunter2@vault.example.com", "has a user name or password in it"),
        ("https://vault.example.com?a=b", "has a query in it"),
        ("https://vault.example.com#a", "has a fragment in it"),
        ("https://vault.example.com/v1", "ends in an API path"),
        ("https://vault.example.com/ui/vault/secrets", "ends in an API path"),
    ],
)
def test_finds_an_address_of_vault(judge: Judge, server: str, problem: str) -> None:
    found = judge(check, f'stores: {{vault: {{server: "{server}"}}}}')
    assert found.messages == [f'the address of the store "vault" {problem}']
    assert found.marked == [f'"{server}"']
    assert all(found.helps)


@pytest.mark.parametrize(
    "server", ["https://root:hunter2@vault.example.com", "https://v.example.com?token=hunter2", "x@hunter2"]
)
def test_hides_an_address_that_may_hold_a_password(judge: Judge, server: str) -> None:
    found = judge(check, f'stores: {{vault: {{server: "{server}"}}}}')
    assert found[0].conceals == (found[0].span,)
    assert "hunter2" not in repr((found[0].message, found[0].help))


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("platform.vault.azure.net", "is not an http or https URL with a host"),
        ("http://platform.vault.azure.net", "is http, but Key Vault is reached over https only"),
        ("https://platform.vault.azure.net/secrets", "has a path, which Key Vaults do not have"),
        ("https://ab.vault.azure.net", "has an invalid Key Vault name"),
        ("https://1platform.vault.azure.net", "has an invalid Key Vault name"),
        ("https://plat--form.vault.azure.net", "has an invalid Key Vault name"),
        ("https://a23456789-123456789-12345.vault.azure.cn", "has an invalid Key Vault name"),
    ],
)
def test_finds_the_url_of_a_key_vault(judge: Judge, url: str, problem: str) -> None:
    found = judge(check, f'stores: {{azure: {{vaultUrl: "{url}"}}}}')
    assert found.messages == [f'the address of the store "azure" {problem}']


@pytest.mark.parametrize(
    "server", ["http://vault:8200", "https://10.0.0.1/", "https://[::1]:8200", "https://example.com/vault"]
)
def test_leaves_an_address_of_vault_alone(judge: Judge, server: str) -> None:
    assert not judge(check, f'stores: {{vault: {{server: "{server}"}}}}')


@pytest.mark.parametrize(
    "url", ["https://a-b-c.vault.azure.net/", "https://platform.vault.usgovcloudapi.net", "https://localhost:8443"]
)
def test_leaves_the_url_of_a_key_vault_alone(judge: Judge, url: str) -> None:
    assert not judge(check, f'stores: {{azure: {{vaultUrl: "{url}"}}}}')


def test_leaves_a_store_without_address_alone(judge: Judge) -> None:
    assert not judge(check, "stores: {vault: {server: null}}")


@pytest.mark.parametrize(
    ("stores", "way_out"),
    [
        ("{vault: {server: vault.example.com:8200}}", "write it as https://vault.example.com:8200"),
        ("{vault: {server: 'https//vault'}}", "write it as https://HOST:PORT"),
        ("{vault: {server: https://vault.example.com/v1}}", "write it as https://vault.example.com"),
        (
            "{vault: {server: \u201chttps://vault.example.com\u201d}}",
            "type straight quotes in place of typographic ones",
        ),
        ("{vault: {server: '{{ .Values.address }}'}}", "templates are not supported: write the value itself"),
        ("{azure: {vaultUrl: platform}}", "write it as https://platform.vault.azure.net"),
        ("{azure: {vaultUrl: platform.vault.azure.net}}", "write it as https://platform.vault.azure.net"),
        ("{azure: {vaultUrl: http://platform.vault.azure.net}}", "write it as https://platform.vault.azure.net"),
        (
            "{azure: {vaultUrl: https://platform.vault.azure.net/secrets}}",
            "write it as https://platform.vault.azure.net",
        ),
        ("{azure: {vaultUrl: 'a b'}}", "write it as https://NAME.vault.azure.net"),
        (
            "{azure: {vaultUrl: 'https://portal.azure.com/#@t/resource/providers/Microsoft.KeyVault/vaults/team/x'}}",
            "write it as https://team.vault.azure.net",
        ),
        ("{azure: {vaultUrl: 'https://portal.azure.com/#@t'}}", "write it as https://NAME.vault.azure.net"),
    ],
)
def test_the_way_out_is_the_address_where_that_can_be_told(judge: Judge, stores: str, way_out: str) -> None:
    assert judge(check, f"stores: {stores}").helps == [way_out]


def test_judges_where_live_commands_reach_it_too(judge: Judge) -> None:
    found = judge(check, 'stores: {vault: {reachableAt: "http://127.0.0.1:8201/ui"}}')
    assert found.messages == ['the address of the store "vault" ends in an API path']
    assert found.marked == ['"http://127.0.0.1:8201/ui"']
    assert found.helps == ["write it as http://127.0.0.1:8201"]
