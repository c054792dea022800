"""Asks a person on a terminal for hidden values and for confirmation; nothing typed is shown or kept."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from compiler.cli.terminal.outlet import standard_error
from compiler.refusal import Refusal
from compiler.stores.values.secret import SecretValue

if TYPE_CHECKING:
    from collections.abc import Sequence


def is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):
        # A closed standard input.
        return False


def hidden(question: str) -> SecretValue | None:
    """One line that is not shown while it is typed; None for an empty one. Raises Refusal without an answer.

    A line of a terminal holds 4,095 bytes at most: longer values come from a file.
    """
    from getpass import getpass  # noqa: PLC0415 - only for prompts

    sys.stderr.flush()
    try:
        text = getpass(question)
    except (EOFError, UnicodeDecodeError):
        # The second would show what was typed.
        text = None
    if text is None:
        raise Refusal("cannot run", "the input ended or is not UTF-8", "nothing was written; run the command again")
    return SecretValue(text) if text else None


def hidden_values(keys: Sequence[str]) -> dict[str, SecretValue]:
    """The values typed for `keys`; one that is left empty stays as it is. Raises Refusal without a terminal."""
    if not is_terminal():
        raise Refusal("usage", "no terminal to ask for values on", "give the values with --stdin or --from-file")
    standard_error().lines(["Input is hidden. Leave a value empty to keep the key unchanged."])
    typed = {key: hidden(f"{key}: ") for key in keys}
    return {key: value for key, value in typed.items() if value is not None}


def confirmed(question: str) -> bool:
    """Whether the answer is y or yes. An end of input is a no."""
    sys.stdout.flush()
    outlet = standard_error()
    outlet.write(f"{question} [y/N] ")
    outlet.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
