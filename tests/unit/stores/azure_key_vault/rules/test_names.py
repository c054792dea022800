import pytest

from compiler.stores.azure_key_vault.rules.names import (
    find_invalid_key_vault_name,
    find_key_vault_name_collision,
    find_key_vault_object_type,
)
from tests.unit.rules.conftest import BASE, CATALOGUE, TAKING, Judge


@pytest.mark.parametrize("name", ["a_b", "a.b", "a b", "_._"])
def test_finds_other_characters(judge: Judge, name: str) -> None:
    found = judge(find_invalid_key_vault_name, catalogue=CATALOGUE.replace("platform-aws", f'"{name}"'))
    assert [message.partition('" ')[2] for message in found.messages] == [
        "has characters other than the letters, digits and hyphens that Key Vault allows"
    ]
    assert found.helps == ['use hyphens instead: "a-b"' if "a" in name else "use hyphens instead"]
    assert found.scopes == [("secrets", "aws")]


def test_finds_a_name_that_is_too_long_with_its_prefix(judge: Judge) -> None:
    own = f"secrets: {{github: {{store: azure, remote: {{azurekv: {'a' * 120}}}}}}}"
    assert not judge(find_invalid_key_vault_name, own)
    found = judge(find_invalid_key_vault_name, f"stores: {{azure: {{prefix: production-}}}}\n{own}")
    (message,) = found.messages
    assert message.endswith("has 131 characters, and Key Vault allows 127")
    assert found.helps == ["shorten it"]


def test_finds_the_name_of_a_key(judge: Judge) -> None:
    found = judge(find_invalid_key_vault_name, catalogue=CATALOGUE.replace("github-app-key", "github_app_key"))
    assert found.marked == ["github_app_key"]


