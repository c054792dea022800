from compiler.rules.unreachable_store import check
from tests.unit.rules.conftest import BASE, Judge

NO_URL = BASE.replace(', vaultUrl: "https://platform.vault.azure.net"', "")


def test_finds_a_key_vault_without_url(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {store: azure}}", base=NO_URL)
    assert found.messages == ['the store "azure" has no "vaultUrl", but environment "prod" reads from it']
    assert found.helps == ["add `vaultUrl: https://<name>.vault.azure.net`, or set AZURE_KEYVAULT_NAME"]
    assert found.marked == ["azure"]
    assert found.related == ["azure"]


def test_finds_a_vault_without_server(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {server: null}}")
    assert found.messages == ['the store "vault" has no "server", but environment "prod" reads from it']


def test_a_store_that_nothing_reads_may_go_without(judge: Judge) -> None:
    assert not judge(check, base=NO_URL)
    assert not judge(check)
    assert not judge(check, "store: azure\nstroe: x", base=NO_URL)
