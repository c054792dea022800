"""scripts/migrate_secrets_to_azure.py: the old command's name, and what it fills in."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.platforms import write_project

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts/migrate_secrets_to_azure.py"
BASE = """
namespace: agents
store: vault
refreshInterval: 1h
stores:
  vault: {provider: vault, name: vault-store, server: "https://vault.example.com:8200"}
  key-vault: {provider: azurekv, name: azure-store, vaultUrl: "https://agents.vault.azure.net"}
secrets: {jira: {}}
"""
CATALOGUE = """
secrets:
  jira:
    description: Jira agent
    target: agent-jira-secrets
    remote: {vault: agents/jira, azurekv: agents-jira}
    syncWave: -49
    keys: {JIRA_TOKEN: {description: Token}}
"""


def test_the_task_needs_no_packages_for_tests() -> None:
    tasks = (ROOT / "Makefile").read_text("utf-8")
    assert "\nmigrate-secrets-to-azure: .venv/.program ##" in tasks


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_project(tmp_path, base=BASE, catalogue=CATALOGUE, prod="labels: {team: platform}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("APPLY", raising=False)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[str]]]:
    """Run the script's function with `migrate` noted and not run."""
    spec = importlib.util.spec_from_file_location("migrate_secrets_to_azure", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    seen: list[str] = []

    def note(argv: list[str]) -> int:
        seen.extend(argv)
        return 0

    monkeypatch.setattr(module, "main", note)

    def run(*arguments: str) -> tuple[int, list[str]]:
        seen.clear()
        return module.run(list(arguments)), list(seen)

    return run


def test_the_only_environment_and_its_only_key_vault_are_filled_in(
    project: Path, asked: Callable[..., tuple[int, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked() == (0, ["migrate", "prod", "--to", "key-vault"])
    monkeypatch.setenv("APPLY", "1")
    assert asked("prod", "--only", "jira") == (0, ["migrate", "prod", "--to", "key-vault", "--only", "jira", "--apply"])
    assert asked("--undo", "run", "--apply") == (0, ["migrate", "prod", "--undo", "run", "--apply"])
    monkeypatch.setenv("APPLY", "0")
    assert asked("prod", "--undo=run") == (0, ["migrate", "prod", "--undo=run"])
    assert asked("prod", "--to=vault") == (0, ["migrate", "prod", "--to=vault"])


def test_several_environments_or_key_vaults_are_a_usage_error_that_lists_them(
    project: Path, asked: Callable[..., tuple[int, list[str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "environments/dev.yaml").write_text("labels: {team: platform}\n", "utf-8")
    assert asked() == (2, [])
    assert "there are: dev, prod" in capsys.readouterr().err
    second = '  second: {provider: azurekv, name: second-store, vaultUrl: "https://second.vault.azure.net"}\nsecrets:'
    (project / "environments/base.yaml").write_text(BASE.replace("secrets:", second, 1), "utf-8")
    assert asked("prod") == (2, [])
    assert "its stores of that kind are: key-vault, second" in capsys.readouterr().err


def test_what_is_wrong_with_the_input_is_for_migrate_to_tell(
    project: Path, asked: Callable[..., tuple[int, list[str]]]
) -> None:
    (project / "environments/catalogue.yaml").unlink()
    assert asked() == (0, ["migrate", "prod", "--to", "azure"])


def test_without_a_project_it_cannot_run(
    tmp_path: Path, asked: Callable[..., tuple[int, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert asked()[0] == 3


def test_it_runs_by_its_path_and_says_that_an_environment_is_not_there(project: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT, "prd"], capture_output=True, text=True, check=False, cwd=project)
    assert (done.returncode, 'there is no environment "prd"' in done.stderr) == (2, True)
