import pytest

from compiler.rules.open_cluster_store import check
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize(
    ("conditions", "marked"),
    [("", "vault"), (", conditions: {}", "conditions"), (", conditions: {namespaces: []}", "namespaces")],
)
def test_finds_a_store_without_conditions(judge: Judge, conditions: str, marked: str) -> None:
    found = judge(check, f"stores: {{vault: {{render: true{conditions}}}}}")
    assert found.messages == ['the store "vault" is open to every namespace']
    assert found.helps == ["add `conditions: {namespaces: [ai-platform]}` to it"]
    assert found.marked == [marked]


@pytest.mark.parametrize(
    "store", ["render: true, conditions: {namespaces: [a]}", "render: true, kind: SecretStore", "render: false"]
)
def test_leaves_closed_and_foreign_stores_alone(judge: Judge, store: str) -> None:
    assert not judge(check, f"stores: {{vault: {{{store}}}}}")
    assert not judge(check, "stores: {vault: {render: true}}\nstroe: x")
