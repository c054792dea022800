"""Reads a file that a variable or an option names: a regular file or a pipe, and no more of it than is asked for.

A pipe is meant: the shell's `<(…)` is one, and so is what secret managers hand a secret on by. A device is a mistake,
and may give bytes without end.
"""

from __future__ import annotations

import os
import select
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.model.record import dataclass
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from collections.abc import Iterator

# Whoever writes into the pipe may have to ask a person first.
LONGEST_SILENCE = 120.0
_BLOCK = 1024 * 1024
_KIBIBYTE = 1024
# Parts of a path that has a folder of its own.
_SHORTEST = 2


class NamedFileError(Exception):
    """The file cannot be used. Its text follows what a message calls the file: `is a device`, and the like.

    `is_unreadable` where the system refuses to read it, and not this program.
    """

    def __init__(self, text: str, *, is_unreadable: bool = False) -> None:
        super().__init__(text)
        self.is_unreadable = is_unreadable


@dataclass(frozen=True, slots=True)
class Content:
    """What was read; `is_exposed` where others than its owner can read or change the file."""

    data: bytes
    is_exposed: bool


def shown_file(path: str) -> str:
    """` (PATH)` for a message about what a variable names, and nothing where it may be the credential itself.

    A path is there, or its folder is: people put a key where its file's name belongs, and that is neither.
    """
    if not path.isprintable():
        return ""
    try:
        file = Path(path)
        is_path = file.is_file() or (len(file.parts) > _SHORTEST and file.parent.is_dir())
    except (OSError, ValueError):
        # No system has a name as long as that.
        return ""
    return f" ({path})" if is_path else ""


def read_named(path: str, most: int, silence: float = LONGEST_SILENCE) -> Content:
    """At most one byte more than `most` of the file, so that whoever asks sees that it is larger.

    A pipe is waited for until it has given nothing for `silence` seconds. Raises NamedFileError.
    """
    try:
        with _opened(path) as descriptor:
            mode = os.fstat(descriptor).st_mode
            is_pipe = stat.S_ISFIFO(mode)
            data = _read(descriptor, most, silence if is_pipe else None)
            return Content(data, not is_pipe and bool(mode & 0o077))
    except (OSError, ValueError) as error:
        failure = _unreadable(error)
    raise failure


def require_file(path: str, most: int) -> None:
    """Raise NamedFileError for all but a regular file of at most `most` bytes."""
    try:
        with _opened(path) as descriptor:
            status = os.fstat(descriptor)
    except (OSError, ValueError) as error:
        failure = _unreadable(error)
    else:
        if stat.S_ISFIFO(status.st_mode):
            raise NamedFileError("is a pipe, and is read more than once")
        _require_size(status.st_size, most)
        return
    raise failure


@contextmanager
def as_file(path: str, most: int) -> Iterator[str]:
    """A path, while the block runs, at which a library finds the file as often as it opens it.

    That is `path` itself for a regular file, and for a pipe a file in memory with what it gave. Raises NamedFileError,
    also for more than `most` bytes.
    """
    if not is_pipe(path):
        require_file(path, most)
        yield path
        return
    if not hasattr(os, "memfd_create"):
        # Elsewhere than on Linux the library reads the pipe itself, once.
        yield path
        return
    data = read_named(path, most).data
    _require_size(len(data), most)
    descriptor = os.memfd_create("named file")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)  # noqa: PTH116 - a Path refuses what is no path with another error
    except (OSError, ValueError):
        return False


@contextmanager
def _opened(path: str) -> Iterator[int]:
    # O_NONBLOCK: opening a pipe must not wait for its writer, whose silence is counted below.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise NamedFileError("cannot be read: is a directory", is_unreadable=True)
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise NamedFileError("is a device, not a file")
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, most: int, silence: float | None) -> bytes:
    content = bytearray()
    while (left := most + 1 - len(content)) > 0:
        if silence is not None:
            _wait(descriptor, silence)
        try:
            block = os.read(descriptor, min(left, _BLOCK))
        except BlockingIOError:
            # Somebody else has read what was there.
            continue
        if not block:
            break
        content += block
    return bytes(content)


def _wait(descriptor: int, silence: float) -> None:
    """Wait until the pipe gives something, or its last writer has left; for its first one too."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(silence * 1000):
        raise NamedFileError(f"is a pipe that has given nothing for {max(1, round(silence))} s")


def _require_size(size: int, most: int) -> None:
    if size > most:
        raise NamedFileError(f"is larger than {most // _KIBIBYTE} KiB")


def _unreadable(error: OSError | ValueError) -> NamedFileError:
    # Its own text has the path, and people put the secret itself where a path belongs.
    reason = system_reason(error) if isinstance(error, OSError) else "its path is not usable"
    return NamedFileError(f"cannot be read: {reason}", is_unreadable=True)
