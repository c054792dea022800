from compiler.stores.vault.rules.repeated_mount import check
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_finds_a_path_that_begins_with_the_mount(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform/github", "secret/platform/github"))
    assert found.messages == ['the path "secret/platform/github" begins with "secret/", the mount of the store "vault"']
    assert found.marked == ["secret/platform/github"]
    assert found.paths == ["environments/catalogue.yaml"]


def test_the_way_out_of_a_path_copied_from_the_api_is_one(judge: Judge) -> None:
    found = judge(check, catalogue=CATALOGUE.replace("platform/github", "secret/data/platform/github"))
    assert found.helps == ['write "platform/github"']


def test_finds_an_own_path_and_an_own_mount(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {mount: kv/team}}\nsecrets: {github: {remote: {vault: kv/team/gh}}}")
    assert found.marked == ["kv/team/gh"]
    assert found.scopes == [("secrets", "github")]


def test_finds_a_key_with_a_place_of_its_own(judge: Judge) -> None:
    catalogue = CATALOGUE.replace("GITHUB_TOKEN: {variants: [pat]}", "GITHUB_TOKEN: {remote: {vault: secret/gh}}")
    assert judge(check, catalogue=catalogue).marked == ["secret/gh"]


def test_finds_a_prefix_once(judge: Judge) -> None:
    found = judge(check, "stores: {vault: {prefix: secret/prod/}}\nsecrets: {aws: {}}")
    assert found.messages == ['the prefix begins with "secret/", the mount of the store "vault"']
    assert found.scopes == [("stores", "vault")]


def test_leaves_other_paths_and_key_vaults_alone(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {remote: {vault: secrets/gh}}}")
    assert not judge(check, "store: azure", catalogue=CATALOGUE.replace("platform/github", "secret/github"))
    assert not judge(check, "stores: {vault: {mount: platforms}}")


def test_finds_the_path_of_a_secret_from_which_a_key_takes_its_value(judge: Judge) -> None:
    taken = """\
  ui:
    target: ui
    syncWave: 1
    keys: {A: {from: github/GITHUB_TOKEN}, B: {from: github/GITHUB_TOKEN}}
"""
    catalogue = CATALOGUE.replace("platform/github", "secret/platform/github") + taken
    found = judge(check, "secrets: {github: null, ui: {}}", catalogue=catalogue)
    assert (found.marked, found.helps) == (["secret/platform/github"], ['write "platform/github"'])
    assert judge(check, "secrets: {ui: {}}", catalogue=catalogue).marked == ["secret/platform/github"]
    with_property = catalogue.replace("[pat]}", "[pat], remote: {vault: {property: T}}}")
    assert judge(check, "secrets: {ui: {}}", catalogue=with_property).marked == ["secret/platform/github"]
    own = "secrets: {github: {enabled: false, remote: {vault: secret/gh}}, ui: {}}"
    assert judge(check, own, catalogue=CATALOGUE + taken).marked == ["secret/gh"]
