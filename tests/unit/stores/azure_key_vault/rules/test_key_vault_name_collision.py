import pytest

from compiler.stores.azure_key_vault.rules.key_vault_name_collision import check
from tests.unit.rules.conftest import BASE, CATALOGUE, TAKING, Judge


def test_finds_names_that_differ_only_in_case(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", "Platform-GitHub"))
    assert found.messages == ['Key Vault cannot tell "Platform-GitHub" and "platform-github" apart']
    assert found.marked == ["Platform-GitHub"]
    assert found.related == ["platform-github"]


def test_finds_names_that_differ_only_in_separators(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", "platform/github"))
    assert found.messages == ['Key Vault cannot tell "platform/github" and "platform-github" apart']


def test_finds_the_name_of_a_key(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", "GitHub-App-Key"))
    assert found.marked == ["GitHub-App-Key"]


def test_finds_two_values_of_vault_that_are_one_in_key_vault(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform-aws", "platform-global")
    found = judge(check, catalogue=catalogue)
    assert found.messages == [
        (
            '"AWS_ACCESS_KEY_ID" of "aws" and "AWS_ACCESS_KEY_ID" of "global" differ in Vault, '
            'but are the same value of "platform-global" in Key Vault'
        )
    ]
    assert found.related == ["AWS_ACCESS_KEY_ID"]


def test_two_entries_may_be_one_secret_in_both(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform-aws", "platform-global").replace("platform/aws", "platform/global")
    assert not judge(check, catalogue=catalogue)


def test_finds_an_own_name_in_an_environment(judge: Judge) -> None:
    found = judge(check, "store: azure\nsecrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}")
    assert found.paths == ["environments/prod.yaml"]
    assert found.marked == ["PLATFORM-GITHUB"]
    found = judge(check, "store: azure\nsecrets: {aws: {remote: {azurekv: GitHub-App-Key}}, github: {use: [app]}}")
    assert len(found) == 1


def test_leaves_different_names_alone(judge: Judge) -> None:
    assert not judge(check, "store: azure\nsecrets: {aws: {remote: {azurekv: other}}, github: {use: [app]}}")
    only_vault = BASE.replace('  azure: {provider: azurekv, name: azure-keyvault-store, vaultUrl: "https://p', "  #")
    assert not judge(check, "secrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}", base=only_vault)


def test_finds_a_name_that_only_a_migration_would_use(judge: Judge) -> None:
    # The environment reads Vault: `migrate --to azure` would write both, as would a key of a variant not in use.
    found = judge(check, "secrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}")
    assert found.marked == ["PLATFORM-GITHUB"]
    found = judge(check, "secrets: {aws: {remote: {azurekv: GitHub-App-Key}}}")
    assert found.marked == ["GitHub-App-Key"]


def test_marks_the_environments_own_name_in_whichever_order_the_two_come(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {remote: {azurekv: PLATFORM-AWS}}, aws: {}}")
    assert (found.paths, found.marked, found.related) == (
        ["environments/prod.yaml"],
        ["PLATFORM-AWS"],
        ["platform-aws"],
    )


def test_finds_two_values_of_vault_that_an_environments_own_name_makes_one(judge: Judge) -> None:
    text = "store: azure\nsecrets: {global: {use: [aws-bedrock]}, aws: {remote: {azurekv: platform-global}}}"
    found = judge(check, text)
    assert found.messages == [
        (
            '"AWS_ACCESS_KEY_ID" of "aws" and "AWS_ACCESS_KEY_ID" of "global" differ in Vault, '
            'but are the same value of "platform-global" in Key Vault'
        )
    ]
    assert found.paths == ["environments/prod.yaml"]
    both = "{vault: platform/global, azurekv: platform-global}"
    assert not judge(check, text.replace("{azurekv: platform-global}", both))


def test_finds_a_whole_value_that_holds_the_property_of_another_entry(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", "github-app-key"))
    assert found.messages[0] == (
        '"AWS_ACCESS_KEY_ID" of "aws" and "GITHUB_APP_KEY" of "github" differ in Vault, '
        'but "github-app-key" in Key Vault is one of them and contains the other'
    )


TWO = """\
stores:
  azure: {prefix: team-}
  other: {provider: azurekv, name: other-store, vaultUrl: "https://Platform.vault.azure.net:443/"%s}
secrets:
  github: {store: azure, remote: {azurekv: x}}
  aws: {store: %s, remote: {azurekv: %s}}
"""


@pytest.mark.parametrize(
    ("prefix", "store", "name", "collides"),
    [
        ("", "other", "TEAM-x", True),
        (", prefix: TEAM-", "other", "x", True),
        ("", "other", "x", False),
        (", prefix: te", "other", "am-y", False),
        # Read from Vault, it would be written into one of the two, beside what that one holds alone.
        ("", "vault", "TEAM-x", False),
        ("", "vault", "X", True),
    ],
)
def test_two_prefixes_may_meet_in_one_vault(
    judge: Judge,
    prefix: str,
    store: str,
    name: str,
    collides: bool,  # noqa: FBT001
) -> None:
    assert bool(judge(check, TWO % (prefix, store, name))) is collides


def test_two_prefixes_that_meet_in_one_name_hold_one_value_twice(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("AWS_REGION", "GITHUB_TOKEN")
    found = judge(check, TWO % ("", "other", "team-x"), catalogue=catalogue)
    assert ['but are the same value of "team-x" in Key Vault' in message for message in found.messages] == [True]


def test_needs_no_name_of_the_secret_where_keys_have_their_own(judge: Judge) -> None:
    catalogue = CATALOGUE.replace(", azurekv: platform-github}", "}")
    found = judge(
        check, "store: azure\nsecrets: {github: {use: [app]}, aws: {remote: {azurekv: x}}}", catalogue=catalogue
    )
    assert not found


def test_each_place_of_one_value_may_differ_by_property(judge: Judge) -> None:
    remote = "{vault: other, azurekv: {name: platform-aws, property: %s}}"
    text = CATALOGUE.replace("AWS_REGION: {}", f"AWS_REGION: {{remote: {remote}}}")
    assert not judge(check, catalogue=text % "AWS_REGION")
    assert len(judge(check, catalogue=text % "AWS_ACCESS_KEY_ID")) == 1


def test_a_value_taken_from_elsewhere_is_one_value_and_not_two(judge: Judge) -> None:
    own = "secrets: {ci: {}, github: {enabled: false, remote: {azurekv: %s}}}"
    assert not judge(check, own % "other", catalogue=TAKING)
    found = judge(check, own % "Platform-CI", catalogue=TAKING)
    assert found.messages == ['Key Vault cannot tell "Platform-CI" and "platform-ci" apart']
    assert not judge(check, (own % "Platform-CI").replace("ci: {}", "aws: {}"), catalogue=TAKING)
