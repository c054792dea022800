"""The hooks install what the locks say and run no code of the project that they are used in."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from tests.ci.conftest import Workspace

ROOT = Path(__file__).resolve().parents[2]
HOOKS: Any = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))


def locked(name: str) -> list[str]:
    """The requirements of a lock, without their hashes."""
    lines = (ROOT / f"requirements/{name}.txt").read_text("utf-8").splitlines()
    return [line.removesuffix("\\").strip() for line in lines if re.match(r"[a-z]", line)]


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_installs_the_versions_of_the_lock_as_wheels(hook: dict[str, Any]) -> None:
    wheels, *pins = hook["additional_dependencies"]
    assert wheels == "--only-binary=:all:"
    assert pins == locked("runtime"), "write the lines of requirements/runtime.txt into .pre-commit-hooks.yaml"


def test_what_builds_the_project_is_pinned_whole() -> None:
    waiting, closure = ["hatchling"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in closure:
            continue
        closure.add(name)
        needed = map(Requirement, requires(name) or ())
        waiting += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    expected = [pin for pin in locked("dev") if pin.partition("==")[0] in closure]
    assert len(expected) == len(closure)
    said = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert said == expected, "write the versions of requirements/dev.txt into pyproject.toml"


@pytest.mark.parametrize("hook", HOOKS, ids=[hook["id"] for hook in HOOKS])
def test_a_hook_runs_no_code_of_the_project(hook: dict[str, Any], workspace: Workspace) -> None:
    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    # As pre-commit does it: the hook's environment comes first on PATH.
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.defpath}"}
    command = ["/usr/bin/env", *shlex.split(hook["entry"])]
    for is_stale in (False, True):
        # Once as it is, and once where Python looks into the project because of a variable as well.
        path = {"PYTHONPATH": "."} if is_stale else {}
        if is_stale:
            (workspace.root / "chart/values-prod.yaml").unlink()
        done = subprocess.run(
            command, cwd=workspace.root, env=environment | path, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == int(is_stale and "--check" in hook["entry"]), done.stderr
    assert not workspace.ran.exists(), workspace.ran.read_text("utf-8")
    assert (workspace.root / "chart/values-prod.yaml").exists() == ("--check" not in hook["entry"])
