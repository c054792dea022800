"""Runs shell lines as the pages of docs/ show them, with this project's commands on PATH, ready to start at once."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.ready_commands import ready_commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = {
    "platform-secrets": "compiler.__main__:run",
    "page-cluster": "scripts.page_cluster:run",
    "kubectl": "scripts.page_cluster:run_kubectl",
}


@dataclass(frozen=True)
class PageShell:
    """A shell whose `path` begins with the folder of the ready commands."""

    path: str

    def run(self, script: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
        environment = {
            **{key: os.environ[key] for key in ("HOME",) if key in os.environ},
            "PATH": self.path,
            "COLUMNS": "100",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "PYTHONPATH": str(ROOT),
            **(variables or {}),
        }
        done = subprocess.run(
            ["/bin/bash", "-c", script],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=180,
        )
        return done.stdout.decode()


@contextmanager
def page_shell() -> Iterator[PageShell]:
    with tempfile.TemporaryDirectory() as folder, ready_commands(Path(folder), COMMANDS):
        yield PageShell(f"{folder}:{ROOT / '.venv/bin'}:{os.environ['PATH']}")
