import pytest

from compiler.rules.orphan_values import check
from tests.unit.rules.conftest import JudgeProject


def test_finds_a_values_file_without_environment(judge_project: JudgeProject) -> None:
    found = judge_project(check, {"prod": ""}, {"prod": "chart/values-prod.yaml", "qa": "chart/values-qa.yaml"})
    assert found.messages == ['no environment is named "qa"']
    (way_out,) = found.helps
    assert way_out == (
        "once no Application reads it, `platform-secrets compile --prune` removes it; Argo CD fails to render an "
        "Application that reads a removed file, and keeps its Secrets unless it has `ignoreMissingValueFiles: true`"
    )
    assert found.paths == ["chart/values-qa.yaml"]
    assert (found[0].span.line, found[0].span.column) == (1, 1)


@pytest.mark.parametrize(("name", "values"), [("prodution", ["production"]), ("prod", [])])
def test_does_not_advise_to_prune_what_may_have_another_name_now(
    judge_project: JudgeProject, name: str, values: list[str]
) -> None:
    # One is spelt alike, the other is an environment that has no values file yet.
    files = {each: f"chart/values-{each}.yaml" for each in (name, *values)}
    assert judge_project(check, {"production": ""}, files).helps == [
        'if "production" is its new name, have its Application read values-production.yaml, then remove this file'
    ]


def test_names_the_file_that_is_not_read(judge_project: JudgeProject) -> None:
    unread = {"prod": "environments/eu/prod.yaml"}
    found = judge_project(check, {"pro": ""}, {"prod": "chart/values-prod.yaml"}, unread)
    assert found.messages == ['no environment is named "prod", and "environments/eu/prod.yaml" is not read as one']
    assert found.helps == ['move that to "environments/prod.yaml"']


def test_leaves_the_files_of_environments_alone(judge_project: JudgeProject) -> None:
    assert not judge_project(check, {"prod": ""}, {"prod": "chart/values-prod.yaml"})


def test_guesses_no_new_name_for_very_many(judge_project: JudgeProject) -> None:
    orphans = {f"prodution{number}": f"chart/values-prodution{number}.yaml" for number in range(30)}
    found = judge_project(check, {"production": ""}, orphans)
    assert [bool(help_text and "is its new name" in help_text) for help_text in found.helps] == [True] * 20 + [
        False
    ] * 10
