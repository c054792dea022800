"""The program as a process: what only streams, signals and the interpreter's end can break."""

import os
import runpy
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "compiler"]
ENVIRONMENT = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}


def _shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    program = f"{sys.executable} -m compiler"
    return subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", script.replace("platform-secrets", program)],
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **variables},
        cwd=ROOT,
        timeout=60,
    )


def test_a_reader_that_has_enough_is_no_error() -> None:
    done = _shell("platform-secrets rules | head -1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("unreadable-file ")


def test_the_code_stays_what_it_would_have_been() -> None:
    done = _shell("platform-secrets diff dev prod | true; echo ${PIPESTATUS[0]}")
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_lost_output_is_told() -> None:
    done = _shell("platform-secrets rules > /dev/full")
    assert done.returncode == 3
    assert done.stderr == "error: cannot write the output: no space left on device\n"


def test_a_closed_output_never_becomes_a_file(tmp_path: Path) -> None:
    done = _shell(f"platform-secrets compile prod --out {tmp_path} >&- 2>&- <&-")
    assert done.returncode == 0
    assert (tmp_path / "values-prod.yaml").read_text("utf-8").startswith("# Compiled from ")
    assert "written" not in (tmp_path / "values-prod.yaml").read_text("utf-8")


def test_the_locale_changes_no_byte() -> None:
    outputs = {_shell("platform-secrets rules", LC_ALL=locale).stdout for locale in ("C", "POSIX", "C.UTF-8")}
    assert len(outputs) == 1
    assert "…" in outputs.pop() or _shell("platform-secrets rules too-large").stdout.count("…")


def test_ctrl_c_is_130(tmp_path: Path) -> None:
    fifo = tmp_path / "waits"
    os.mkfifo(fifo)
    # A job in a shell's background ignores Ctrl-C, and hands that on to its children; a handler it does not hand on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*COMMAND, "diff", "dev", "--against", str(fifo)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=ENVIRONMENT,
    )
    signal.signal(signal.SIGINT, before)
    # Opening for writing returns once the command has the other end open, and waits for what never comes.
    with fifo.open("wb"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted; nothing was written\n")


def test_an_older_python_is_told_before_anything_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    monkeypatch.setattr(sys, "version", "3.10.13 (main)")
    monkeypatch.setitem(sys.modules, "compiler.cli.main", None)
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(ROOT / "compiler" / "__main__.py"))
    assert caught.value.code == 3
    assert capsys.readouterr().err.splitlines() == [
        f"error: Python 3.11 or newer is needed; {sys.executable} is 3.10.13",
        "help: run it with a newer one; with make, set PYTHON, such as `make values PYTHON=python3.12`",
    ]


def test_both_ways_to_run_the_program_are_one() -> None:
    script = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert script == {"platform-secrets": "compiler.__main__:run"}