def test_finds_a_key_that_a_prefix_makes_too_long(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("github-app-key", "k" * 125)
    found = judge(
        find_invalid_key_vault_name,
        "store: azure\nstores: {azure: {prefix: prod-}}\nsecrets: {github: {use: [app]}}",
        catalogue=catalogue,
    )
    assert found.marked == ["k" * 125]


def test_finds_a_prefix_once(judge: Judge) -> None:
    found = judge(find_invalid_key_vault_name, "store: azure\nstores: {azure: {prefix: prod_}}\nsecrets: {aws: {}}")
    assert len(found) == 1
    assert found.marked == ["prod_"]


def test_leaves_good_names_and_slashes_alone(judge: Judge) -> None:
    assert not judge(find_invalid_key_vault_name, "store: azure\nstores: {azure: {prefix: prod-}}")
    assert not judge(find_invalid_key_vault_name, catalogue=CATALOGUE.replace("platform-aws", "platform/aws"))


def test_names_the_character_that_is_not_ascii(judge: Judge) -> None:
    found = judge(find_invalid_key_vault_name, catalogue=CATALOGUE.replace("platform-aws", "platform\u2013aws"))
    assert found.helps == ['character 9 is U+2013 (en dash): type "-" in its place']


def test_finds_a_name_that_commands_take_for_an_option(judge: Judge) -> None:
    found = judge(find_invalid_key_vault_name, catalogue=CATALOGUE.replace("platform-aws", "--help"))
    assert found.messages == ['the name "--help" begins with "-", which commands take for an option']
    assert found.helps == ["remove it"]
    assert judge(find_invalid_key_vault_name, "stores: {azure: {prefix: -x-}}").helps == ["remove it"]


@pytest.mark.parametrize(
    ("name", "problem", "way_out"),
    [
        (
            "dev/gh",
            'has a "/", and the part before it is read as the type of an object',
            'use hyphens instead of "/": "dev-gh"',
        ),
        (
            "secret/gh",
            'begins with "secret/", which is read as the type of an object, not as part of the name',
            'write only the name of the secret: "gh"',
        ),
        (
            "cert/gh",
            'begins with "cert/", which is read as the type of an object, not as part of the name',
            'write only the name of the secret: "gh"',
        ),
        (
            "secret/team/gh",
            'has a second "/", and the part after it is silently dropped',
            "write only the name of the secret",
        ),
    ],
)
def test_finds_a_slash(judge: Judge, name: str, problem: str, way_out: str) -> None:
    found = judge(find_key_vault_object_type, catalogue=CATALOGUE.replace("platform-aws", name))
    assert found.messages == [f'the name "{name}" {problem}']
    assert found.helps == [way_out]
    assert found.marked == [name]


def test_finds_a_slash_in_an_own_name_and_in_a_prefix(judge: Judge) -> None:
    assert judge(find_key_vault_object_type, "secrets: {github: {remote: {azurekv: a/b}}}").marked == ["a/b"]
    assert judge(find_key_vault_object_type, "stores: {azure: {prefix: prod/}}").marked == ["prod/"]


def test_leaves_names_without_a_slash_alone(judge: Judge) -> None:
    assert not judge(find_key_vault_object_type, "store: azure\nstores: {azure: {prefix: secret-}}")


def test_finds_names_that_differ_only_in_case(judge: Judge) -> None:
    found = judge(find_key_vault_name_collision, catalogue=CATALOGUE.replace("platform-aws", "Platform-GitHub"))
    assert found.messages == ['Key Vault cannot tell "Platform-GitHub" and "platform-github" apart']
    assert found.marked == ["Platform-GitHub"]
    assert found.related == ["platform-github"]


def test_finds_names_that_differ_only_in_separators(judge: Judge) -> None:
    found = judge(find_key_vault_name_collision, catalogue=CATALOGUE.replace("platform-aws", "platform/github"))
    assert found.messages == ['Key Vault cannot tell "platform/github" and "platform-github" apart']


def test_finds_two_names_of_keys(judge: Judge) -> None:
    found = judge(find_key_vault_name_collision, catalogue=CATALOGUE.replace("platform-aws", "GitHub-App-Key"))
    assert found.marked == ["GitHub-App-Key"]


def test_finds_two_values_of_vault_that_are_one_in_key_vault(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform-aws", "platform-global")
    found = judge(find_key_vault_name_collision, catalogue=catalogue)
    assert found.messages == [
        (
            '"AWS_ACCESS_KEY_ID" of "aws" and "AWS_ACCESS_KEY_ID" of "global" differ in Vault, '
            'but are the same value of "platform-global" in Key Vault'
        )
    ]
    assert found.related == ["AWS_ACCESS_KEY_ID"]


def test_two_entries_may_be_one_secret_in_both(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform-aws", "platform-global").replace("platform/aws", "platform/global")
    assert not judge(find_key_vault_name_collision, catalogue=catalogue)


def test_finds_an_own_name_in_an_environment(judge: Judge) -> None:
    found = judge(find_key_vault_name_collision, "store: azure\nsecrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}")
    assert found.paths == ["environments/prod.yaml"]
    assert found.marked == ["PLATFORM-GITHUB"]
    found = judge(
        find_key_vault_name_collision,
        "store: azure\nsecrets: {aws: {remote: {azurekv: GitHub-App-Key}}, github: {use: [app]}}",
    )
    assert len(found) == 1


def test_leaves_different_names_alone(judge: Judge) -> None:
    assert not judge(
        find_key_vault_name_collision, "store: azure\nsecrets: {aws: {remote: {azurekv: other}}, github: {use: [app]}}"
    )
    only_vault = BASE.replace('  azure: {provider: azurekv, name: azure-keyvault-store, vaultUrl: "https://p', "  #")
    assert not judge(
        find_key_vault_name_collision, "secrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}", base=only_vault
    )


def test_finds_a_name_that_only_a_migration_would_use(judge: Judge) -> None:
    # The environment reads Vault: `migrate --to azure` would write both, as would a key of a variant not in use.
    found = judge(find_key_vault_name_collision, "secrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}")
    assert found.marked == ["PLATFORM-GITHUB"]
    found = judge(find_key_vault_name_collision, "secrets: {aws: {remote: {azurekv: GitHub-App-Key}}}")
    assert found.marked == ["GitHub-App-Key"]


def test_marks_the_environments_own_name_in_whichever_order_the_two_come(judge: Judge) -> None:
    found = judge(find_key_vault_name_collision, "secrets: {github: {remote: {azurekv: PLATFORM-AWS}}, aws: {}}")
    assert (found.paths, found.marked, found.related) == (
        ["environments/prod.yaml"],
        ["PLATFORM-AWS"],
        ["platform-aws"],
    )


def test_finds_two_values_of_vault_that_an_environments_own_name_makes_one(judge: Judge) -> None:
    text = "store: azure\nsecrets: {global: {use: [aws-bedrock]}, aws: {remote: {azurekv: platform-global}}}"
    found = judge(find_key_vault_name_collision, text)
    assert found.messages == [
        (
            '"AWS_ACCESS_KEY_ID" of "aws" and "AWS_ACCESS_KEY_ID" of "global" differ in Vault, '
            'but are the same value of "platform-global" in Key Vault'
        )
    ]
    assert found.paths == ["environments/prod.yaml"]
    both = "{vault: platform/global, azurekv: platform-global}"
    assert not judge(find_key_vault_name_collision, text.replace("{azurekv: platform-global}", both))


def test_finds_a_whole_value_that_holds_the_property_of_another_entry(judge: Judge) -> None:
    found = judge(find_key_vault_name_collision, catalogue=CATALOGUE.replace("platform-aws", "github-app-key"))
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
    assert bool(judge(find_key_vault_name_collision, TWO % (prefix, store, name))) is collides


def test_two_prefixes_that_meet_in_one_name_hold_one_value_twice(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("AWS_REGION", "GITHUB_TOKEN")
    found = judge(find_key_vault_name_collision, TWO % ("", "other", "team-x"), catalogue=catalogue)
    assert ['but are the same value of "team-x" in Key Vault' in message for message in found.messages] == [True]


def test_needs_no_name_of_the_secret_where_keys_have_their_own(judge: Judge) -> None:
    catalogue = CATALOGUE.replace(", azurekv: platform-github}", "}")
    found = judge(
        find_key_vault_name_collision,
        "store: azure\nsecrets: {github: {use: [app]}, aws: {remote: {azurekv: x}}}",
        catalogue=catalogue,
    )
    assert not found


def test_each_place_of_one_value_may_differ_by_property(judge: Judge) -> None:
    remote = "{vault: other, azurekv: {name: platform-aws, property: %s}}"
    text = CATALOGUE.replace("AWS_REGION: {}", f"AWS_REGION: {{remote: {remote}}}")
    assert not judge(find_key_vault_name_collision, catalogue=text % "AWS_REGION")
    assert len(judge(find_key_vault_name_collision, catalogue=text % "AWS_ACCESS_KEY_ID")) == 1


def test_a_value_taken_from_elsewhere_is_one_value_and_not_two(judge: Judge) -> None:
    own = "secrets: {ci: {}, github: {enabled: false, remote: {azurekv: %s}}}"
    assert not judge(find_key_vault_name_collision, own % "other", catalogue=TAKING)
    found = judge(find_key_vault_name_collision, own % "Platform-CI", catalogue=TAKING)
    assert found.messages == ['Key Vault cannot tell "Platform-CI" and "platform-ci" apart']
    assert not judge(
        find_key_vault_name_collision, (own % "Platform-CI").replace("ci: {}", "aws: {}"), catalogue=TAKING
    )
