from pathlib import Path

import pytest

from compiler.model.document import Severity
from compiler.pipeline import compile_project
from compiler.rules.operator_version import find_newer_operator_version, find_operator_version
from tests.platforms import BASE, CATALOGUE
from tests.unit.rules.conftest import Judge

KNOWN = "known are 0.16 to 0.20, 1.0 to 1.3 and 2.0 to 2.12"


@pytest.mark.parametrize(
    ("version", "message", "way_out"),
    [
        ("v2.9.1", "this is not a minor version", 'write "2.9"'),
        ("2.9.0", "this is not a minor version", 'write "2.9"'),
        ("latest", "this is not a minor version", 'write it as "2.9"'),
        ("2", "this is not a minor version", 'write it as "2.9"'),
        ("2.09", "this is not a minor version", 'write "2.09"'),
        ("0.15", "this version does not serve external-secrets.io/v1", "use 0.16 or newer; " + KNOWN),
        ("0.21", "there is no such version", KNOWN),
        ("1.4", "there is no such version", KNOWN),
    ],
)
def test_finds_a_version_that_cannot_be_written_for(judge: Judge, version: str, message: str, way_out: str) -> None:
    found = judge(find_operator_version, f'externalSecretsOperator: "{version}"')
    assert found.messages == [message]
    assert found.helps == [way_out]
    assert found.marked == [f'"{version}"']


@pytest.mark.parametrize("version", ["0.16", "0.20", "1.0", "1.3", "2.0", "2.9", "2.10", "2.12", "2.13", "3.0"])
def test_leaves_known_and_newer_versions_alone(judge: Judge, version: str) -> None:
    assert not judge(find_operator_version, f'externalSecretsOperator: "{version}"')


def test_leaves_a_missing_version_to_another_rule(judge: Judge) -> None:
    assert not judge(find_operator_version, "externalSecretsOperator: null")


@pytest.mark.parametrize("version", ["2.13", "2.14", "3.0"])
def test_finds_a_newer_version(judge: Judge, version: str) -> None:
    found = judge(find_newer_operator_version, f'externalSecretsOperator: "{version}"')
    assert found.messages == [f'External Secrets Operator "{version}" is not known yet and treated as 2.12']
    assert found.marked == [f'"{version}"']


@pytest.mark.parametrize("version", ["2.9", "2.10", "2.11", "2.12", "0.16", "latest"])
def test_leaves_others_alone(judge: Judge, version: str) -> None:
    assert not judge(find_newer_operator_version, f'externalSecretsOperator: "{version}"')
    assert not judge(find_newer_operator_version, "externalSecretsOperator: null")


def test_is_a_note_which_fails_no_strict_run() -> None:
    assert find_newer_operator_version.severity is Severity.NOTE


def test_it_is_said_once_for_all_environments_and_can_be_waived(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    base = tmp_path / "environments/base.yaml"
    base.write_text(BASE.replace('"2.9"', '"2.14"'), "utf-8")
    (tmp_path / "environments/catalogue.yaml").write_text(CATALOGUE, "utf-8")
    for name in ("dev", "prod"):
        (tmp_path / f"environments/{name}.yaml").write_text(f"namespace: {name}\n", "utf-8")
    assert [each.rule for each in compile_project(tmp_path).diagnostics].count(find_newer_operator_version.id) == 1
    with base.open("a") as file:
        file.write("waive: {newer-operator-version: compared with its definitions}\n")
    assert find_newer_operator_version.id not in {each.rule for each in compile_project(tmp_path).diagnostics}
