import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[4]


def test_environments_are_listed_for_the_scripts(run: Callable[..., Any], project: Path) -> None:
    assert run("completion", "--environments").out == "dev\nprod\nstaging\n"


def test_outside_a_project_there_is_nothing_to_complete(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("completion", "--environments")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_a_shell_must_be_named(run: Callable[..., Any]) -> None:
    assert run("completion").code == 2
    assert run("completion", "tcsh").code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(run: Callable[..., Any], shell: str) -> None:
    script = run("completion", shell).out
    assert all(name in script for name in COMMANDS)
    assert "parity" in script
    assert "completion --environments" in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_the_script(run: Callable[..., Any], shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [program, "-n"], input=run("completion", shell).out, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


COMPLETED = {
    "platform-secrets com": ["compile", "completion"],
    "platform-secrets compile pr": ["prod"],
    "platform-secrets verify st": ["staging"],
    "platform-secrets compile --ch": ["--check"],
    "platform-secrets --root . compile --par": ["--parity"],
    "platform-secrets rules --f": ["--format"],
    "platform-secrets --de": ["--debug"],
}


def test_bash_completes(project: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = f"""
platform-secrets() {{ {sys.executable} -m compiler "$@"; }}
eval "$(platform-secrets completion bash)"
while read -r line; do
  COMP_WORDS=($line); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
  _platform_secrets </dev/null
  echo "${{COMPREPLY[@]}}"
done
"""
    done = subprocess.run(
        [bash, "-c", script],
        input="".join(f"{line}\n" for line in COMPLETED),
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
    )
    assert dict(zip(COMPLETED, map(str.split, done.stdout.splitlines()), strict=True)) == COMPLETED
