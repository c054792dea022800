"""The program: arguments and streams of the process in, its exit code out. `python -m compiler` runs it."""

from __future__ import annotations

import gc
import os
import resource
import sys

from compiler.cli.main import main
from compiler.cli.terminal.streams import open_streams

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from typing import NoReturn


def run() -> NoReturn:
    """Runs the command that the process was started with, and ends the process."""
    # The process is short and makes no cycles worth a search, which costs a tenth of a large compile.
    gc.disable()
    _leave_no_core()
    with open_streams() as streams:
        code = main(sys.argv[1:])
    # All output is flushed and every file closed by whoever opened it. Taking every object apart before the process
    # ends would cost another tenth, and a thread that still waits for a store would hold up a Ctrl-C.
    os._exit(streams.code(code))


def _leave_no_core() -> None:
    # A crash, or Ctrl-\ at a prompt, would write every value in memory to the disk. Not 0: Linux hands the core to a
    # program that collects them all the same, unless the limit is 1 (core(5)).
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, most) if most != resource.RLIM_INFINITY else 1, most))


if __name__ == "__main__":
    run()
