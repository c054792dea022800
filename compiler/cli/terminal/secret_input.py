"""Reads a file or standard input, and no more of it than any store takes."""

from __future__ import annotations

import sys

from compiler.cli.terminal.outlet import standard_error
from compiler.model.named_file import NamedFileError, read_named
from compiler.operations.put.value_input import LARGEST_BYTES
from compiler.refusal import Refusal


def read_stdin() -> bytes:
    # None where it was closed when the process began: as empty as a pipe that nobody wrote into.
    return sys.stdin.buffer.read(LARGEST_BYTES + 1) if sys.stdin is not None else b""


def read_file(name: str, limit: int = LARGEST_BYTES, *, is_secret: bool = True, variable: str | None = None) -> bytes:
    """At most one byte more than `limit` of the file; a pipe, such as a shell's `<(…)`, counts as one, a device not.

    Warns where others can read a secret file. `variable` is the variable that names the file; messages show it in place
    of the name, for somebody may have put the secret itself there, and it would be logged. Raises Refusal.
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
