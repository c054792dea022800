"""Writes a command line of this program as it can be pasted into a shell."""

from __future__ import annotations

import shlex

PROGRAM = "platform-secrets"


def command_line(*words: str) -> str:
    """The command of the `words` after the program's name, each quoted where a shell needs it."""
    return shlex.join([PROGRAM, *words])
