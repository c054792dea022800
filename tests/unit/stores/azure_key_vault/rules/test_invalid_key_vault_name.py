import pytest

from compiler.stores.azure_key_vault.rules.invalid_key_vault_name import check
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize("name", ["a_b", "a.b", "a b", "_._"])
def test_finds_other_characters(judge: Judge, name: str) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", f'"{name}"'))
    assert [message.partition('" ')[2] for message in found.messages] == [
        "has characters other than the letters, digits and hyphens that Key Vault allows"
    ]
    assert found.helps == ['use hyphens instead: "a-b"' if "a" in name else "use hyphens instead"]
    assert found.scopes == [("secrets", "aws")]


def test_finds_a_name_that_is_too_long_with_its_prefix(judge: Judge) -> None:
    own = f"secrets: {{github: {{store: azure, remote: {{azurekv: {'a' * 120}}}}}}}"
    assert not judge(check, own)
    found = judge(check, f"stores: {{azure: {{prefix: production-}}}}\n{own}")
    (message,) = found.messages
    assert message.endswith("has 131 characters, and Key Vault allows 127")
    assert found.helps == ["shorten it"]


def test_finds_the_name_of_a_key(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("github-app-key", "github_app_key"))
    assert found.marked == ["github_app_key"]


def test_finds_a_key_that_a_prefix_makes_too_long(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("github-app-key", "k" * 125)
    found = judge(
        check, "store: azure\nstores: {azure: {prefix: prod-}}\nsecrets: {github: {use: [app]}}", catalogue=catalogue
    )
    assert found.marked == ["k" * 125]


def test_finds_a_prefix_once(judge: Judge) -> None:
    found = judge(check, "store: azure\nstores: {azure: {prefix: prod_}}\nsecrets: {aws: {}}")
    assert len(found) == 1
    assert found.marked == ["prod_"]


def test_leaves_good_names_and_slashes_alone(judge: Judge) -> None:
    assert not judge(check, "store: azure\nstores: {azure: {prefix: prod-}}")
    assert not judge(check, catalogue=CATALOGUE.replace("platform-aws", "platform/aws"))


def test_names_the_character_that_is_not_ascii(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", "platform\u2013aws"))
    assert found.helps == ['character 9 is U+2013 (en dash): type "-" in its place']


def test_finds_a_name_that_commands_take_for_an_option(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform-aws", "--help"))
    assert found.messages == ['the name "--help" begins with "-", which commands take for an option']
    assert found.helps == ["remove it"]
    assert judge(check, "stores: {azure: {prefix: -x-}}").helps == ["remove it"]
