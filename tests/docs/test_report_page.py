"""What the page about `report` has others run: the live page is attached in a private repository alone."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/report.md").read_text("utf-8")
(TEXT,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
WORKFLOW: Any = yaml.safe_load(TEXT)


def test_the_page_is_attached_only_where_the_repository_is_private() -> None:
    for job in WORKFLOW["jobs"].values():
        uploads = [step for step in job["steps"] if step.get("uses", "").startswith("actions/upload-artifact")]
        assert uploads
        # Of an event without a repository this is false.
        assert job["if"] == "${{ github.event.repository.private == true }}"


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 0), (3, 0), (2, 2), (4, 4)])
def test_a_finding_is_drawn_and_a_failure_is_none(tmp_path: Path, code: int, expected: int) -> None:
    program = tmp_path / "platform-secrets"
    program.write_text(f'#!/bin/sh\n[ "$1" = report ] && exec touch secrets.html\nexit {code}\n', "utf-8")
    program.chmod(0o755)
    (script,) = [step["run"] for step in WORKFLOW["jobs"]["page"]["steps"] if "run" in step]
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env={"PATH": path}, check=False)  # noqa: S607
    assert done.returncode == expected
    assert (tmp_path / "secrets.html").exists() is (expected == 0)
