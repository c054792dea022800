"""Writes every command line that is printed, of this program and of others, so that it works when it is pasted.

The only module that quotes for a shell.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from typing import Final

PROGRAM = "platform-secrets"
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
