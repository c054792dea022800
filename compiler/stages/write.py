"""Writes texts to their destinations: all of them or none, each replaced whole, none by a link out of the project."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.model.confinement import leads_out
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.limits import MAX_BYTES
from compiler.model.record import dataclass
from compiler.model.source import Source, Span
from compiler.model.temporary_name import is_temporary, temporary_beside
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_MODE = 0o644
# Seconds to wait for another run that writes into the same folder, which takes less than one, and between two looks.
_PATIENCE = 30.0
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Output:
    """A file to write: where, how people are shown that, and its text.

    Where `replaces` is given, the file is written only if it still has that text and is writable, and keeps its mode.
    """

    path: Path
    shown: str
    text: str
    replaces: str | None = None


def read_old(path: Path, shown: str, header: str) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The text of the file that a new one would replace, None where there is none, and why it may not be replaced.

    A file that does not begin with `header`, or is larger than any that is written, was not written by this compiler; a
    link, a folder, a file without write permission is left alone.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None, ()
    except OSError as error:
        return None, (_refused("unwritable-output", shown, f"cannot be read: {system_reason(error)}"),)
    if not stat.S_ISREG(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        return None, (_refused("unwritable-output", shown, f"is {kind}"),)
    if not status.st_mode & 0o222:
        return None, (_refused("unwritable-output", shown, "is read-only"),)
    try:
        content = _read(path)
    except OSError as error:
        return None, (_refused("unwritable-output", shown, f"cannot be read: {system_reason(error)}"),)
    if len(content) > MAX_BYTES:
        return None, (_refused("foreign-output", shown, f"{_FOREIGN}: it has more than {MAX_BYTES} bytes"),)
    try:
        # Not as text is read: a file that an editor gave other line breaks is another file.
        text = content.decode()
    except UnicodeDecodeError:
        return None, (_refused("foreign-output", shown, _FOREIGN),)
    if text and not text.startswith(header):
        return None, (_refused("foreign-output", shown, _FOREIGN),)
    return text, ()


def refuse_outside(folder: Path, shown: str, root: Path) -> tuple[Diagnostic, ...]:
    """Why no file in `folder` may be written or deleted: a link leads it out of the project `root`."""
    if not leads_out(root, folder):
        return ()
    return (_refused("unwritable-output", shown, "leads out of the project through a link"),)


def _read(path: Path) -> bytes:
    """The file, or enough of it to know that it is too large; a pipe put in its place meanwhile is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)


def write_all(outputs: Sequence[Output], root: Path, folders: Iterable[Path] = ()) -> tuple[Diagnostic, ...]:
    """Writes every output beside its destination first, then puts all in place; on a failure, none is changed.

    The same holds for an interrupt. Where a link leads the folder of one of them out of the project `root`, none is
    written. Runs that write into one folder wait for one another, and what a killed one left in the outputs' folders,
    or in `folders`, is removed.
    """
    written = {output.path.parent: output.shown for output in reversed(outputs)}
    for folder, first in written.items():
        if found := refuse_outside(folder, first, root):
            return found
    with ExitStack() as stack:
        for folder in sorted({*folders, *written}):
            if leads_out(root, folder):
                continue
            try:
                is_alone = stack.enter_context(_held(folder, _PATIENCE if folder in written else 0))
            except TimeoutError:
                if folder in written:
                    what = "cannot be written: another run is writing there"
                    return (_refused("unwritable-output", written[folder], what, "wait until it ends"),)
            else:
                if is_alone:
                    _sweep(folder)
        return _written(outputs)


def _written(outputs: Sequence[Output]) -> tuple[Diagnostic, ...]:
    staged: list[_Staged] = []
    done: list[_Staged] = []
    shown = ""
    try:
        for output in outputs:
            shown = output.shown
            if output.replaces is not None and (found := _refused_replacement(output, output.replaces)):
                return found
            staged.append(_Staged(output, temporary_beside(output.path)))
            _stage(staged[-1])
        for each in staged:
            shown = each.output.shown
            done.append(each)
            each.new.replace(each.output.path)
        for folder in {output.path.parent for output in outputs}:
            _sync_folder(folder)
    except OSError as error:
        _surely(lambda: _put_back(done))
        return (_refused("unwritable-output", shown, f"cannot be written: {system_reason(error)}"),)
    except BaseException:
        # A signal between two files must not leave one environment new and the other old.
        _surely(lambda: _put_back(done))
        raise
    finally:
        _surely(lambda: _clean_up(staged))
    return ()


def _refused_replacement(output: Output, old: str) -> tuple[Diagnostic, ...]:
    """Why a file that is replaced only as it was read, as `old`, stays as it is. Raises OSError."""
    if not output.path.lstat().st_mode & 0o222:
        return (_refused("unwritable-output", output.shown, "is read-only", "make it writable"),)
    if _read(output.path) != old.encode():
        what = "was changed by somebody else meanwhile; nothing was written"
        return (_refused("unwritable-output", output.shown, what, "run the command again"),)
    return ()


@dataclass(slots=True)
class _Staged:
    """An output whose new bytes lie beside its destination; `old` is where its old ones do, where there are any."""

    output: Output
    new: Path
    old: Path | None = None


def _stage(staged: _Staged) -> None:
    output = staged.output
    mode = _MODE if output.replaces is None else stat.S_IMODE(output.path.lstat().st_mode)
    _write(staged.new, output.text.encode(), mode)
    if os.path.lexists(staged.output.path):
        staged.old = temporary_beside(staged.output.path)
        try:
            # A second name for the old file: putting it back takes no room, so it works on a full disk.
            os.link(staged.output.path, staged.old, follow_symlinks=False)
        except OSError:
            _write(staged.old, staged.output.path.read_bytes())


def _write(temporary: Path, content: bytes, mode: int = _MODE) -> None:
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as file:
        # The umask must not decide who can read what everyone can read in Git.
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _surely(clean: Callable[[], None]) -> None:
    """Repeat what may be done twice when the first signal interrupts it; later signals are not caught."""
    try:
        clean()
    except KeyboardInterrupt:
        clean()
        raise


def _put_back(done: Iterable[_Staged]) -> None:
    for each in done:
        with suppress(OSError):
            if os.path.lexists(each.new):
                continue
            if each.old is None:
                each.output.path.unlink(missing_ok=True)
            elif os.path.lexists(each.old):
                each.old.replace(each.output.path)


def _clean_up(staged: Iterable[_Staged]) -> None:
    for each in staged:
        for path in (each.new, each.old):
            if path is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)


@contextmanager
def _held(folder: Path, patience: float) -> Iterator[bool]:
    """Hold the lock of the folder, or none where it or its file system has none; raises TimeoutError.

    The kernel lets go when the process ends, however it ends, and knows the folder in every container that has it.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _locked(descriptor, patience)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(_PAUSE)
        except OSError:
            return False
        else:
            return True


def _sweep(folder: Path) -> None:
    """Remove what killed runs left: whoever makes such a file holds the folder's lock until it is gone again."""
    with suppress(OSError), os.scandir(folder) as entries:
        strays = [entry.path for entry in entries if is_temporary(entry.name) and entry.is_file(follow_symlinks=False)]
        for path in strays:
            Path(path).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(rule: str, shown: str, what: str, way_out: str | None = None) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, f"{shown} {what}", Span(Source(shown)), help=way_out or _HELP[rule])


_FOREIGN = "was not written by this compiler"
_HELP = {
    "unwritable-output": "make it a regular, writable file, or name another folder with `--out`",
    "foreign-output": "move it away, or name another folder with `--out`",
}
