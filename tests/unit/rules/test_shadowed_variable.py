from compiler.rules.shadowed_variable import check
from tests.unit.rules.conftest import CATALOGUE, Judge

BEDROCK = "secrets: {global: {use: [aws-bedrock]}, aws: {}}"


def test_finds_an_agent_that_hides_a_key_of_the_llm(judge: Judge) -> None:
    found = judge(check, BEDROCK)
    assert found.messages == ['in the pods of "mcp-aws", "aws" overrides "AWS_ACCESS_KEY_ID" of "global"']
    assert found.marked == ["aws"]
    assert found.related == ["AWS_ACCESS_KEY_ID"]
    assert found.scopes == [("secrets", "aws")]


def test_finds_two_secrets_of_one_component(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("[mcp-aws]", "[mcp-github]").replace("AWS_REGION", "GITHUB_TOKEN")
    found = judge(check, "secrets: {aws: {}}", catalogue=catalogue)
    assert found.messages == ['in the pods of "mcp-github", "aws" overrides "GITHUB_TOKEN" of "github"']


def test_the_interface_does_not_mount_the_llm_secret(judge: Judge) -> None:
    assert not judge(check, BEDROCK, catalogue=CATALOGUE.replace("mcp-aws", "caipe-ui"))


def test_one_value_under_one_name_is_no_harm(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform/aws", "platform/global")
    assert not judge(check, BEDROCK, catalogue=catalogue)
    assert len(judge(check, "secrets: {global: {use: [aws-bedrock], store: azure}, aws: {}}", catalogue=catalogue)) == 1


def test_leaves_other_variants_alone(judge: Judge) -> None:
    assert not judge(check, "secrets: {global: {use: [openai]}, aws: {}}")
    assert not judge(check, "secrets: {aws: {}}")
