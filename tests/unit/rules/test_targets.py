import pytest

from compiler.model.document import Severity
from compiler.rules.targets import (
    find_contradictory_policy,
    find_duplicate_target,
    find_duplicate_target_key,
    find_empty_secret,
    find_incomplete_type,
    find_shadowed_variable,
)
from tests.unit.rules.conftest import CATALOGUE, TAKING, Judge

SAME = CATALOGUE.replace("agent-aws-secrets", "agent-github-secrets")


def test_finds_two_secrets_with_one_target(judge: Judge) -> None:
    found = judge(find_duplicate_target, "secrets: {aws: {}}", catalogue=SAME)
    assert found.messages == ['"aws" and "github" both make the Secret "agent-github-secrets"']
    assert found.marked == ["agent-github-secrets"]
    assert found.related == ["agent-github-secrets"]
    assert found[0].span != found[0].related[0].span


def test_leaves_another_namespace_and_one_alone_be(judge: Judge) -> None:
    assert not judge(find_duplicate_target, "secrets: {aws: {namespace: other}}", catalogue=SAME)
    assert not judge(find_duplicate_target, catalogue=SAME)
    assert not judge(find_duplicate_target, "secrets: {aws: {}}")


def test_finds_two_secrets_with_one_external_secret(judge: Judge) -> None:
    named = CATALOGUE.replace(
        "    target: agent-aws-secrets\n", "    target: aws\n    externalSecret: agent-github-secrets\n"
    )
    found = judge(find_duplicate_target, "secrets: {aws: {}}", catalogue=named)
    assert found.messages == ['"aws" and "github" are both made by the ExternalSecret "agent-github-secrets"']
    assert found.related == ["agent-github-secrets"]
    assert not judge(find_duplicate_target, "secrets: {aws: {namespace: other}}", catalogue=named)


def test_finds_keys_that_differ_only_in_case(judge: Judge) -> None:
    found = judge(find_duplicate_target_key, CATALOGUE.replace("AWS_REGION", "Aws_Access_Key_Id"))
    assert found.messages == ['"Aws_Access_Key_Id" and "AWS_ACCESS_KEY_ID" differ only in case']
    assert found.marked == ["Aws_Access_Key_Id"]
    assert found.related == ["AWS_ACCESS_KEY_ID"]


def test_finds_keys_that_read_one_value(judge: Judge) -> None:
    found = judge(
        find_duplicate_target_key,
        CATALOGUE.replace("AWS_REGION: {}", "AWS_REGION: {remote: {vault: {property: AWS_ACCESS_KEY_ID}}}"),
    )
    assert found.messages == ['"AWS_REGION" and "AWS_ACCESS_KEY_ID" read the same value of `vault`']


def test_keys_of_different_variants_replace_one_another(judge: Judge) -> None:
    assert not judge(find_duplicate_target_key, CATALOGUE.replace("GITHUB_APP_ID", "github_token"))


def test_it_is_a_warning_that_can_be_waived() -> None:
    assert find_duplicate_target_key.severity is Severity.WARNING
    assert find_duplicate_target_key.waivable


def test_leaves_different_keys_alone(judge: Judge) -> None:
    assert not judge(find_duplicate_target_key, CATALOGUE)


def test_finds_a_choice_of_no_variant(judge: Judge) -> None:
    found = judge(find_empty_secret, "secrets: {github: {use: []}}")
    assert found.messages == ['"github" has no key in environment "prod"']
    assert found.helps == ['choose a variant with `use`: "pat", "app"; or write `enabled: false`']
    assert found.marked == ["[]"]


def test_finds_an_entry_without_keys(judge: Judge) -> None:
    catalogue = "secrets: {github: {target: a, remote: {vault: b}, syncWave: 1, keys: {}}}"
    found = judge(find_empty_secret, catalogue=catalogue)
    assert found.helps == ["add a key to it in the catalogue, or write `enabled: false`"]
    assert found.marked == ["github"]


def test_leaves_a_misspelt_variant_to_its_own_rule(judge: Judge) -> None:
    assert not judge(find_empty_secret, "secrets: {github: {use: [pta]}}")


def test_concludes_nothing_from_damaged_input(judge: Judge) -> None:
    assert not judge(find_empty_secret, "secrets: {github: {use: []}}\nstroe: x")


def test_leaves_secrets_with_keys_alone(judge: Judge) -> None:
    assert not judge(find_empty_secret, "secrets: {github: {use: [app]}, global: {use: []}}")


def test_says_whose_variants_the_keys_come_with(judge: Judge) -> None:
    text = "secrets: {github: {use: [app]}, ci: {}}"
    found = judge(find_empty_secret, text, catalogue=TAKING.replace("      OWN: {}\n", ""))
    assert found.messages == ['"ci" has no key in environment "prod"']
    assert found.helps == [
        'its keys come with the variants of "github": choose one there with `use`, or write `enabled: false` here'
    ]


OWN = "    target: agent-github-secrets\n"


def typed(kind: str, *made: str) -> str:
    texts = ", ".join(f"{key}: x" for key in made)
    template = f"    template: {{data: {{{texts}}}}}\n" if made else ""
    return CATALOGUE.replace(OWN, f"{OWN}    type: {kind}\n{template}")


