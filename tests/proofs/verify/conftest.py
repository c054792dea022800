"""A copy of the shipped project to verify, and the command run on it; the stores are those of the folder above."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

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


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def rules(self) -> list[str]:
        """The ids of the diagnostics, in the order of the text output."""
        lines = [line for line in self.err.splitlines() if "error[" in line or "warning[" in line]
        return [line.partition("[")[2].partition("]")[0] for line in lines]


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
        capsys.readouterr()
        code = main(["--root", str(project), *map(str, argv)])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return invoke
