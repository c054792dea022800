"""The program: arguments and streams of the process in, its exit code out. `python -m compiler` runs it."""

from __future__ import annotations

import gc
import sys

from compiler.cli.main import main
from compiler.cli.streams import open_streams


def run() -> int:
    """Runs the command that the process was started with."""
    # The process is short and makes no cycles worth a search, which costs a tenth of a large compile.
    gc.disable()
    with open_streams() as streams:
        code = main(sys.argv[1:])
    # What lives now dies with the process: the collector need not look at it on the way out.
    gc.freeze()
    return streams.code(code)


if __name__ == "__main__":
    sys.exit(run())
