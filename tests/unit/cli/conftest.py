"""A copy of the shipped project to run commands in, and the commands run in this process or in one of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from compiler.live.stores import LiveStores
from tests.commands import Done, RunCommand, run_command
from tests.lying_cluster import LyingCluster
from tests.unit.cli.two_ends import KEY, VAULT, WRITING, Ends, Writing, journal

ROOT = Path(__file__).resolve().parents[3]
# What a person's shell may say to the program.
VARIABLES = (
    *("AI_PLATFORM_SECRET_STORE", "AZURE_KEYVAULT_NAME", "PLATFORM_SECRETS_HELM", "VAULT_ADDR"),
    *("NO_COLOR", "FORCE_COLOR"),
)


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped input and chart, without values files; the working folder."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "environments", root / "environments")
    shutil.copytree(ROOT / "chart", root / "chart", ignore=shutil.ignore_patterns("values-*.yaml"))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command in this process."""

    def invoke(*argv: str | Path) -> Done:
        return run_command(capsys, *argv)

    return invoke


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a command in a process of its own, with pipes on both of its outputs."""

    def popen(*argv: str, **variables: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        return subprocess.Popen(
            [sys.executable, "-m", "compiler", *argv],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environment, "PYTHONPATH": str(ROOT), **variables},
        )

    return popen


@pytest.fixture
def edit(project: Path) -> Callable[[str, str, str], None]:
    """Replaces a text that must stand in a file of the project."""

    def replace(path: str, old: str, new: str) -> None:
        file = project / path
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), "utf-8")

    return replace


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """What the writing commands open in place of the project's stores; the Vault holds a token."""
    made = Ends()
    made.vault.seed(VAULT, **{KEY: "token"})

    def stores(environ: Mapping[str, str]) -> LiveStores:
        return LiveStores(environ, made.open)

    monkeypatch.setattr("compiler.cli.running.LiveStores", stores)
    monkeypatch.setenv("AZURE_KEYVAULT_NAME", "ai-platform")
    return made


@pytest.fixture
def lying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LyingCluster]:
    """The cluster of the kubeconfig."""
    with LyingCluster() as cluster:
        monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig(tmp_path)))
        yield cluster


@pytest.fixture(params=WRITING)
def writing(request: pytest.FixtureRequest, project: Path, ends: Ends, run: RunCommand) -> Writing:
    """Each command that writes to stores, in turn."""
    return Writing(request.param, project, ends, run)


@pytest.fixture
def migrate(project: Path, run: RunCommand, ends: Ends) -> Writing:
    """Copies one secret into the Key Vault."""
    return Writing("migrate", project, ends, run)


@pytest.fixture
def done(project: Path, writing: Writing) -> str:
    """The id of a run that is complete."""
    found = writing("--apply")
    assert found.code == 0, found.out + found.err
    return journal(project).stem
