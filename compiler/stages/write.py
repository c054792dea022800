"""Writes texts to their destinations: all of them or none, each replaced whole, none by a link out of the project."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.confinement import leads_out
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
        # Not read_text: a file that an editor gave other line breaks is another file.
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError):
        return None, (_refused("foreign-output", shown, "was not written by this compiler"),)
    if text and not text.startswith(header):
        return None, (_refused("foreign-output", shown, "was not written by this compiler"),)
    return text, ()


def refuse_outside(folder: Path, shown: str, root: Path) -> tuple[Diagnostic, ...]:
    """Why no file in `folder` may be written or deleted: a link leads it out of the project `root`."""
    if not leads_out(root, folder):
        return ()
    return (_refused("unwritable-output", shown, "leads out of the project by a link"),)


def write_all(outputs: Sequence[Output], root: Path) -> tuple[Diagnostic, ...]:
    """Writes every output beside its destination first, then puts all in place; on a failure, none is changed.

    Where a link leads the folder of one of them out of the project `root`, none is written.
    """
    for folder, first in {output.path.parent: output.shown for output in reversed(outputs)}.items():
        if found := refuse_outside(folder, first, root):
            return found
    staged: list[_Staged] = []
    done: list[_Staged] = []
    shown = ""
    try:
        for output in outputs:
            shown = output.shown
            staged.append(_Staged(output, _beside(output.path, "tmp"), _beside(output.path, "old")))
            _stage(staged[-1])
        for each in staged:
            shown = each.output.shown
            done.append(each)
            each.new.replace(each.output.path)
        for folder in {output.path.parent for output in outputs}:
            _sync_folder(folder)
    except OSError as error:
        _undo(done)
        return (_refused("unwritable-output", shown, f"cannot be written: {_reason(error)}"),)
    except BaseException:
        # Ctrl-C between two files must not leave one environment new and the other old.
        _undo(done)
        raise
    finally:
        for each in staged:
            for path in (each.new, each.old):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
    return ()


@dataclass(frozen=True, slots=True)
class _Staged:
    """An output whose new bytes lie beside its destination, and its old ones too where there are any."""

    output: Output
    new: Path
    old: Path


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{ending}")


def _stage(staged: _Staged) -> None:
    _write(staged.new, staged.output.text.encode())
    if os.path.lexists(staged.output.path):
        staged.old.unlink(missing_ok=True)
        try:
            # A second name for the old file: putting it back takes no room, so it works on a full disk.
            os.link(staged.output.path, staged.old, follow_symlinks=False)
        except OSError:
            _write(staged.old, staged.output.path.read_bytes())


def _write(temporary: Path, content: bytes) -> None:
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        # The umask must not decide who can read what everyone can read in Git.
        os.fchmod(file.fileno(), _MODE)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _undo(done: list[_Staged]) -> None:
    for each in done:
        with suppress(OSError):
            if os.path.lexists(each.old):
                each.old.replace(each.output.path)
            elif not os.path.lexists(each.new):
                each.output.path.unlink()


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
