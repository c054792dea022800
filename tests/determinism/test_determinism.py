"""The same input gives the same bytes, whatever the process was started with."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What an interpreter reads at its start: four processes, no two alike. A locale that is not installed is one more case.
STARTS = [
    {
        "PYTHONHASHSEED": "random",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_COLLATE": "sv_SE.UTF-8",
        "LC_NUMERIC": "de_DE.UTF-8",
        "LC_TIME": "ja_JP.UTF-8",
    },
    {"PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "300"},
    {"PYTHONHASHSEED": "2", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "LANGUAGE": "tr:ja", "COLUMNS": "20"},
    {
        "PYTHONHASHSEED": "3",
        "LC_ALL": "tr_TR",
        "LC_CTYPE": "tr_TR",
        "PYTHONIOENCODING": "",
        "TERM": "xterm-256color",
        "PYTHONOPTIMIZE": "1",
    },
]
# The first has a second run, which sees nothing of the first.
RUNS = len(STARTS) + 1
ZONES = ["UTC", "Asia/Kathmandu", "America/St_Johns", "Pacific/Kiritimati", "Etc/GMT+12"]
UMASKS = [0o022, 0o077, 0o000, 0o027]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The shipped environments, with texts that a locale or an encoding could spoil."""
    root = tmp_path / "project"
    shutil.copytree(ROOT / "environments", root / "environments")
    odd = root / "environments/odd.yaml"
    text = 'annotations: {example.com/owner: "\u00e4\U0001f511\\n\u20ac"}\n'
    text += "stores: {vault: {prefix: odd/}, azure: {vaultUrl: https://odd.vault.azure.net}}\n"
    odd.write_text(text + "secrets: {global: {use: [openai, azure-openai]}}\n", "utf-8")
    return root


def compiled(
    project: Path, out: Path, folder: Path | None = None, umask: int = 0o022, **environment: str
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


def surroundings(start: int, folders: list[str]) -> list[dict[str, object]]:
    """Those of the runs of a start: together each time zone, each umask and each folder."""
    numbers = range(2) if start == 0 else [start + 1]
    return [{"zone": ZONES[n % 5], "umask": UMASKS[n % 4], "folder": folders[n % 3]} for n in numbers]


def test_every_run_prints_and_writes_the_same_bytes(project: Path, tmp_path: Path) -> None:
    folders = [str(ROOT), str(project), "/"]
    variables = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": "/"}
    program = str(ROOT / "tests/determinism/many_runs.py")
    first: dict[str, list[Any]] = {}
    every_rule = b""
    runs = 0
    for start, own in enumerate(STARTS):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, program, str(project), str(out), json.dumps(surroundings(start, folders))],
            capture_output=True,
            check=False,
            cwd=ROOT,
            env={**variables, **own},
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        texts, *lines = done.stdout.splitlines()
        every_rule = every_rule or texts
        assert texts == every_rule, own
        for line in lines:
            runs += 1
            found = json.loads(line)
            first = first or found
            assert found.keys() == first.keys()
            for name, shown in found.items():
                assert shown == first[name], (own, name)
    assert runs == RUNS
    codes = {name: shown[0] for name, shown in first.items() if not name.endswith(".yaml")}
    assert list(codes.values()) == [0, 0, 1, 0, 0, 1, 1, 1, 1], codes
    assert [name for name in first if name.endswith(".yaml")] == [
        f"values-{name}.yaml" for name in ("dev", "odd", "prod", "staging")
    ]


def test_nothing_a_process_is_started_with_changes_a_byte_or_the_mode(project: Path, tmp_path: Path) -> None:
    first = compiled(project, tmp_path / "first", PYTHONHASHSEED="0")
    assert set(first) == {f"values-{name}.yaml" for name in ("dev", "odd", "prod", "staging")}
    assert {mode for _, mode in first.values()} == {0o644}
    for content, _ in first.values():
        assert str(tmp_path).encode() not in content
    posix = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    own = {**posix, "PYTHONHASHSEED": "4711", "TZ": "Asia/Kathmandu", "HOME": str(tmp_path), "COLUMNS": "20"}
    assert compiled(project, tmp_path / "posix", tmp_path, 0o077, **own) == first
    moved = tmp_path / "another folder with \u00e4"
    project.rename(moved)
    assert compiled(moved, tmp_path / "second", PYTHONHASHSEED="0") == first


def test_a_second_run_touches_nothing(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    compiled(project, out)
    before = {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.iterdir()}
    compiled(project, out, umask=0o077, PYTHONHASHSEED="1")
    assert {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in out.iterdir()} == before
