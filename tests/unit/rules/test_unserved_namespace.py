from compiler.rules.unserved_namespace import check
from tests.unit.rules.conftest import Judge

CLOSED = "stores: {vault: {render: true, conditions: {namespaces: [%s]}}}"


def test_finds_the_environments_namespace(judge: Judge) -> None:
    found = judge(check, CLOSED % "other")
    assert found.messages == ['the store "vault" does not serve "ai-platform", the namespace of "github"']
    assert found.helps == ['add "ai-platform" to `conditions.namespaces` of "vault"']
    assert found.paths == ["environments/base.yaml"]
    assert found.related == ["namespaces"]


def test_finds_a_secrets_own_namespace(judge: Judge) -> None:
    found = judge(check, CLOSED % "ai-platform" + "\nsecrets: {github: {namespace: other}}")
    assert found.marked == ["other"]
    assert found.scopes == [("secrets", "github")]


def test_a_secret_store_serves_its_own_namespace_alone(judge: Judge) -> None:
    found = judge(
        check, "stores: {vault: {render: true, kind: SecretStore}}\nsecrets: {github: {namespace: other}, aws: {}}"
    )
    assert found.helps == ["make the store a ClusterSecretStore, or move the secret to the store's namespace"]
    assert found.scopes == [("secrets", "github")]


def test_leaves_served_and_open_and_foreign_stores_alone(judge: Judge) -> None:
    assert not judge(check, CLOSED % "other, ai-platform")
    assert not judge(check, "stores: {vault: {render: true}}")
    assert not judge(check, "secrets: {github: {namespace: other}}")
    assert not judge(check, CLOSED % "other" + "\nstore: azure")
