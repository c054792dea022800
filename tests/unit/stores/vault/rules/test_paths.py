from pathlib import Path

import pytest

from compiler.model.document import Severity
from compiler.pipeline import compile_project
from compiler.stores.vault.rules.paths import find_invalid_vault_path, find_repeated_mount, find_reserved_path_part
from tests.platforms import write_agents_project
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
    found = judge(find_invalid_vault_path, catalogue=CATALOGUE.replace("platform/aws", f'"{path}"'))
    assert [message.partition('" ')[2] for message in found.messages] == [problem]
    assert found.paths == ["environments/catalogue.yaml"]
    assert found.scopes == [("secrets", "aws")]
    assert all(found.helps)


def test_names_the_character_that_is_not_seen(judge: Judge) -> None:
    found = judge(find_invalid_vault_path, catalogue=CATALOGUE.replace("platform/aws", '"caf\u00e9\u200bb"'))
    assert found.helps == ["character 5 is U+200B (zero width space): take it out; it is a space or is not seen at all"]


def test_judges_the_place_of_a_key_of_its_own(judge: Judge) -> None:
    found = judge(
        find_invalid_vault_path, catalogue=CATALOGUE.replace("AWS_REGION: {}", "AWS_REGION: {remote: {vault: a//b}}")
    )
    assert found.messages == ['the path "a//b" has two "/" in a row']
    assert found.marked == ["a//b"]


def test_finds_an_own_path_in_an_environment(judge: Judge) -> None:
    found = judge(find_invalid_vault_path, "secrets: {github: {remote: {vault: /gh}}}")
    assert found.marked == ["/gh"]
    assert found.paths == ["environments/prod.yaml"]


def test_finds_an_own_path_even_while_the_secret_is_elsewhere(judge: Judge) -> None:
    assert judge(find_invalid_vault_path, "secrets: {github: {store: azure, remote: {vault: /gh}}}").marked == ["/gh"]


def test_finds_a_prefix_once_for_all_secrets(judge: Judge) -> None:
    found = judge(find_invalid_vault_path, "stores: {vault: {prefix: /prod/}}\nsecrets: {aws: {}}")
    assert found.messages == ['the prefix starts or ends with "/"']
    assert found.scopes == [("stores", "vault")]


def test_finds_what_a_good_prefix_and_a_good_name_make_together(judge: Judge) -> None:
    found = judge(
        find_invalid_vault_path, "stores: {vault: {prefix: prod/}}\nsecrets: {github: {remote: {vault: /gh}}}"
    )
    assert found.messages == ['the path "prod//gh" has two "/" in a row']


