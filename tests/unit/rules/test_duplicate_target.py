from compiler.rules.duplicate_target import check
from tests.unit.rules.conftest import CATALOGUE, Judge

SAME = CATALOGUE.replace("agent-aws-secrets", "agent-github-secrets")


def test_finds_two_secrets_with_one_target(judge: Judge) -> None:
    found = judge(check, "secrets: {aws: {}}", catalogue=SAME)
    assert found.messages == ['"aws" and "github" both make the Secret "agent-github-secrets"']
    assert found.marked == ["agent-github-secrets"]
    assert found.related == ["agent-github-secrets"]
    assert found[0].span != found[0].related[0].span


def test_leaves_another_namespace_and_one_alone_be(judge: Judge) -> None:
    assert not judge(check, "secrets: {aws: {namespace: other}}", catalogue=SAME)
    assert not judge(check, catalogue=SAME)
    assert not judge(check, "secrets: {aws: {}}")


def test_finds_two_secrets_with_one_external_secret(judge: Judge) -> None:
    named = CATALOGUE.replace(
        "    target: agent-aws-secrets\n", "    target: aws\n    externalSecret: agent-github-secrets\n"
    )
    found = judge(check, "secrets: {aws: {}}", catalogue=named)
    assert found.messages == ['"aws" and "github" are both made by the ExternalSecret "agent-github-secrets"']
    assert found.related == ["agent-github-secrets"]
    assert not judge(check, "secrets: {aws: {namespace: other}}", catalogue=named)
