from compiler.stores.vault.rules.missing_audience import check
from tests.unit.rules.conftest import Judge


def _vault(account: str, render: str = "true", way: str = "kubernetes") -> str:
    return f"stores: {{vault: {{render: {render}, auth: {{{way}: {{role: a, serviceAccount: {account}}}}}}}}}"


def test_finds_a_kubernetes_login_without_audience(judge: Judge) -> None:
    for account in ("{name: a}", "{name: a, audiences: []}"):
        found = judge(check, _vault(account))
        assert found.messages == ['the store "vault" logs in to Vault without an audience']
        assert found.marked == ["serviceAccount"]


def test_leaves_others_alone(judge: Judge) -> None:
    assert not judge(check, _vault("{name: a, audiences: [vault]}"))
    assert not judge(check, _vault("{name: a}", render="false"))
    assert not judge(check, _vault("{name: a}", way="jwt"))
