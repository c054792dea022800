"""The examples of every command's help do what they say: each is run, whole, in a copy of the shipped project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from compiler.cli.command_table import COMMANDS
from compiler.cli.invocation import command
from tests.platform.charts import write_chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.commands import Done
    from tests.conftest import Helm

ROOT = Path(__file__).resolve().parents[3]
# The commands that need no store; those that do are run against local ones by their own tests.
OFFLINE = ("compile", "explain", "diff", "render", "generate", "rules", "new", "completion")
EXAMPLES = [example for name in OFFLINE for example in command(COMMANDS[name][0]).EXAMPLES]
# `diff` says with 1 that there are differences.
DIFFERS = {"platform-secrets diff dev prod", "platform-secrets diff prod --store vault --format markdown"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(
    example: str, run: Callable[..., Done], project: Path, tmp_path: Path, helms: tuple[Helm, ...]
) -> None:
    if "helm get" in example:
        pytest.skip("it asks a cluster")
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / "platform-secrets"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m compiler "$@"\n', "utf-8")
    program.chmod(0o755)
    environment = {
        "PATH": os.pathsep.join((str(tools), str(Path(helms[-1].path).parent), os.defpath)),
        "PYTHONPATH": str(ROOT),
    }
    shell = shutil.which("sh")
    assert shell is not None
    assert run("compile").code == 0
    if "--against" in example and "generate" in example:
        write_chart(project, "0.5.24").rename(project / "ai-platform-engineering")
    # Examples write beside the project where a person would write to /tmp.
    line = example.replace("/tmp/", f"{tmp_path}/scratch/")  # noqa: S108
    done = subprocess.run([shell, "-c", line], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == (1 if example in DIFFERS else 0), done.stderr
    assert done.stdout
