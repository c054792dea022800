"""Writes a file that only its owner can read: after a failure the old file is still there, whole."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from compiler.model.temporary_name import temporary_beside
from compiler.operations.runs.line_file import sync_folder
from compiler.refusal import Refusal
from compiler.text.system_reason import system_reason
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from pathlib import Path

_MODE = 0o600


def require_writable(path: Path, *, replaces: bool) -> None:
    """Raises Refusal where `write_private` would: asked before the work that makes the content."""
    shown = quoted(str(path))
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        status = None
    except OSError as error:
        raise Refusal("cannot run", f"{shown} cannot be written: {system_reason(error)}", "name another file") from None
    if status is not None and not stat.S_ISREG(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        raise Refusal("cannot run", f"{shown} is {kind}", "name another file")
    if status is not None and not replaces:
        raise Refusal("cannot run", f"{shown} already exists", "name another file, or add --replace")
    if not path.parent.is_dir():
        raise Refusal("cannot run", f"the folder of {shown} does not exist", "create it, or name another file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Refusal("cannot run", f"the folder of {shown} is read-only", "name another file")


def write_private(path: Path, content: bytes, *, replaces: bool) -> None:
    """Puts `content` in place of `path` at once, readable by its owner only, and waits until it is on disk.

    Raises Refusal; then, and after Ctrl-C, the old file is unchanged.
    """
    require_writable(path, replaces=replaces)
    temporary, shown = temporary_beside(path), quoted(str(path))
    try:
        _write(temporary, content)
        if replaces:
            temporary.replace(path)
        else:
            _put_in_place(temporary, path)
        sync_folder(path.parent)
    except FileExistsError:
        raise Refusal("cannot run", f"{shown} already exists", "name another file, or add --replace") from None
    except OSError as error:
        raise Refusal("cannot run", f"{shown} cannot be written: {system_reason(error)}", "name another file") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    try:
        # Unlike a rename, this refuses a file that was made since the check.
        os.link(temporary, path, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links.
        temporary.replace(path)


def _write(temporary: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(temporary, flags, _MODE), "wb") as file:
        os.fchmod(file.fileno(), _MODE)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
