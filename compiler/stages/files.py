"""Reads project files whole or not at all, and replaces all of several files or none; follows no link out."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from compiler.model.document import Diagnostic, Severity, Source, Span, file_error
from compiler.model.facts import MAX_BYTES
from compiler.model.files import create_file, is_inside, is_temporary, leads_out, sync_folder, temporary_beside
from compiler.refusal import system_reason
from compiler.text.wording import shell_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


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
            return _reading_error(path, "the file is a link that leads out of the project", _INSTEAD)
        # O_NONBLOCK: opening a FIFO must not wait for a writer.
        descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError, ValueError) as error:
        return _unreadable(path, error)
    try:
        return _read_regular(path, descriptor)
    except OSError as error:
        return _unreadable(path, error)
    finally:
        os.close(descriptor)


def _read_regular(path: str, descriptor: int) -> tuple[str | None, tuple[Diagnostic, ...]]:
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        kind = "a folder" if stat.S_ISDIR(before.st_mode) else "not a regular file"
        return _reading_error(path, f"this is {kind}", _INSTEAD)
    if before.st_size > MAX_BYTES:
        return None, (file_error("too-large", path, f"the file has more than {MAX_BYTES} bytes"),)
    content = b""
    # Reading one byte past its size shows whether it grows; a file that grows for ever is not read for ever.
    while len(content) <= before.st_size and (block := os.read(descriptor, before.st_size + 1 - len(content))):
        content += block
    after = os.fstat(descriptor)
    if len(content) != before.st_size or (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        return _reading_error(path, "the file changed while it was read; run again")
    return _decode(path, content)


def _decode(path: str, content: bytes) -> tuple[str | None, tuple[Diagnostic, ...]]:
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            way_out = f"{_AS_UTF_8} without one"
            if encoding != "UTF-8":
                way_out += f": `{_iconv(path, encoding)}` shows it"
            message = f"the file begins with a byte order mark ({encoding})"
            return None, (file_error("invalid-encoding", path, message, way_out),)
    try:
        return content.decode(), ()
    except UnicodeDecodeError as error:
        good = content[: error.start].decode()
        message = f"the byte 0x{content[error.start]:02x} is not valid UTF-8"
        way_out = f"{_AS_UTF_8}: `{_iconv(path, 'WINDOWS-1252')}` shows it, if that is what it is in"
    span = Span(Source(path, good), len(good), len(good))
    line = Span(span.source, *span.source.line_bounds(span.line))
    return None, (Diagnostic("invalid-encoding", Severity.ERROR, message, span, help=way_out, conceals=(line,)),)


def _iconv(path: str, encoding: str) -> str:
    return shell_line("iconv", "-f", encoding, "-t", "UTF-8", path)


def _reading_error(path: str, message: str, way_out: str | None = None) -> tuple[None, tuple[Diagnostic, ...]]:
    return None, (file_error("unreadable-file", path, message, way_out),)


def _unreadable(path: str, error: Exception) -> tuple[None, tuple[Diagnostic, ...]]:
    reason = system_reason(error) if isinstance(error, OSError) else "its path is not usable"
    way_out = "let your user read it" if isinstance(error, PermissionError) else None
    if isinstance(error, FileNotFoundError):
        way_out = "create it, or restore it, as from Git"
    return _reading_error(path, f"the file cannot be read: {reason}", way_out)


_MODE = 0o644
# Seconds to wait for another run that writes into the same folder, which takes less than one, and between two looks.
_PATIENCE = 30.0
_PAUSE = 0.02


class Output(NamedTuple):
    """A file to write: where, how people are shown that, and its text."""

    path: Path
    shown: str
    text: str
    replaces: str | None = None  # written only if the file still has this text and is writable; keeps its mode


def output_state(is_check: bool, is_stale: bool) -> str:  # noqa: FBT001 - both are results
    """What became of a file that a command writes or, as a check, only compares: a word for people."""
    if is_check:
        return "stale" if is_stale else "up to date"
    return "written" if is_stale else "unchanged"


def read_old(path: Path, shown: str, header: str) -> tuple[str | None, tuple[Diagnostic, ...]]:
    """The text of the file that a new one would replace, None without one, and why it may not be replaced.

    A file without `header`, or larger than any that is written, is another program's; a link, a folder and a file
    without write permission are left alone.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None, ()
    except OSError as error:
        return None, _writing_error("unwritable-output", shown, f"cannot be read: {system_reason(error)}")
    if not stat.S_ISREG(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a regular file"
        return None, _writing_error("unwritable-output", shown, f"is {kind}")
    if not status.st_mode & 0o222:
        return None, _writing_error("unwritable-output", shown, "is read-only")
    try:
        content = _read(path)
    except OSError as error:
        return None, _writing_error("unwritable-output", shown, f"cannot be read: {system_reason(error)}")
    if len(content) > MAX_BYTES:
        return None, _writing_error("foreign-output", shown, f"{_FOREIGN}: it has more than {MAX_BYTES} bytes")
    try:
        # Not as text is read: a file that an editor gave other line breaks is another file.
        text = content.decode()
    except UnicodeDecodeError:
        return None, _writing_error("foreign-output", shown, _FOREIGN)
    if text and not text.startswith(header):
        return None, _writing_error("foreign-output", shown, *_foreign(text, header))
    return text, ()


def _foreign(text: str, header: str) -> tuple[str, str | None]:
    """Why a file with another beginning is not replaced, and the way out of a conflict."""
    from compiler.text.yaml_mistake import conflict_marker  # noqa: PLC0415 - only where a file is not ours

    if f"\n{header}" not in text or conflict_marker(text) is None:
        return _FOREIGN, None
    return "has the marks of a merge conflict", "remove it, and run the command again: it is generated"


def refuse_outside(folder: Path, shown: str, root: Path) -> tuple[Diagnostic, ...]:
    """Why no file in `folder` may be written or deleted: a link leads it out of the project `root`."""
    if not leads_out(root, folder):
        return ()
    return _writing_error("unwritable-output", shown, "leads out of the project through a link")


def _read(path: Path) -> bytes:
    """The file, or enough of it to know that it is too large; a pipe put in its place meanwhile is not waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)


def write_all(outputs: Sequence[Output], root: Path, folders: Iterable[Path] = ()) -> tuple[Diagnostic, ...]:
    """Writes every output beside its destination, then puts all in place; on failure or interrupt, none is changed.

    Folders are made. Where a link leads one out of the project `root`, none is written. Runs that write into one folder
    wait for one another, and what a killed one left in the outputs' folders, or in `folders`, is removed.
    """
    written = {output.path.parent: output.shown for output in reversed(outputs)}
    if found := _make_folders(written, root):
        return found
    with ExitStack() as stack:
        for folder in sorted({*folders, *written}):
            if leads_out(root, folder):
                continue
            try:
                is_alone = stack.enter_context(_hold_lock(folder, _PATIENCE if folder in written else 0))
            except TimeoutError:
                if folder in written:
                    what = "cannot be written: another run is writing there"
                    return _writing_error("unwritable-output", written[folder], what, "wait until it ends")
            else:
                if is_alone:
                    _sweep(folder)
        return _write_outputs(outputs)


def _make_folders(written: dict[Path, str], root: Path) -> tuple[Diagnostic, ...]:
    """Makes the folders of outputs, each with one that is to be written there; why one may not or cannot be made."""
    for folder, shown in written.items():
        if found := refuse_outside(folder, shown, root):
            return found
    for folder, shown in reversed(written.items()):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"cannot be created: {system_reason(error)}"
            return _writing_error(
                "unwritable-output", shown.rpartition("/")[0], what, "name another folder with `--out`"
            )
    return ()


def _write_outputs(outputs: Sequence[Output]) -> tuple[Diagnostic, ...]:
    staged: list[_Staged] = []
    done: list[_Staged] = []
    shown = ""
    try:
        for output in outputs:
            shown = output.shown
            if output.replaces is not None and (found := _check_replacement(output, output.replaces)):
                return found
            staged.append(_Staged(output, temporary_beside(output.path)))
            _stage(staged[-1])
        for each in staged:
            shown = each.output.shown
            done.append(each)
            each.new.replace(each.output.path)
        for folder in {output.path.parent for output in outputs}:
            sync_folder(folder)
    except OSError as error:
        _surely(lambda: _put_back(done))
        return _writing_error("unwritable-output", shown, f"cannot be written: {system_reason(error)}")
    except BaseException:
        # A signal between two files must not leave one environment new and the other old.
        _surely(lambda: _put_back(done))
        raise
    finally:
        _surely(lambda: _clean_up(staged))
    return ()


def _check_replacement(output: Output, old: str) -> tuple[Diagnostic, ...]:
    """Why a file that is replaced only as it was read, as `old`, stays as it is. Raises OSError."""
    if not output.path.lstat().st_mode & 0o222:
        return _writing_error("unwritable-output", output.shown, "is read-only", "make it writable")
    if _read(output.path) != old.encode():
        what = "was changed by somebody else meanwhile; nothing was written"
        return _writing_error("unwritable-output", output.shown, what, "run the command again")
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
    # The umask must not decide who can read what everyone can read in Git.
    create_file(staged.new, output.text.encode(), mode)
    if os.path.lexists(staged.output.path):
        staged.old = temporary_beside(staged.output.path)
        try:
            # A second name for the old file: putting it back takes no room, so it works on a full disk.
            os.link(staged.output.path, staged.old, follow_symlinks=False)
        except OSError:
            create_file(staged.old, staged.output.path.read_bytes(), _MODE)


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
def _hold_lock(folder: Path, patience: float) -> Iterator[bool]:
    """Holds the lock of the folder, if there is one; the kernel frees it when the process ends. Raises TimeoutError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        yield _acquire_lock(descriptor, patience)
    finally:
        os.close(descriptor)


def _acquire_lock(descriptor: int, patience: float) -> bool:
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
    """Remove what killed runs left: a run that makes such a file holds the folder's lock until it is gone."""
    with suppress(OSError), os.scandir(folder) as entries:
        strays = [entry.path for entry in entries if is_temporary(entry.name) and entry.is_file(follow_symlinks=False)]
        for path in strays:
            Path(path).unlink(missing_ok=True)


def _writing_error(rule: str, shown: str, what: str, way_out: str | None = None) -> tuple[Diagnostic, ...]:
    return (file_error(rule, shown, f"{shown} {what}", way_out or _HELP[rule]),)


_FOREIGN = "was not written by this compiler"
_HELP = {
    "unwritable-output": "make it a regular, writable file, or name another folder with `--out`",
    "foreign-output": "move it away, or name another folder with `--out`",
}
