"""Ctrl-C and SIGTERM during writes, in; an event that lets what is under way be finished, out."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_STANDARD_ERROR = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTHING_WRITTEN: Final = "nothing was written"
GOES_ON: Final = "run the same command again: it compares first, and writes only what is not there"


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Set the event at the first signal, in place of an exception at whatever line runs; the second one raises.

    Only the main thread gets signals: in another one the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def first(_number: int, _frame: object) -> None:
        stop.set()
        for number in _SIGNALS:
            signal.signal(number, signal.default_int_handler)
        # Not through `sys.stderr`: the signal may come in the middle of a write to it, which must not be entered twice.
        with suppress(OSError):
            os.write(_STANDARD_ERROR, b"\nstopping: what is under way is finished first\n")

    for number in _SIGNALS:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interruption(said: str) -> Iterator[None]:
    """Let an interrupt that leaves the block say what it leaves behind, unless one further inside has said it."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if interrupt.args:
            raise
    else:
        return
    raise KeyboardInterrupt(said)
