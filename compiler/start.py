"""Starts every process that may hold a secret: no core dumps, output streams that cannot fail, and a quick exit.

Every program of this project begins here: the command, `python -m compiler`, the old command's script and the local
stores.
"""

from __future__ import annotations

import gc
import os
import resource
import sys

from compiler.cli.exit_codes import INTERRUPTED
from compiler.cli.terminal.streams import code_of_output, open_streams

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn


def run_program(main: Callable[[list[str]], int]) -> NoReturn:
    """Runs `main` with the process's arguments, and ends the process with the code that it returns."""
    leave_no_core()
    # The process is short and makes no cycles worth a search, which costs a tenth of a large compile.
    gc.disable()
    try:
        with open_streams() as files:
            code = main(sys.argv[1:])
    except KeyboardInterrupt:
        # While the last output was flushed to a reader that takes none.
        os._exit(INTERRUPTED)
    # All output is flushed and every file is closed where it was opened. Taking every object apart before the process
    # ends would cost another tenth, and a thread that still waits for a store would hold up a Ctrl-C.
    os._exit(code_of_output(files, code))


def leave_no_core() -> None:
    """Sets the limit of core files for this process and those that it starts.

    A crash, or Ctrl and a backslash at a prompt, would write every value in memory to the disk.
    """
    # Not 0: Linux hands the core to a program that collects them all the same, unless the limit is 1 (core(5)).
    most = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (min(1, most) if most != resource.RLIM_INFINITY else 1, most))
