from dataclasses import replace
from pathlib import Path

import pytest

from compiler.model.environment import Environment
from compiler.model.inventory import Inventory, reads_of
from compiler.model.store import Place
from tests.unit.conftest import taking

BOARD, REPORT, JIRA = ("board", "ATLASSIAN_TOKEN"), ("report", "TOKEN"), ("jira", "JIRA_TOKEN")
APP, GITHUB = ("report", "APP"), ("github", "GITHUB_APP_ID")


def test_every_key_of_the_entry_has_its_place_in_any_store_of_the_environment(environment: Environment) -> None:
    github, inventory = environment.secrets["github"], Inventory(environment)
    cells = inventory.of(github, environment.stores["vault"])
    assert {key: cell.place for key, cell in cells.items()} == {
        "GITHUB_TOKEN": Place("agents/github", "GITHUB_TOKEN"),
        "GITHUB_APP_ID": Place("agents/github", "GITHUB_APP_ID"),
        "GITHUB_APP_KEY": Place("agents/github", "GITHUB_APP_KEY"),
    }
    cells = inventory.of(github, environment.stores["azure"])
    assert {key: cell.place for key, cell in cells.items()} == {
        "GITHUB_TOKEN": Place("agents-github", "GITHUB_TOKEN"),
        "GITHUB_APP_ID": Place("agents-github", "GITHUB_APP_ID"),
        "GITHUB_APP_KEY": Place("github-app-key", None),
    }


def test_the_places_of_the_catalogue_are_those_of_entries_too_that_are_not_in_use(
    environment: Environment, sharing: Environment
) -> None:
    names = ("GITHUB_TOKEN", "GITHUB_APP_ID", "JIRA_TOKEN", "JIRA_URL", "ONLY")
    shared = {Place("agents-shared", name) for name in names}
    assert Inventory(sharing).places(sharing.stores["azure"]) == shared | {Place("github-app-key", None)}
    # One that the provider has no place for has none.
    azure = {place.property for place in Inventory(environment).places(environment.stores["azure"])}
    assert azure == {"GITHUB_TOKEN", "GITHUB_APP_ID", "JIRA_TOKEN", "JIRA_URL", None}


@pytest.mark.parametrize(
    ("secrets", "names"),
    [
        ("board: {}, report: {}", {BOARD: JIRA, REPORT: JIRA, APP: GITHUB}),
        ("board: {}, report: {}, jira: {enabled: false}", {BOARD: BOARD, REPORT: BOARD, APP: GITHUB}),
        # What is read from two stores is two values.
        ("board: {}, report: {store: azure}", {BOARD: JIRA, REPORT: REPORT, APP: APP}),
        ("board: {store: azure}, report: {store: azure}", {BOARD: BOARD, REPORT: BOARD, APP: APP}),
        ("", {}),
    ],
)
def test_a_value_has_one_name_in_an_environment(
    tmp_path: Path, secrets: str, names: dict[tuple[str, str], tuple[str, str]]
) -> None:
    cells = Inventory(taking(tmp_path, secrets)).cells()
    assert {(cell.secret, cell.key): cell.value for cell in cells if cell.holder is not None} == names


def test_a_value_is_known_by_the_entry_that_has_it(tmp_path: Path) -> None:
    inventory = Inventory(taking(tmp_path))
    assert inventory.holder_of(REPORT) == inventory.holder_of(JIRA) == JIRA
    assert inventory.holder_of(("jira", "NONE")) is None
    assert inventory.holder_of(("none", "NONE")) is None


def test_a_value_of_the_catalogue_is_here_under_a_takers_name_where_its_own_secret_is_not(tmp_path: Path) -> None:
    inventory = Inventory(taking(tmp_path, "board: {}, report: {}, jira: {enabled: false}"))
    assert inventory.name_here(JIRA) == BOARD
    assert inventory.name_here(GITHUB) == GITHUB
    assert inventory.name_here(("none", "NONE")) == ("none", "NONE")


def test_a_cell_is_elsewhere_where_its_secret_reads_another_store(environment: Environment) -> None:
    inventory = Inventory(environment)
    assert not any(cell.is_elsewhere for cell in inventory.cells())
    assert {cell.is_elsewhere for cell in inventory.cells(["jira"], environment.stores["azure"])} == {True}
    cell = replace(next(inventory.cells()), place=None)
    with pytest.raises(AssertionError, match=cell.key):
        _ = cell.remote_key


def test_only_secrets_that_read_what_is_written_are_named_with_their_interval(environment: Environment) -> None:
    times = Inventory(environment).refresh_times()
    assert times.of([("vault", "agents/jira")]) == {"jira": 3600}
    # What another store holds changes no Secret, and a Vault's names tell capitals.
    assert times.of([("azure", "agents-jira"), ("vault", "agents/Jira")]) == {}


def test_a_key_vaults_names_do_not_tell_capitals(tmp_path: Path) -> None:
    times = Inventory(taking(tmp_path, "board: {store: azure}")).refresh_times()
    assert list(times.of([("azure", "Agents-JIRA")])) == ["board"]


def test_a_value_that_several_secrets_take_is_read_by_all_of_them(tmp_path: Path) -> None:
    times = Inventory(taking(tmp_path)).refresh_times()
    assert list(times.of([("vault", "agents/jira")])) == ["jira", "board", "report"]


def test_what_is_read_of_one_store_is_what_its_secrets_use(environment: Environment) -> None:
    used = {(item.key.name, item.place) for secret in environment.secrets.values() for item in secret.keys}
    assert {each.place for each in reads_of(environment, environment.stores["vault"])} == {place for _, place in used}
    assert not list(reads_of(environment, environment.stores["azure"]))
