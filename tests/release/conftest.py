"""Tests of what `make dist` built; `make dist-check` runs them, and no other run does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"


def pytest_itemcollected(item: pytest.Item) -> None:
    if "PLATFORM_SECRETS_DIST" not in os.environ:
        item.add_marker(pytest.mark.skip("`make dist-check` runs it"))


@pytest.fixture(scope="session")
def wheel() -> Path:
    (wheel,) = DIST.glob("*.whl")
    return wheel


@pytest.fixture(scope="session")
def chart() -> Path:
    (chart,) = DIST.glob("*.tgz")
    return chart


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The locked packages that the wheel needs, alone and with the extra `backup`: no index is asked for others."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    blocks = (ROOT / "requirements/extras.txt").read_text("utf-8").replace("\\\n", "").splitlines()
    (backup,) = [line for line in blocks if line.startswith("pyrage==")]
    (folder / "backup.txt").write_text(backup + "\n", "utf-8")
    files = ("-r", ROOT / "requirements/runtime.txt", "-r", folder / "backup.txt")
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    locked = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", folder)
    done = subprocess.run(
        [*map(str, (*pip, *locked, *files))], capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode:
        pytest.skip(f"the wheel's dependencies cannot be had: {done.stderr.strip().splitlines()[-1]}")
    return folder
