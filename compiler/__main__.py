"""Starts the program: `platform-secrets`, and `python -m compiler`."""

from __future__ import annotations

import sys

# Where it is run from a clone nobody has asked this; what is imported below needs it.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.stderr.write(f"error: Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}\n")
    sys.stderr.write("help: run it with a newer one; with make, set PYTHON, such as `make values PYTHON=python3.12`\n")
    raise SystemExit(3)

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
