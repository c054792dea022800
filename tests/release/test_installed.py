"""The wheel in environments of its own, installed as README says, by pipx and by uv, with nothing of this machine."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.dist import version_in
from tests.release.conftest import ROOT

# With both on PATH pipx installs by uv, as wherever uv is; alone it first fetches a newer pip, in half a minute.
PROGRAMS = f"{ROOT}/.tools/dist/bin:{ROOT}/.venv/bin"
README = (ROOT / "README.md").read_text("utf-8")
(LINE,) = re.findall(r"^pipx install .*?(?= +# or `uv tool install` the same$)", README, re.MULTILINE)
Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, wheelhouse: Path) -> Run:
    """Runs a line of a shell in an empty home; what is installed there comes first on PATH."""
    environment = {
        "PATH": f"{tmp_path}/bin:{os.defpath}",
        "HOME": str(tmp_path),
        "NO_COLOR": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheelhouse),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(wheelhouse),
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_TOOL_DIR": str(tmp_path / "uv-tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
    }

    def invoke(line: str, *, programs: str = "", folder: Path = tmp_path) -> str:
        path = f"{programs}:{environment['PATH']}" if programs else environment["PATH"]
        done = subprocess.run(
            ["/bin/bash", "-c", line],
            cwd=folder,
            env={**environment, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return invoke


def use(run: Run, program: str, folder: Path, *, programs: str = "") -> None:
    """From an empty folder to a values file, without Helm, a network or an account."""
    version = run(f"{program} --version", programs=programs)
    assert version == f"platform-secrets {version_in(ROOT)}\n"
    run(f"{program} new project shop", programs=programs)
    project = folder / "shop"
    run(f"{program} new secret db --key DB_PASSWORD --into base", programs=programs, folder=project)
    done = run(f"{program} compile", programs=programs, folder=project)
    assert done.startswith("chart/values-dev.yaml: written, 1 secret, 1 key")
    assert (project / "chart/values-dev.yaml").is_file()


@pytest.mark.parametrize("install", ["pipx install", "uv tool install"])
def test_the_line_of_readme_installs_the_program(run: Run, wheel: Path, tmp_path: Path, install: str) -> None:
    # The wheel by its whole path, and of the extras the one whose packages are small.
    line, count = re.subn(r"\./dist/platform_secrets-[\w.-]+\.whl\[[\w,]+\]", f"{wheel}[backup]", LINE)
    assert count == 1, line
    run(line.replace("pipx install", install), programs=PROGRAMS)
    use(run, "platform-secrets", tmp_path)
    (imports,) = [path for path in tmp_path.rglob("site-packages/pyrage") if path.is_dir()]
    assert imports.with_name("compiler").is_dir()


# Pipx installs by uv where that is on PATH, and leaves pip out then, as uv does; alone it puts pip in, as venv does.
@pytest.mark.parametrize("install", ["pipx install", "uv tool install", "pip install"])
def test_the_line_for_an_extra_that_is_missing_installs_it(run: Run, wheel: Path, tmp_path: Path, install: str) -> None:
    if install == "pip install":
        run(f"{sys.executable} -m venv own && own/bin/python -m pip install {shlex.quote(str(wheel))}")
        run("mkdir bin && ln -s ../own/bin/platform-secrets bin")
    else:
        run(f"{install} {shlex.quote(str(wheel))}", programs=PROGRAMS)
    (compiler,) = [path for path in tmp_path.rglob("site-packages/compiler") if path.is_dir()]
    assert not compiler.with_name("pyrage").exists()
    python = compiler.parents[3] / "bin/python"
    line = run(f"{python} -c 'from compiler.text.wording import install_line; print(install_line(\"backup\"))'")
    run(line, programs=PROGRAMS)
    assert compiler.with_name("pyrage").is_dir()
    use(run, "platform-secrets", tmp_path)


def test_uvx_runs_the_wheel_without_installing_it(run: Run, wheel: Path, tmp_path: Path) -> None:
    use(run, f"uvx --from {shlex.quote(str(wheel))} platform-secrets", tmp_path, programs=PROGRAMS)
    assert not (tmp_path / "bin").exists()
