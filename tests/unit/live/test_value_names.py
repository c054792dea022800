from pathlib import Path

import pytest

from compiler.live.stores import same_value, value_names
from tests.unit.conftest import taking

BOARD, REPORT, JIRA = ("board", "ATLASSIAN_TOKEN"), ("report", "TOKEN"), ("jira", "JIRA_TOKEN")
APP, GITHUB = ("report", "APP"), ("github", "GITHUB_APP_ID")


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
    assert value_names(taking(tmp_path, secrets)) == names


def test_a_value_is_told_by_the_entry_that_has_it(tmp_path: Path) -> None:
    environment = taking(tmp_path)
    assert same_value(environment, REPORT) == same_value(environment, JIRA) == JIRA
    assert same_value(environment, ("jira", "NONE")) is None
    assert same_value(environment, ("none", "NONE")) is None