@pytest.mark.parametrize(
    ("kind", "made", "lacking"),
    [
        ("kubernetes.io/tls", ("tls.crt",), '"tls.key"'),
        ("kubernetes.io/tls", (), '"tls.crt", "tls.key"'),
        ("kubernetes.io/dockerconfigjson", (".dockercfg",), '".dockerconfigjson"'),
        ("kubernetes.io/dockercfg", (".dockerconfigjson",), '".dockercfg"'),
        ("kubernetes.io/ssh-auth", ("ssh-key",), '"ssh-privatekey"'),
        ("kubernetes.io/basic-auth", ("user",), '"username", "password"'),
    ],
)
def test_finds_the_keys_that_a_type_needs(judge: Judge, kind: str, made: tuple[str, ...], lacking: str) -> None:
    found = judge(find_incomplete_type, catalogue=typed(kind, *made))
    assert found.messages == [f'the Secret of "github" lacks {lacking}, which the type "{kind}" needs']
    assert found.marked == [kind]


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("kubernetes.io/tls", ("tls.crt", "tls.key", "ca.crt")),
        ("kubernetes.io/dockerconfigjson", (".dockerconfigjson",)),
        ("kubernetes.io/basic-auth", ("password",)),
        ("kubernetes.io/basic-auth", ("username",)),
        ("kubernetes.io/ssh-auth", ("ssh-privatekey",)),
        ("Opaque", ("x",)),
        ("example.com/own", ("x",)),
    ],
)
def test_leaves_what_is_complete_alone(judge: Judge, kind: str, made: tuple[str, ...]) -> None:
    assert not judge(find_incomplete_type, catalogue=typed(kind, *made))


def test_a_key_of_a_variant_must_be_in_use(judge: Judge) -> None:
    catalogue = typed("kubernetes.io/ssh-auth").replace("GITHUB_APP_ID: {v", "ssh-privatekey: {v")
    found = judge(find_incomplete_type, catalogue=catalogue)
    assert found.messages == [
        'the Secret of "github" lacks "ssh-privatekey" in prod, which the type "kubernetes.io/ssh-auth" needs'
    ]
    assert not judge(find_incomplete_type, "secrets: {github: {use: [app]}}", catalogue=catalogue)


@pytest.mark.parametrize("kind", ["kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"])
def test_finds_a_type_that_the_operator_refuses(judge: Judge, kind: str) -> None:
    found = judge(find_incomplete_type, catalogue=typed(kind, "token-id", "token-secret", "token"))
    assert found.messages == [f'External Secrets Operator makes no Secret of the type "{kind}"']


def with_policies(creation: str, deletion: str) -> str:
    said = f"    syncWave: -50\n    creationPolicy: {creation}\n    deletionPolicy: {deletion}\n"
    return CATALOGUE.replace("    syncWave: -50\n", said)


def test_finds_a_secret_that_the_operator_may_not_delete(judge: Judge) -> None:
    found = judge(find_contradictory_policy, with_policies("Orphan", "Delete"))
    assert found.messages == ['the operator does not own the Secret of "global", and so may not delete it']
    assert (found.marked, found.related) == (["Delete"], ["Orphan"])


@pytest.mark.parametrize("policies", [("Owner", "Delete"), ("Orphan", "Retain"), ("Orphan", "Merge")])
def test_leaves_other_policies_alone(judge: Judge, policies: tuple[str, str]) -> None:
    assert not judge(find_contradictory_policy, with_policies(*policies))


BEDROCK = "secrets: {global: {use: [aws-bedrock]}, aws: {}}"


def test_finds_an_agent_that_hides_a_key_of_the_llm(judge: Judge) -> None:
    found = judge(find_shadowed_variable, BEDROCK)
    assert found.messages == ['in the pods of "mcp-aws", "aws" overrides "AWS_ACCESS_KEY_ID" of "global"']
    assert found.marked == ["aws"]
    assert found.related == ["AWS_ACCESS_KEY_ID"]
    assert found.scopes == [("secrets", "aws")]


def test_finds_two_secrets_of_one_component(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("[mcp-aws]", "[mcp-github]").replace("AWS_REGION", "GITHUB_TOKEN")
    found = judge(find_shadowed_variable, "secrets: {aws: {}}", catalogue=catalogue)
    assert found.messages == ['in the pods of "mcp-github", "aws" overrides "GITHUB_TOKEN" of "github"']


def test_the_interface_does_not_mount_the_llm_secret(judge: Judge) -> None:
    assert not judge(find_shadowed_variable, BEDROCK, catalogue=CATALOGUE.replace("mcp-aws", "caipe-ui"))


def test_one_value_under_one_name_is_no_harm(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform/aws", "platform/global")
    assert not judge(find_shadowed_variable, BEDROCK, catalogue=catalogue)
    assert (
        len(
            judge(
                find_shadowed_variable,
                "secrets: {global: {use: [aws-bedrock], store: azure}, aws: {}}",
                catalogue=catalogue,
            )
        )
        == 1
    )


def test_leaves_other_variants_alone(judge: Judge) -> None:
    assert not judge(find_shadowed_variable, "secrets: {global: {use: [openai]}, aws: {}}")
    assert not judge(find_shadowed_variable, "secrets: {aws: {}}")
