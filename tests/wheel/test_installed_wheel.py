"""The program as its users get it: built from the source distribution and installed, away from the checkout."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Helm

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"PATH": os.defpath, "HOME": str(folder), "NO_COLOR": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The console script of an installed wheel, whose dependencies are those of the running Python."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, folder=ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=unpacked)
    (wheel,) = folder.glob("*.whl")
    home = folder / "venv"
    venv.create(home)
    python = home / "bin/python"
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    # Of this folder only the packages in it count: a path file in it, such as that of an editable install, is not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    # Pip is one of them. Not compiled to bytecode: each module is when it is first used, and most are not here.
    options = ("--no-deps", "--no-index", "--no-compile", "--ignore-installed")
    run(python, "-m", "pip", "install", *options, wheel, folder=folder)
    return home / "bin/platform-secrets"


@pytest.fixture(scope="module")
def command(program: Path, helms: tuple[Helm, ...]) -> Callable[..., str]:
    """Runs the program, with Helm 4 on PATH unless another is named."""

    def invoke(*arguments: str, folder: Path, helm: Helm = helms[-1]) -> str:
        return run(program, *arguments, folder=folder, PATH=f"{Path(helm.path).parent}:{os.defpath}")

    return invoke


@pytest.fixture(scope="module")
def project(command: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with a secret."""
    folder = tmp_path_factory.mktemp("project")
    command("new", "project", "platform", folder=folder)
    command("new", "secret", "db", "--key", "DB_PASSWORD", "--into", "base", folder=folder / "platform")
    printed = command("compile", folder=folder / "platform")
    assert printed == "chart/values-dev.yaml: written, 1 secret, 1 key\n"
    return folder / "platform"


def test_the_wheel_has_the_pages_of_rules_without_a_module(command: Callable[..., str], tmp_path: Path) -> None:
    assert command("rules", "no-answer", folder=tmp_path).startswith(
        "no-answer (error, cannot be waived)\n\nA store did"
    )


def test_the_program_runs_from_the_wheel_alone(program: Path, tmp_path: Path) -> None:
    python = program.with_name("python")
    where = run(python, "-c", "import compiler; print(compiler.__file__)", folder=tmp_path)
    assert where.startswith(str(program.parent.parent))


def test_a_new_project_renders(command: Callable[..., str], helm: Helm, project: Path) -> None:
    rendered = command("render", "dev", folder=project, helm=helm)
    assert 'name: "platform-db"' in rendered
    # As Argo CD does it with `path: chart` and `valueFiles: [values-dev.yaml]`.
    namespace = ("--namespace", "platform")
    assert helm.template(project / "chart/values-dev.yaml", chart=project / "chart", options=namespace) == rendered


def test_a_new_project_proves_itself_and_is_deployed(command: Callable[..., str], project: Path) -> None:
    command("compile", "--check", folder=project)
    deployed = command("generate", "argocd", "--form", "application", "--repo", "https://git/a.git", folder=project)
    # As the project asks for it, a person is asked.
    assert "prune: true" in deployed
    assert "syncedResourceVersion" in command("generate", "argocd-health", folder=project)


def test_an_older_project_gets_the_chart_by_itself(command: Callable[..., str], project: Path) -> None:
    def chart() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (project / "chart").rglob("*") if path.is_file()}

    with_chart = chart()
    for path in with_chart:
        if path.name != "values-dev.yaml":
            path.unlink()
    command("new", "chart", folder=project)
    assert chart() == with_chart
