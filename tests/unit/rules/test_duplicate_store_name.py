import pytest

from compiler.rules.duplicate_store_name import check
from tests.unit.rules.conftest import Judge


def test_finds_two_providers_under_one_name(judge: Judge) -> None:
    found = judge(check, "stores: {azure: {name: vault-secret-store}}")
    assert found.messages == [
        (
            'the stores "azure" and "vault" are the same object in the cluster, but differ: '
            'ClusterSecretStore "vault-secret-store"'
        )
    ]
    assert found.marked == ["vault-secret-store"]
    assert found.related == ["vault-secret-store"]


@pytest.mark.parametrize(
    "other", ["server: https://v2.example.com", "server: https://vault.example.com, mount: kv", "vaultNamespace: a"]
)
def test_finds_another_address_mount_or_namespace(judge: Judge, other: str) -> None:
    assert len(judge(check, f"stores: {{two: {{provider: vault, name: vault-secret-store, {other}}}}}")) == 1


@pytest.mark.parametrize(("more", "count"), [("", 0), (", mount: kv", 1), (", vaultNamespace: a", 1)])
def test_an_address_that_is_missing_may_be_that_of_the_other(judge: Judge, more: str, count: int) -> None:
    for server in ("", "server: https://vault.example.com, "):
        text = f"stores: {{two: {{{server}provider: vault, name: vault-secret-store{more}}}, vault: {{server: null}}}}"
        assert len(judge(check, text)) == count


def test_two_prefixes_may_share_an_object_unless_both_are_rendered(judge: Judge) -> None:
    two = "two: {provider: vault, name: vault-secret-store, server: https://vault.example.com/, prefix: b/"
    assert not judge(check, f"stores: {{{two}}}}}")
    found = judge(check, f"stores: {{vault: {{render: true}}, {two}, render: true}}}}")
    assert found.messages == [
        'the stores "two" and "vault" would be rendered as the same object: ClusterSecretStore "vault-secret-store"'
    ]


def test_leaves_other_names_and_kinds_alone(judge: Judge) -> None:
    assert not judge(check)
    assert not judge(check, "stores: {azure: {name: vault-secret-store, kind: SecretStore}}")
