from dataclasses import replace
from pathlib import Path

import pytest

from compiler.model.environment import Environment
from compiler.operations.backup import Gathered, gather
from compiler.refusal import Refusal
from compiler.stores.errors import Code, DisabledError, StoreError
from compiler.stores.secret_value import JsonKind, SecretValue
from tests.refusals import is_refused
from tests.unit.conftest import Stores, taking


@pytest.fixture
def filled(stores: Stores) -> Stores:
    assert stores.vault is not None
    stores.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t")})
    stores.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("t"), "JIRA_URL": SecretValue("u")})
    return stores


def lacking(gathered: Gathered) -> dict[str, str]:
    return {each.key: each.reason for each in gathered.lacking}


def test_all_secrets_are_read_once_each(environment: Environment, filled: Stores) -> None:
    gathered = gather(environment, (), filled.live)
    assert {name: value.reveal() for name, value in gathered.backup.values.items()} == {
        ("github", "GITHUB_TOKEN"): "t",
        ("jira", "JIRA_TOKEN"): "t",
        ("jira", "JIRA_URL"): "u",
    }
    assert gathered.backup.environment == "prod"
    assert gathered.backup.time.endswith("+00:00")
    assert gathered.lacking == ()
    assert gathered.left_out == ()
    assert filled.vault is not None
    assert sorted(filled.vault.reads) == ["agents/github", "agents/jira"]
    assert filled.vault.writes == []


def test_only_the_named_secrets_are_read(environment: Environment, filled: Stores) -> None:
    gathered = gather(environment, ("jira",), filled.live)
    assert gathered.backup.secrets == ("jira",)
    assert filled.vault is not None
    assert filled.vault.reads == ["agents/jira"]


def test_keys_of_variants_not_in_use_are_taken_along_and_not_missed(environment: Environment, filled: Stores) -> None:
    assert filled.vault is not None
    filled.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t"), "GITHUB_APP_ID": SecretValue("7")})
    gathered = gather(environment, ("github",), filled.live)
    assert sorted(gathered.backup.values) == [("github", "GITHUB_APP_ID"), ("github", "GITHUB_TOKEN")]
    assert gathered.lacking == ()


def test_a_whole_value_is_the_whole_text(environment: Environment, stores: Stores) -> None:
    assert stores.azure is not None
    github = replace(environment.secrets["github"], store=environment.stores["azure"])
    stores.azure.hold("agents-github", {"GITHUB_TOKEN": SecretValue("t")})
    stores.azure.hold("github-app-key", {"odd": SecretValue("x")}, '{"odd": "x"}')
    gathered = gather(replace(environment, secrets={"github": github}), (), stores.live)
    assert gathered.backup.values["github", "GITHUB_APP_KEY"].reveal() == '{"odd": "x"}'
    assert gathered.left_out == ()


def test_what_is_in_use_and_not_there_is_missing(environment: Environment, filled: Stores) -> None:
    assert filled.vault is not None
    filled.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("t")})
    del filled.vault.versions["agents/github"]
    gathered = gather(environment, (), filled.live)
    assert lacking(gathered) == {
        "GITHUB_TOKEN": "the store has no such secret",
        "JIRA_URL": "the secret has no such property",
    }
    assert gathered.backup.missing == (("github", "GITHUB_TOKEN"), ("jira", "JIRA_URL"))


def test_what_could_not_be_restored_is_not_taken_for_saved(environment: Environment, filled: Stores) -> None:
    assert filled.vault is not None
    filled.vault.hold("agents/jira", {"JIRA_TOKEN": SecretValue("5", JsonKind.NUMBER), "JIRA_URL": SecretValue(" ")})
    gathered = gather(environment, ("jira",), filled.live)
    assert lacking(gathered) == {
        "JIRA_TOKEN": "its value is not a string, which could not be restored",
        "JIRA_URL": "its value is empty, which could not be restored",
    }
    assert gathered.backup.values == {}


def test_a_secret_that_cannot_be_read_is_told_and_a_dead_store_ends_all(
    environment: Environment, filled: Stores
) -> None:
    assert filled.vault is not None
    filled.vault.failures["read", "agents/jira"] = filled.failure(DisabledError, "agents/jira")
    assert lacking(gather(environment, (), filled.live)) == {
        "JIRA_TOKEN": "it is refused; do something",
        "JIRA_URL": "it is refused; do something",
    }
    filled.vault.failures["read", "agents/github"] = filled.failure(Code.UNAVAILABLE, "agents/github")
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        gather(environment, (), filled.live)


