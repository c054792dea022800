"""Starts the program: `platform-secrets`, and `python -m compiler`.

Every process that may hold a secret begins so: no core dumps, output streams that cannot fail, and a quick exit.
"""

from __future__ import annotations

import sys

# Where it is run from a clone nobody has asked this; what is imported below needs it.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.stderr.write(f"error: Python 3.11 or newer is needed; {sys.executable} is {sys.version.split()[0]}\n")
    sys.stderr.write("help: run it with a newer one; with make, set PYTHON, such as `make values PYTHON=python3.12`\n")
    raise SystemExit(3)

import gc
import io
import os
import resource
from contextlib import contextmanager

from compiler.cli.main import main
from compiler.refusal import COULD_NOT_RUN, INTERRUPTED, system_reason

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import NoReturn, TextIO

    from typing_extensions import Buffer


def run() -> NoReturn:
    """Runs the command that the process was started with, and ends the process."""
    run_program(main)


def run_program(program: Callable[[list[str]], int]) -> NoReturn:
    """Runs `program` with the process's arguments, and ends the process with the code that it returns."""
    leave_no_core()
    # The process is short and makes no cycles worth a search, which costs a tenth of a large compile.
    gc.disable()
    try:
        with open_streams() as files:
            code = program(sys.argv[1:])
    except KeyboardInterrupt:
        # While the last output was flushed to a reader that takes none.
        os._exit(INTERRUPTED)
    # All output is flushed and every file is closed where it was opened. Taking every object apart before the process
    # ends would cost another tenth, and a thread that still waits for a store would hold up a Ctrl-C.
    os._exit(code_of_output(files, code))


def leave_no_core() -> None:
    """Forbids core files to this process and those that it starts: one would hold every value in memory."""
    # Not 0: Linux hands the core to a program that collects them all the same, unless the limit is 1 (core(5)).
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, most) if most != resource.RLIM_INFINITY else 1, most))


class LossyFile(io.RawIOBase):
    """A file descriptor that swallows what can no longer be written, so that a command ends as it would have.

    `error` is what went wrong first; a closed pipe is no error.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lost = False
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Buffer, /) -> int:
        view = memoryview(data)
        if not self._lost:
            try:
                return os.write(self._descriptor, view)
            except BrokenPipeError:
                self._lost = True
            except OSError as error:
                self._lost, self.error = True, error
        return view.nbytes


def code_of_output(files: Iterable[LossyFile], code: int) -> int:
    """The exit code: a command whose output was lost, to a full disk for one, did not do what was asked."""
    return COULD_NOT_RUN if any(file.error is not None for file in files) else code


@contextmanager
def open_streams() -> Iterator[tuple[LossyFile, LossyFile]]:
    """Replaces `sys.stdout` and `sys.stderr`, in UTF-8 whatever the locale, and flushes them at the end."""
    _occupy()
    files = LossyFile(1), LossyFile(2)
    sys.stdout, sys.stderr = (_text(file) for file in files)
    try:
        yield files
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        error = files[0].error
        if error is not None:
            sys.stderr.write(f"error: cannot write the output: {system_reason(error)}\n")
            sys.stderr.flush()


def _occupy() -> None:
    """Opens what was closed when the process began, or the next file that is opened would be written to as output."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _text(file: LossyFile) -> TextIO:
    is_line_buffered = file.fileno() == 2 or file.isatty()  # noqa: PLR2004 - standard error, by its number
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding="utf-8", errors="backslashreplace", line_buffering=is_line_buffered
    )


if __name__ == "__main__":
    run()
