"""Writes the command lines of this program that messages print, so that they work for whoever pastes them."""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from typing import Final

PROGRAM = "platform-secrets"
_ROOT: Final[ContextVar[str | None]] = ContextVar("the project's folder, as the command was given it", default=None)


def name_project(root: str | None) -> None:
    """Let every command line from here on name this folder of the project; None where it is found from here."""
    _ROOT.set(root)


def command_line(*words: str) -> str:
    """The line that runs this program with `words` in the same project, quoted for a shell.

    `words` may hold no secret's value.
    """
    import shlex  # noqa: PLC0415 - only where one is printed

    root = _ROOT.get()
    return shlex.join([PROGRAM, *(["--root", root] if root is not None else []), *words])
