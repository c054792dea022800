from pathlib import Path

import pytest

from compiler.model.document import Severity
from compiler.pipeline import compile_project
from compiler.rules.newer_operator_version import check
from tests.platforms import BASE, CATALOGUE
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize("version", ["2.13", "2.14", "3.0"])
def test_finds_a_newer_version(judge: Judge, version: str) -> None:
    found = judge(check, f'externalSecretsOperator: "{version}"')
    assert found.messages == [f'External Secrets Operator "{version}" is not known yet and treated as 2.12']
    assert found.marked == [f'"{version}"']


@pytest.mark.parametrize("version", ["2.9", "2.10", "2.11", "2.12", "0.16", "latest"])
def test_leaves_others_alone(judge: Judge, version: str) -> None:
    assert not judge(check, f'externalSecretsOperator: "{version}"')
    assert not judge(check, "externalSecretsOperator: null")


def test_is_a_note_which_fails_no_strict_run() -> None:
    assert check.severity is Severity.NOTE


def test_it_is_said_once_for_all_environments_and_can_be_waived(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    base = tmp_path / "environments/base.yaml"
    base.write_text(BASE.replace('"2.9"', '"2.14"'), "utf-8")
    (tmp_path / "environments/catalogue.yaml").write_text(CATALOGUE, "utf-8")
    for name in ("dev", "prod"):
        (tmp_path / f"environments/{name}.yaml").write_text(f"namespace: {name}\n", "utf-8")
    assert [each.rule for each in compile_project(tmp_path).diagnostics].count(check.id) == 1
    with base.open("a") as file:
        file.write("waive: {newer-operator-version: compared with its definitions}\n")
    assert check.id not in {each.rule for each in compile_project(tmp_path).diagnostics}
