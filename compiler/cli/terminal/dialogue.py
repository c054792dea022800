"""Asks a person for hidden values and confirmation, and reads values from a file or a pipe."""

from __future__ import annotations

import re
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

from compiler.cli.terminal.outlet import standard_error
from compiler.model.facts import MAX_INPUT_BYTES
from compiler.model.files import NamedFileError, read_named
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


# Bytes of a terminal's line; Linux drops what is typed beyond them (n_tty), and says nothing.
_LONGEST: Final = 4095
# The first line of a pasted JSON object or array.
_BRACKETS: Final = ("{", "[")
# But for a tab: what keys make that move a cursor nobody sees, or a terminal around what is pasted.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def is_terminal() -> bool:
    """Whether somebody is there to be asked."""
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):
        # A closed standard input.
        return False


def ask_hidden(question: str) -> SecretValue | None:
    """One line that is not shown while it is typed; None for an empty one.

    Raises Refusal for no answer, for a part of a longer text, whose rest a terminal loses, and for control characters.
    """
    from getpass import getpass  # noqa: PLC0415 - only for prompts

    sys.stderr.flush()
    try:
        with _never_stopped():
            text = getpass(question)
    except (EOFError, UnicodeDecodeError):
        # The second would show what was typed.
        text = None
    if text is None:
        raise Refusal("cannot run", "the input ended or is not UTF-8", "nothing was written; run the command again")
    if lost := _explain_loss(text):
        message = f"{lost}, and only a part of this text would be taken"
        raise Refusal("cannot run", message, "nothing was written; give the text in a file")
    if _CONTROL.search(text):
        message = "what was typed has a control character, as an arrow key makes one"
        raise Refusal("cannot run", message, "nothing was written; type it again, or give the text in a file")
    return SecretValue(text) if text else None


def _explain_loss(text: str) -> str:
    """Why the terminal may have dropped some of what was typed; empty where it has not."""
    if len(text.encode(errors="surrogatepass")) >= _LONGEST:
        return f"a terminal takes no more than {_LONGEST} bytes in a line"
    bare = text.strip()
    if bare in _BRACKETS or (bare.startswith("-----BEGIN ") and "-----END " not in bare):
        # The other lines of what was pasted are dropped, or become the answers to what is asked next.
        return "a prompt takes one line"
    return ""


@contextmanager
def _never_stopped() -> Iterator[None]:
    """Raise Refusal at Ctrl-Z: the shell would turn the echo on again, and `fg` leave it so while the rest is typed."""

    def refuse_stop(_number: int, _frame: object) -> NoReturn:
        message = "a hidden prompt cannot be suspended: what is typed after it would be shown"
        raise Refusal("cannot run", message, "nothing was written; run the command again")

    before = signal.signal(signal.SIGTSTP, refuse_stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)


def ask_hidden_values(keys: Sequence[str]) -> dict[str, SecretValue]:
    """The values typed for `keys`; one that is left empty stays as it is. Raises Refusal without a terminal."""
    if not is_terminal():
        raise Refusal("usage", "no terminal to ask for values on", "give the values with --stdin or --from-file")
    standard_error().show(["Input is hidden. Leave a value empty to keep the key unchanged."])
    typed = {key: ask_hidden(f"{key}: ") for key in keys}
    return {key: value for key, value in typed.items() if value is not None}


def confirm(question: str) -> bool:
    """Whether the answer is y or yes. An end of input is a no."""
    sys.stdout.flush()
    outlet = standard_error()
    outlet.write(f"{question} [y/N] ")
    outlet.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def read_stdin() -> bytes:
    # None where it was closed when the process began: as empty as a pipe that nobody wrote into.
    return sys.stdin.buffer.read(MAX_INPUT_BYTES + 1) if sys.stdin is not None else b""


def read_file(name: str, limit: int = MAX_INPUT_BYTES, *, is_secret: bool = True, variable: str | None = None) -> bytes:
    """At most one byte more than `limit` of the file or pipe. Raises Refusal, also for a device.

    Warns where others can read a secret file. `variable` replaces the name in messages: somebody may have put the
    secret itself there.
    """
    shown = f'"{name}"' if variable is None else f"the file that {variable} names"
    try:
        content = read_named(name, limit)
    except NamedFileError as error:
        reason = str(error)
    else:
        if is_secret and content.is_exposed:
            standard_error().note(f"{shown} can be read by other users; `chmod 600` it, or remove it")
        return content.data
    way_out = "name another file" if variable is None else f"{variable} must hold the path of a file, not the secret"
    # Raised out here, without the error that has the name.
    raise Refusal("cannot run", f"{shown} {reason}", way_out)
