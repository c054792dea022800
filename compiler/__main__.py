"""Starts the program: `platform-secrets`, and `python -m compiler`."""

from __future__ import annotations

from compiler.cli.main import main
from compiler.start import run_program

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from typing import NoReturn


def run() -> NoReturn:
    """Runs the command that the process was started with, and ends the process."""
    run_program(main)


if __name__ == "__main__":
    run()
