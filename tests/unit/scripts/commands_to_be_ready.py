"""Commands that show what they run in, for the tests of scripts/ready_commands.py."""

import atexit
import os
import signal
import sys
import threading
import time
from pathlib import Path

_COUNTED: list[int] = []


def surroundings() -> int:
    umask = os.umask(0)
    os.umask(umask)
    for line in (
        f"argv {sys.argv!a}",
        f"folder {Path.cwd()}",
        f"umask {oct(umask)}",
        f"A {os.environ.get('A')!a}",
        f"PYTHONPATH {os.environ.get('PYTHONPATH')}",
        f"input {sys.stdin.readline()!r}",
        f"terminal {os.isatty(0)}",
    ):
        print(line)  # noqa: T201 - what a command does
    sys.stderr.write("to standard error\n")
    return 7


def patient() -> None:
    """Waits for a signal, and ends by it."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    print("waiting", flush=True)  # noqa: T201
    while True:
        time.sleep(0.02)


def late() -> int:
    """Returns before its output is written: by a thread, by an exit function, and from a buffer."""
    atexit.register(print, "exit function")
    print("command")  # noqa: T201
    threading.Timer(0.1, print, ("thread",)).start()
    return 3


def killed() -> None:
    """Ends as nobody can catch it."""
    os.kill(os.getpid(), signal.SIGKILL)


def counting() -> None:
    """How often it ran in this process."""
    _COUNTED.append(1)
    print(len(_COUNTED))  # noqa: T201
