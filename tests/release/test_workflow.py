"""actionlint on the workflows, their shell lines included."""

import os
import shutil
import subprocess

import pytest

from tests.release.conftest import ROOT

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
FOLDER = ROOT / ".tools/actionlint"


def actionlint() -> str:
    """The program on PATH or in `.tools`, where Go builds it if it can be had in 40 seconds; another run goes on."""
    found = shutil.which("actionlint", path=f"{os.environ['PATH']}:{FOLDER}")
    if found:
        return found
    go = shutil.which("go")
    if go is None:
        pytest.skip("actionlint is not on PATH, and Go, which builds it, is not there either")
    try:
        environment = {**os.environ, "GOBIN": str(FOLDER)}
        subprocess.run([go, "install", ACTIONLINT], env=environment, check=True, capture_output=True, timeout=40)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"actionlint cannot be built: {error}")
    return str(FOLDER / "actionlint")


def test_actionlint_finds_nothing() -> None:
    # With shellcheck, which it looks for on PATH.
    environment = {"PATH": f"{ROOT}/.venv/bin:{os.defpath}"}
    command = [actionlint(), "-no-color", *map(str, sorted((ROOT / ".github/workflows").glob("*.yml")))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
