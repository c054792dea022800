"""Quotes every command line that is printed, of this program and of others, so that it works when pasted.

The only module that quotes for a shell.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from typing import Final

PROGRAM = "platform-secrets"
# The option that names a store of others, which messages offer where one may be the same.
NOT_THE_SAME = "--not-the-same"
BLANK = "…"
_ROOT: Final[ContextVar[str | None]] = ContextVar("the project's folder, as the command was given it", default=None)


def name_project(root: str | None) -> None:
    """Let every command line from here on name this folder of the project; None where it is found from here."""
    _ROOT.set(root)


def command_line(*words: str) -> str:
    """The line that runs this program with `words` in the same project, quoted for a shell.

    `words` may hold no secret's value.
    """
    root = _ROOT.get()
    return shell_line(PROGRAM, *(["--root", root] if root is not None else []), *words)


def shell_line(*words: str) -> str:
    """`words`, such as those of a `kubectl` command, quoted for a shell; `…` stands for what the reader fills in.

    `words` may hold no secret's value.
    """
    import shlex  # noqa: PLC0415 - only where one is printed

    return " ".join(word if word == BLANK else shlex.quote(word) for word in words)


def install_line(extra: str | None = None) -> str:
    """The `pip install` of an extra, such as a store's client, or of the program alone, for the Python that runs this.

    Where the program runs from a clone without being installed, the clone is named: its bare name would be asked of a
    package index, where anybody may offer something under it. pip asks none where the program is installed.
    """
    import sys  # noqa: PLC0415 - only where one is printed
    from importlib.metadata import PackageNotFoundError, distribution  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    try:
        distribution(PROGRAM)
    except PackageNotFoundError:
        what = str(Path(__file__).resolve().parents[2])
    else:
        what = PROGRAM
    if extra is not None:
        what += f"[{extra}]"
    return shell_line(sys.executable or "python", "-m", "pip", "install", what)