def test_properties_outside_the_catalogue_are_left_out_and_told(environment: Environment, filled: Stores) -> None:
    assert filled.vault is not None
    filled.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t"), "NOTES": SecretValue("n")})
    gathered = gather(environment, (), filled.live)
    assert gathered.left_out == (("agents/github", "NOTES"),)
    assert ("github", "NOTES") not in gathered.backup.values


@pytest.mark.parametrize("only", [(), ("jira",)])
def test_keys_of_other_secrets_in_the_same_remote_are_no_strangers(
    sharing: Environment, stores: Stores, only: tuple[str, ...]
) -> None:
    assert stores.vault is not None
    names = ("GITHUB_TOKEN", "GITHUB_APP_ID", "JIRA_TOKEN", "JIRA_URL", "ONLY", "NOTES")
    stores.vault.hold("agents/shared", {name: SecretValue(name) for name in names})
    gathered = gather(sharing, only, stores.live)
    assert gathered.left_out == (("agents/shared", "NOTES"),)
    assert {secret for secret, _ in gathered.backup.values} == set(only or ("github", "jira"))


def test_a_key_without_a_place_is_missing_and_a_secret_without_a_store_is_none(
    environment: Environment, stores: Stores
) -> None:
    entry = environment.catalogue.entries["vaultonly"]
    used = (environment.secrets["jira"].keys[0]._replace(key=entry.keys["ONLY"]),)
    secret = replace(
        environment.secrets["jira"], id="vaultonly", entry=entry, store=environment.stores["azure"], keys=used
    )
    gathered = gather(replace(environment, secrets={"vaultonly": secret}), (), stores.live)
    assert lacking(gathered) == {"ONLY": "the store has no such secret"}
    storeless = replace(environment, secrets={"vaultonly": replace(secret, store=None)})
    assert gather(storeless, (), stores.live).backup.values == {}


def test_a_part_is_enough_only_where_a_part_will_do(environment: Environment, stores: Stores) -> None:
    with pytest.raises(Refusal) as caught:
        gather(environment, (), stores.live).is_enough(is_partial=True)
    assert (caught.value.kind, caught.value.help) == ("usage", "`platform-secrets verify prod` shows what they hold")
    assert stores.vault is not None
    stores.vault.hold("agents/github", {"GITHUB_TOKEN": SecretValue("t")})
    some = gather(environment, (), stores.live)
    assert (some.is_enough(is_partial=False), some.is_enough(is_partial=True)) == (False, True)
    assert gather(environment, ["github"], stores.live).is_enough(is_partial=False)


def test_a_value_that_several_secrets_have_is_backed_up_once(tmp_path: Path, filled: Stores) -> None:
    environment = taking(tmp_path / "project")
    assert filled.vault is not None
    filled.vault.hold("agents/board", {"OWN": SecretValue("o")})
    gathered = gather(environment, (), filled.live)
    assert sorted(gathered.backup.values) == [
        ("board", "OWN"),
        ("github", "GITHUB_TOKEN"),
        ("jira", "JIRA_TOKEN"),
        ("jira", "JIRA_URL"),
    ]
    assert (gathered.lacking, gathered.left_out) == ((), ())
    assert sorted(filled.vault.reads) == ["agents/board", "agents/github", "agents/jira"]
    # One that takes it is backed up with it.
    assert set(gather(environment, ("report",), filled.live).backup.values) == {("jira", "JIRA_TOKEN")}


def test_a_value_is_missed_once_and_where_its_secret_is_not_here_by_who_takes_it(
    tmp_path: Path, stores: Stores
) -> None:
    gathered = gather(taking(tmp_path / "one"), ("report", "board"), stores.live)
    assert [(each.secret, each.key) for each in gathered.lacking] == [("board", "OWN"), ("jira", "JIRA_TOKEN")]
    gathered = gather(taking(tmp_path / "two", "report: {}, jira: {enabled: false}"), ("report",), stores.live)
    assert [(each.secret, each.key) for each in gathered.lacking] == [("report", "TOKEN")]
