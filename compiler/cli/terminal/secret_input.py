"""A file's path, or standard input, in; its bytes out, no more than any store takes."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from compiler.cli.errors import CannotRunError
from compiler.cli.terminal.outlet import standard_error
from compiler.operations.put.value_input import LARGEST_BYTES


def read_stdin() -> bytes:
    return sys.stdin.buffer.read(LARGEST_BYTES + 1)


def read_file(name: str, limit: int = LARGEST_BYTES, *, is_secret: bool = True) -> bytes:
    """At most one byte more than `limit` of the file; a pipe, such as a shell's `<(…)`, counts as one.

    Says where others can read a secret one. Raises CannotRunError.
    """
    try:
        with Path(name).open("rb") as file:
            status = os.fstat(file.fileno())
            if is_secret and stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
                standard_error().note(f'others than you can read "{name}"; chmod 600, or remove it')
            return file.read(limit + 1)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise CannotRunError(f'"{name}" cannot be read: {reason}', "name another file") from None
