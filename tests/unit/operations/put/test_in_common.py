from pathlib import Path

import pytest

from compiler.operations.put import SharedKey, shared_keys, target_of
from tests.unit.conftest import taking


@pytest.mark.parametrize(
    ("secret", "keys", "common"),
    [
        (
            "jira",
            (),
            SharedKey("JIRA_TOKEN", "agents/jira[JIRA_TOKEN]", None, ("board/ATLASSIAN_TOKEN", "report/TOKEN"), ()),
        ),
        (
            "report",
            ("TOKEN",),
            SharedKey(
                "TOKEN",
                "agents/jira[JIRA_TOKEN]",
                "jira/JIRA_TOKEN",
                ("jira/JIRA_TOKEN", "board/ATLASSIAN_TOKEN"),
                (),
            ),
        ),
        ("report", ("APP",), SharedKey("APP", "agents/github[GITHUB_APP_ID]", "github/GITHUB_APP_ID", (), ())),
    ],
)
def test_whoever_has_the_value_too_is_told(
    tmp_path: Path, secret: str, keys: tuple[str, ...], common: SharedKey
) -> None:
    assert shared_keys(target_of(taking(tmp_path), secret, keys, None)) == (common,)


def test_who_reads_it_from_another_store_keeps_what_it_has(tmp_path: Path) -> None:
    environment = taking(tmp_path, "board: {}, report: {store: azure}")
    (common,) = shared_keys(target_of(environment, "jira", (), None))
    assert (common.readers, common.apart) == (("board/ATLASSIAN_TOKEN",), (("report/TOKEN", "azure"),))
    (common,) = shared_keys(target_of(environment, "jira", ("JIRA_TOKEN",), "azure"))
    assert (common.place, common.readers) == ("agents-jira[JIRA_TOKEN]", ("report/TOKEN",))
    assert common.apart == (("board/ATLASSIAN_TOKEN", "vault"),)


def test_what_nobody_else_has_is_no_news(tmp_path: Path) -> None:
    assert shared_keys(target_of(taking(tmp_path), "board", ("OWN",), None)) == ()