def test_reports_a_wrong_name_of_the_catalogue_once_whatever_the_prefix(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("platform/github", "a//b")
    assert len(judge(find_invalid_vault_path, "stores: {vault: {prefix: prod/}}", catalogue=catalogue)) == 1


def test_finds_a_mount(judge: Judge) -> None:
    found = judge(find_invalid_vault_path, "stores: {vault: {mount: kv/}}")
    assert found.messages == ['the mount "kv/" starts or ends with "/"']
    assert found.marked == ["kv/"]


def test_leaves_good_paths_alone(judge: Judge) -> None:
    assert not judge(find_invalid_vault_path, "stores: {vault: {mount: team/kv, prefix: prod.eu/}}")
    assert not judge(find_invalid_vault_path, catalogue=CATALOGUE.replace("platform/aws", '"platform/a w s/v1.2_x"'))


def test_finds_an_option_in_a_mount_and_in_a_prefix(judge: Judge) -> None:
    found = judge(find_invalid_vault_path, "stores: {vault: {mount: -output-policy, prefix: -f/}}")
    option = 'begins with "-", which commands take for an option'
    assert found.messages == [f'the mount "-output-policy" {option}', f"the prefix {option}"]
    assert found.helps == ["remove it", "remove it"]
    assert not judge(find_invalid_vault_path, "stores: {vault: {mount: team-kv, prefix: a/-b/}}")


def test_finds_a_path_that_begins_with_the_mount(judge: Judge) -> None:
    found = judge(find_repeated_mount, catalogue=CATALOGUE.replace("platform/github", "secret/platform/github"))
    assert found.messages == ['the path "secret/platform/github" begins with "secret/", the mount of the store "vault"']
    assert found.marked == ["secret/platform/github"]
    assert found.paths == ["environments/catalogue.yaml"]


def test_the_way_out_of_a_path_copied_from_the_api_is_one(judge: Judge) -> None:
    found = judge(find_repeated_mount, catalogue=CATALOGUE.replace("platform/github", "secret/data/platform/github"))
    assert found.helps == ['write "platform/github"']


def test_finds_an_own_path_and_an_own_mount(judge: Judge) -> None:
    found = judge(
        find_repeated_mount, "stores: {vault: {mount: kv/team}}\nsecrets: {github: {remote: {vault: kv/team/gh}}}"
    )
    assert found.marked == ["kv/team/gh"]
    assert found.scopes == [("secrets", "github")]


def test_finds_a_key_with_a_place_of_its_own(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("GITHUB_TOKEN: {variants: [pat]}", "GITHUB_TOKEN: {remote: {vault: secret/gh}}")
    assert judge(find_repeated_mount, catalogue=catalogue).marked == ["secret/gh"]


def test_finds_a_prefix_once(judge: Judge) -> None:
    found = judge(find_repeated_mount, "stores: {vault: {prefix: secret/prod/}}\nsecrets: {aws: {}}")
    assert found.messages == ['the prefix begins with "secret/", the mount of the store "vault"']
    assert found.scopes == [("stores", "vault")]


def test_leaves_other_paths_and_key_vaults_alone(judge: Judge) -> None:
    assert not judge(find_repeated_mount, "secrets: {github: {remote: {vault: secrets/gh}}}")
    assert not judge(
        find_repeated_mount, "store: azure", catalogue=CATALOGUE.replace("platform/github", "secret/github")
    )
    assert not judge(find_repeated_mount, "stores: {vault: {mount: platforms}}")


def test_finds_the_path_of_a_secret_from_which_a_key_takes_its_value(judge: Judge) -> None:
    taken = """\
  ui:
    target: ui
    syncWave: 1
    keys: {A: {from: github/GITHUB_TOKEN}, B: {from: github/GITHUB_TOKEN}}
"""
    catalogue = CATALOGUE.replace("platform/github", "secret/platform/github") + taken
    found = judge(find_repeated_mount, "secrets: {github: null, ui: {}}", catalogue=catalogue)
    assert (found.marked, found.helps) == (["secret/platform/github"], ['write "platform/github"'])
    assert judge(find_repeated_mount, "secrets: {ui: {}}", catalogue=catalogue).marked == ["secret/platform/github"]
    with_property = catalogue.replace("[pat]}", "[pat], remote: {vault: {property: T}}}")
    assert judge(find_repeated_mount, "secrets: {ui: {}}", catalogue=with_property).marked == ["secret/platform/github"]
    own = "secrets: {github: {enabled: false, remote: {vault: secret/gh}}, ui: {}}"
    assert judge(find_repeated_mount, own, catalogue=CATALOGUE + taken).marked == ["secret/gh"]


def test_finds_data_in_the_catalogue(judge: Judge) -> None:
    found = judge(find_reserved_path_part, catalogue=CATALOGUE.replace("platform/aws", "data/platform/aws"))
    assert found.messages == ['the path "data/platform/aws" has the part "data", which the API adds']
    assert found.marked == ["data/platform/aws"]


def test_finds_data_at_the_head_of_an_own_path(judge: Judge) -> None:
    (found,) = judge(find_reserved_path_part, "secrets: {github: {remote: {vault: data/gh}}}")
    assert (found.severity, found.help) == (Severity.ERROR, 'remove "data"')


def test_warns_of_data_inside_a_path(judge: Judge) -> None:
    (found,) = judge(find_reserved_path_part, "secrets: {github: {remote: {vault: team/data/gh}}}")
    assert (found.severity, found.scope) == (Severity.WARNING, ("secrets", "github"))
    assert (
        found.message == 'the path "team/data/gh" has the part "data" inside, as a path of the API has behind its mount'
    )
    assert found.help == (
        'if "team" is a mount, write "gh"; to accept it, add to "github": `waive: {reserved-path-part: the reason}`'
    )
    assert [
        each.severity for each in judge(find_reserved_path_part, "secrets: {github: {remote: {vault: team/data}}}")
    ] == [Severity.WARNING]


def test_finds_data_in_a_prefix_and_in_a_mount(judge: Judge) -> None:
    found = judge(find_reserved_path_part, "stores: {vault: {prefix: data/, mount: secret/data}}")
    assert found.messages == [
        'the mount "secret/data" has the part "data" inside, as a path of the API has behind its mount',
        'the prefix has the part "data", which the API adds',
    ]
    assert {(each.severity, each.help) for each in found} == {(Severity.ERROR, 'remove "data"')}
    assert [each.severity for each in judge(find_reserved_path_part, "stores: {vault: {prefix: team/data/}}")] == [
        Severity.WARNING
    ]


def test_only_the_warning_can_be_waived(tmp_path: Path) -> None:
    write_agents_project(tmp_path)
    waiver = "waive: {reserved-path-part: the team has named it so}"
    own = tmp_path / "environments/prod.yaml"
    for path, is_waived in (("team/data/gh", True), ("data/gh", False)):
        secret = f"secrets: {{github: {{store: vault, remote: {{vault: {path}}}, {waiver}}}}}\n"
        own.write_text(secret, "utf-8")
        found = [each for each in compile_project(tmp_path).diagnostics if each.rule == find_reserved_path_part.id]
        assert (not found) is is_waived


@pytest.mark.parametrize("path", ["database/gh", "my-data/gh", "metadata/gh", "gh"])
def test_leaves_other_parts_alone(judge: Judge, path: str) -> None:
    assert not judge(find_reserved_path_part, f"secrets: {{github: {{remote: {{vault: {path}}}}}}}")
