from compiler.rules.orphan_values import check
from tests.unit.rules.conftest import JudgeProject


def test_finds_a_values_file_without_environment(judge_project: JudgeProject) -> None:
    found = judge_project(check, {"prod": ""}, {"prod": "chart/values-prod.yaml", "qa": "chart/values-qa.yaml"})
    assert found.messages == ['no environment is named "qa"']
    assert found.helps == ["`platform-secrets compile --prune` removes this file"]
    assert found.paths == ["chart/values-qa.yaml"]
    assert (found[0].span.line, found[0].span.column) == (1, 1)


def test_names_what_it_may_be_called_now(judge_project: JudgeProject) -> None:
    found = judge_project(check, {"production": ""}, {"prodution": "chart/values-prodution.yaml"})
    assert (found.helps[0] or "").endswith('"production" may be its new name')


def test_leaves_the_files_of_environments_alone(judge_project: JudgeProject) -> None:
    assert not judge_project(check, {"prod": ""}, {"prod": "chart/values-prod.yaml"})


def test_guesses_no_new_name_for_very_many(judge_project: JudgeProject) -> None:
    orphans = {f"prodution{number}": f"chart/values-prodution{number}.yaml" for number in range(30)}
    found = judge_project(check, {"production": ""}, orphans)
    assert [bool(help_text and "may be its new name" in help_text) for help_text in found.helps] == [True] * 20 + [
        False
    ] * 10
