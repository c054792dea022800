"""Texts and their destinations in, files out: all of them or none, each replaced whole, nobody else's file touched."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write: where, how people are shown that, and its text."""

    path: Path
    shown: str
    text: str


def read_old(path: Path, shown: str, header: str) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The text of the file that a new one would replace, nothing where there is none, and why it may not be replaced.

    A file that does not begin with `header` was not written by this compiler; a link, a folder, a file without write
    permission is left alone.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None, ()
    except OSError as error:
        return None, (_refused("unwritable-output", shown, f"cannot be looked at: {_reason(error)}"),)
    if not stat.S_ISREG(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "no regular file"
        return None, (_refused("unwritable-output", shown, f"is {kind}"),)
    if not status.st_mode & 0o222:
        return None, (_refused("unwritable-output", shown, "is read-only"),)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None, (_refused("foreign-output", shown, "was not written by this compiler"),)
    if text and not text.startswith(header):
        return None, (_refused("foreign-output", shown, "was not written by this compiler"),)
    return text, ()


def write_all(outputs: Sequence[Output]) -> tuple[Diagnostic, ...]:
    """Writes every output beside its destination first, then puts all in place; on a failure, none is changed."""
    staged: list[tuple[Path, Output]] = []
    done: list[tuple[Output, bytes | None]] = []
    shown = ""
    try:
        for output in outputs:
            shown = output.shown
            staged.append((_stage(output), output))
        for temporary, output in staged:
            shown = output.shown
            before = output.path.read_bytes() if output.path.exists() else None
            temporary.replace(output.path)
            done.append((output, before))
        for folder in {output.path.parent for output in outputs}:
            _sync_folder(folder)
    except OSError as error:
        _undo(done)
        return (_refused("unwritable-output", shown, f"cannot be written: {_reason(error)}"),)
    finally:
        for temporary, _ in staged:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return ()


def _stage(output: Output) -> Path:
    temporary = output.path.with_name(f".{output.path.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            # The umask must not decide who can read what everyone can read in Git.
            os.fchmod(file.fileno(), _MODE)
            file.write(output.text.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _undo(done: list[tuple[Output, bytes | None]]) -> None:
    for output, before in done:
        with suppress(OSError):
            if before is None:
                output.path.unlink()
            else:
                output.path.write_bytes(before)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(rule: str, shown: str, what: str) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, f"{shown} {what}", Span(Source(shown)), help=_HELP[rule])


_HELP = {
    "unwritable-output": "make it a regular, writable file, or name another folder with `--out`",
    "foreign-output": "move it away, or name another folder with `--out`",
}


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
