"""A copy of the shipped project to verify, and the command run on it; the stores are those of the folder above."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.commands import run_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands import Done

ROOT = Path(__file__).resolve().parents[3]
VARIABLES = (
    "AI_PLATFORM_SECRET_STORE",
    "AZURE_KEYVAULT_NAME",
    "AZURE_KEYVAULT_CACERT",
    "AZURE_KEYVAULT_TOKEN",
    "AZURE_KEYVAULT_EMULATOR",
    "VAULT_ADDR",
    "VAULT_TOKEN",
    "VAULT_NAMESPACE",
    "VAULT_CACERT",
)

# Every entry with every variant of it; the shipped base has the others.
EVERY_SECRET = """\
  global: {use: [openai, azure-openai, aws-bedrock]}
  github: {use: [pat, app]}
  slack-bot: {use: [oauth2]}
  caipe-ui: {use: [langfuse]}
  aws: {}
  confluence: {}
  gitlab: {}
  komodor: {}
  splunk: {}
  victorops: {}
  webex: {}
  mongodb: {}
"""


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # No token of whoever runs the tests.
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The shipped catalogue and base, without environments."""
    root = tmp_path / "project"
    (root / "environments").mkdir(parents=True)
    for name in ("base", "catalogue"):
        shutil.copy(ROOT / f"environments/{name}.yaml", root / "environments")
    return root


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command on the project in this process."""

    def invoke(*argv: str | Path) -> Done:
        return run_command(capsys, "--root", project, *argv)

    return invoke
