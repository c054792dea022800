"""Reads a file of the project, whole or not at all, and only regular files inside the project."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from compiler.model.confinement import is_inside
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.limits import MAX_BYTES
from compiler.model.source import Source, Span
from compiler.text.command_line import shell_line
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from pathlib import Path

_AS_UTF_8 = "save it as UTF-8"
_INSTEAD = "replace it with the file itself"
_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_text(root: Path, path: str) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The text of the file at `path` below the folder `root`, or None and the reason.

    Links are followed only where they stay inside `root`. A FIFO, device or folder is refused without being read, and
    so is a file that changes meanwhile.
    """
    full = root / path
    try:
        if not is_inside(root, full):
            return None, (
                _refused(path, "unreadable-file", "the file is a link that leads out of the project", _INSTEAD),
            )
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError, ValueError) as error:
        return None, (_refused(path, "unreadable-file", f"the file cannot be read: {_reason(error)}", _way_out(error)),)
    try:
        return _read(path, descriptor)
    except OSError as error:
        return None, (_refused(path, "unreadable-file", f"the file cannot be read: {_reason(error)}", _way_out(error)),)
    finally:
        os.close(descriptor)


def _read(path: str, descriptor: int) -> tuple[str | None, tuple[Diagnostic, ...]]:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        kind = "a folder" if stat.S_ISDIR(before.st_mode) else "not a regular file"
        return None, (_refused(path, "unreadable-file", f"this is {kind}", _INSTEAD),)
    if before.st_size > MAX_BYTES:
        return None, (_refused(path, "too-large", f"the file has more than {MAX_BYTES} bytes"),)
    content = b""
    # One byte past its size tells whether it grows; a file that grows for ever is not read for ever.
    while len(content) <= before.st_size and (block := os.read(descriptor, before.st_size + 1 - len(content))):
        content += block
    after = os.fstat(descriptor)
    if len(content) != before.st_size or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        return None, (_refused(path, "unreadable-file", "the file changed while it was read; run again"),)
    return _decode(path, content)


def _decode(path: str, content: bytes) -> tuple[str | None, tuple[Diagnostic, ...]]:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return None, (_marked(path, encoding),)
    try:
        return content.decode(), ()
    except UnicodeDecodeError as error:
        good = content[: error.start].decode()
        message = f"the byte 0x{content[error.start]:02x} is not valid UTF-8"
        way_out = f"{_AS_UTF_8}: `{_iconv(path, 'WINDOWS-1252')}` shows it, if that is what it is in"
    span = Span(Source(path, good), len(good), len(good))
    line = Span(span.source, *span.source.line_bounds(span.line))
    return None, (Diagnostic("invalid-encoding", Severity.ERROR, message, span, help=way_out, conceals=(line,)),)


def _marked(path: str, encoding: str) -> Diagnostic:
    message = f"the file begins with a byte order mark ({encoding})"
    way_out = f"{_AS_UTF_8} without one" + (f": `{_iconv(path, encoding)}` shows it" if encoding != "UTF-8" else "")
    return Diagnostic("invalid-encoding", Severity.ERROR, message, Span(Source(path)), help=way_out)


def _iconv(path: str, encoding: str) -> str:
    return shell_line("iconv", "-f", encoding, "-t", "UTF-8", path)


def _refused(path: str, rule: str, message: str, way_out: str | None = None) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, message, Span(Source(path)), help=way_out)


def _reason(error: Exception) -> str:
    return system_reason(error) if isinstance(error, OSError) else "its path is not usable"


def _way_out(error: Exception) -> str | None:
    if isinstance(error, FileNotFoundError):
        return "create it, or restore it, as from Git"
    return "let your user read it" if isinstance(error, PermissionError) else None
