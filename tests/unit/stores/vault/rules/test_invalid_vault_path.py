import pytest

from compiler.stores.vault.rules.invalid_vault_path import check
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a/../b", 'has a part "." or "..", which leads elsewhere'),
        ("./b", 'has a part "." or "..", which leads elsewhere'),
        ("/a", 'starts or ends with "/"'),
        ("a/", 'starts or ends with "/"'),
        ("a//b", 'has two "/" in a row'),
        ("a%2fb", 'has "%", which means something else in a URL or a policy'),
        ("a?b", 'has "?", which means something else in a URL or a policy'),
        ("a#b", 'has "#", which means something else in a URL or a policy'),
        ("a*", 'has "*", which means something else in a URL or a policy'),
        ("+/b", 'has "+", which means something else in a URL or a policy'),
        ("a\u200bb", "has an invisible character"),
        ("a /b", "has a part that starts or ends with a space"),
        ("-a/b", 'begins with "-", which commands take for an option'),
    ],
)
def test_finds_a_path_in_the_catalogue(judge: Judge, path: str, problem: str) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform/aws", f'"{path}"'))
    assert [message.partition('" ')[2] for message in found.messages] == [problem]
    assert found.paths == ["environments/catalogue.yaml"]
    assert found.scopes == [("secrets", "aws")]
    assert all(found.helps)


def test_names_the_character_that_is_not_seen(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform/aws", '"caf\u00e9\u200bb"'))
    assert found.helps == ["character 5 is U+200B (zero width space): take it out; it is a space or is not seen at all"]


def test_finds_a_key_with_a_place_of_its_own(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("AWS_REGION: {}", "AWS_REGION: {remote: {vault: a//b}}"))
    assert found.messages == ['the path "a//b" has two "/" in a row']
    assert found.marked == ["a//b"]


def test_finds_an_own_path_in_an_environment(judge: Judge) -> None:
    found = judge(check, "secrets: {github: {remote: {vault: /gh}}}")
    assert found.marked == ["/gh"]
    assert found.paths == ["environments/prod.yaml"]


def test_finds_an_own_path_even_while_the_secret_is_elsewhere(judge: Judge) -> None:
    assert judge(check, "secrets: {github: {store: azure, remote: {vault: /gh}}}").marked == ["/gh"]


def test_finds_a_prefix_once_for_all_secrets(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {prefix: /prod/}}\nsecrets: {aws: {}}")
    assert found.messages == ['the prefix starts or ends with "/"']
    assert found.scopes == [("stores", "vault")]


def test_finds_what_a_good_prefix_and_a_good_name_make_together(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {prefix: prod/}}\nsecrets: {github: {remote: {vault: /gh}}}")
    assert found.messages == ['the path "prod//gh" has two "/" in a row']


def test_reports_a_wrong_name_of_the_catalogue_once_whatever_the_prefix(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform/github", "a//b")
    assert len(judge(check, "stores: {vault: {prefix: prod/}}", catalogue=catalogue)) == 1


def test_finds_a_mount(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {mount: kv/}}")
    assert found.messages == ['the mount "kv/" starts or ends with "/"']
    assert found.marked == ["kv/"]


def test_leaves_good_paths_alone(judge: Judge) -> None:
    assert not judge(check, "stores: {vault: {mount: team/kv, prefix: prod.eu/}}")
    assert not judge(check, catalogue=CATALOGUE.replace("platform/aws", '"platform/a w s/v1.2_x"'))


def test_finds_an_option_in_a_mount_and_in_a_prefix(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {mount: -output-policy, prefix: -f/}}")
    option = 'begins with "-", which commands take for an option'
    assert found.messages == [f'the mount "-output-policy" {option}', f"the prefix {option}"]
    assert found.helps == ["remove it", "remove it"]
    assert not judge(check, "stores: {vault: {mount: team-kv, prefix: a/-b/}}")
