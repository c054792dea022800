"""Writes the line that installs an extra, such as a store's client, beside the program that is running."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from compiler.text.command_line import PROGRAM, shell_line

_CLONE = Path(__file__).resolve().parents[2]


def install_line(extra: str | None = None) -> str:
    """The `pip install` of the extra, or of the program alone, for the Python that runs this, quoted for a shell.

    Where the program runs from a clone without being installed, the clone is named: its bare name would be asked of a
    package index, where anybody may offer something under it. pip asks none where the program is installed.
    """
    try:
        distribution(PROGRAM)
    except PackageNotFoundError:
        what = str(_CLONE)
    else:
        what = PROGRAM
    if extra is not None:
        what += f"[{extra}]"
    return shell_line(sys.executable or "python", "-m", "pip", "install", what)
