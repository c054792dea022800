from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.rules.key_vault_name_collision import RULE
from tests.unit.rules.conftest import CATALOGUE

if TYPE_CHECKING:
    from tests.unit.rules.conftest import Judge


def test_finds_names_that_differ_only_in_case(judge: Judge) -> None:
    found = judge(RULE, catalogue=CATALOGUE.replace("platform-aws", "Platform-GitHub"))
    assert found.messages == ['Key Vault cannot keep "Platform-GitHub" and "platform-github" apart']
    assert found.marked == ["Platform-GitHub"]
    assert found.related == ["platform-github"]


def test_finds_names_that_differ_only_in_separators(judge: Judge) -> None:
    found = judge(RULE, catalogue=CATALOGUE.replace("platform-aws", "platform/github"))
    assert found.messages == ['Key Vault cannot keep "platform/github" and "platform-github" apart']


def test_finds_the_name_of_a_key(judge: Judge) -> None:
    found = judge(RULE, catalogue=CATALOGUE.replace("platform-aws", "GitHub-App-Key"))
    assert found.marked == ["GitHub-App-Key"]


def test_finds_two_values_of_vault_that_are_one_in_key_vault(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform-aws", "platform-global")
    found = judge(RULE, catalogue=catalogue)
    assert found.messages == [
        (
            '"AWS_ACCESS_KEY_ID" of "aws" and "AWS_ACCESS_KEY_ID" of "global" differ in Vault, '
            'but are one value of "platform-global" in Key Vault'
        )
    ]
    assert found.related == ["AWS_ACCESS_KEY_ID"]


def test_two_entries_may_be_one_secret_in_both(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform-aws", "platform-global").replace("platform/aws", "platform/global")
    assert not judge(RULE, catalogue=catalogue)


def test_finds_an_own_name_in_an_environment(judge: Judge) -> None:
    found = judge(RULE, "store: azure\nsecrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}")
    assert found.paths == ["environments/prod.yaml"]
    assert found.marked == ["PLATFORM-GITHUB"]
    found = judge(RULE, "store: azure\nsecrets: {aws: {remote: {azurekv: GitHub-App-Key}}, github: {use: [app]}}")
    assert len(found) == 1


def test_leaves_different_names_alone(judge: Judge) -> None:
    assert not judge(RULE, "store: azure\nsecrets: {aws: {remote: {azurekv: other}}, github: {use: [app]}}")
    assert not judge(RULE, "secrets: {aws: {remote: {azurekv: PLATFORM-GITHUB}}}")


def test_needs_no_name_of_the_secret_where_keys_have_their_own(judge: Judge) -> None:
    catalogue = CATALOGUE.replace(", azurekv: platform-github}", "}")
    found = judge(
        RULE, "store: azure\nsecrets: {github: {use: [app]}, aws: {remote: {azurekv: x}}}", catalogue=catalogue
    )
    assert not found


def test_each_place_of_one_value_may_differ_by_property(judge: Judge) -> None:
    remote = "{vault: other, azurekv: {name: platform-aws, property: %s}}"
    text = CATALOGUE.replace("AWS_REGION: {}", f"AWS_REGION: {{remote: {remote}}}")
    assert not judge(RULE, catalogue=text % "AWS_REGION")
    assert len(judge(RULE, catalogue=text % "AWS_ACCESS_KEY_ID")) == 1
