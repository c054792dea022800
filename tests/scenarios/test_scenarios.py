"""Each scenario prints and changes what its file says."""

import difflib
import shutil
from pathlib import Path

import pytest

from tests.scenarios.runner import Scenario

HERE = Path(__file__).resolve().parent
CHART = HERE.parents[1] / "chart"
CASES = sorted((HERE / "cases").rglob("*.txt"))
# What a person's shell may say to the program.
VARIABLES = ("AI_PLATFORM_SECRET_STORE", "AZURE_KEYVAULT_NAME", "PLATFORM_SECRETS_HELM", "VAULT_ADDR", "NO_COLOR")


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    root = tmp_path / "shop"
    shutil.copytree(HERE / "project", root)
    shutil.copytree(CHART, root / "chart", ignore=shutil.ignore_patterns("values-*.yaml"))
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return Scenario(root, monkeypatch)


@pytest.mark.parametrize("path", CASES, ids=[f"{path.parent.name}-{path.stem}" for path in CASES])
def test_a_scenario_prints_and_changes_what_it_says(
    path: Path, scenario: Scenario, request: pytest.FixtureRequest
) -> None:
    expected = path.read_text("utf-8")
    found = scenario.replay(expected)
    if request.config.getoption("--update-scenarios", default=False):
        path.write_text(found, "utf-8")
        return
    lines = difflib.unified_diff(expected.splitlines(), found.splitlines(), "expected", "found", lineterm="")
    assert found == expected, "\n".join(lines)


def test_an_output_with_a_value_fails(scenario: Scenario) -> None:
    # Names are printed: here one is a value too.
    with pytest.raises(AssertionError, match="verify dev prints a value"):
        scenario.replay("% vault shop/db DB_USER=DB_PASSWORD\n$ verify dev\n")


def test_what_cannot_happen_fails(scenario: Scenario) -> None:
    with pytest.raises(pytest.fail.Exception, match="nothing of that form can happen"):
        scenario.replay("% explode\n")
