"""The same input gives the same bytes, whatever the process was started with."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The shipped environments, with texts that a locale or an encoding could spoil."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "environments", root / "environments")
    odd = root / "environments/odd.yaml"
    text = 'annotations: {example.com/owner: "\u00e4\U0001f511\\n\u20ac"}\nstores: {vault: {prefix: odd/}}\n'
    odd.write_text(text + "secrets: {global: {use: [openai, azure-openai]}}\n", "utf-8")
    return root


def compiled(
    project: Path, out: Path, *, folder: Path | None = None, umask: int = 0o022, **environment: str
) -> dict[str, tuple[bytes, int]]:
    """The bytes and the mode of every file that a process of its own writes."""
    done = subprocess.run(
        [sys.executable, "-m", "compiler", "--root", str(project), "compile", "--out", str(out)],
        capture_output=True,
        check=False,
        cwd=folder or ROOT,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), **environment},
        umask=umask,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    return {path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in sorted(out.iterdir())}


def test_nothing_a_process_is_started_with_changes_a_byte_or_the_mode(project: Path, tmp_path: Path) -> None:
    first = compiled(project, tmp_path / "first", PYTHONHASHSEED="0")
    assert set(first) == {f"values-{name}.yaml" for name in ("dev", "odd", "prod", "staging")}
    assert {mode for _, mode in first.values()} == {0o644}
    assert compiled(project, tmp_path / "again", PYTHONHASHSEED="0") == first
    assert compiled(project, tmp_path / "seed", PYTHONHASHSEED="4711") == first
    assert compiled(project, tmp_path / "folder", folder=tmp_path) == first
    assert compiled(project, tmp_path / "locale", LC_ALL="C", LANG="C", PYTHONUTF8="0") == first
    assert compiled(project, tmp_path / "posix", LC_ALL="POSIX", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0") == first
    assert compiled(project, tmp_path / "umask", umask=0o077) == first
    assert compiled(project, tmp_path / "time", TZ="Asia/Kathmandu", HOME=str(tmp_path), COLUMNS="20") == first


def test_another_place_of_the_project_changes_nothing(project: Path, tmp_path: Path) -> None:
    first = compiled(project, tmp_path / "first")
    moved = tmp_path / "another folder with \u00e4"
    project.rename(moved)
    assert compiled(moved, tmp_path / "second") == first
    for content, _ in first.values():
        assert str(tmp_path).encode() not in content


def test_a_second_run_touches_nothing(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compiled(project, out)
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.iterdir()}
    compiled(project, out, umask=0o077, PYTHONHASHSEED="1")
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.iterdir()} == before
