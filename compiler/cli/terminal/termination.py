"""Turns Ctrl-C, SIGTERM and a closed terminal into one KeyboardInterrupt, so that all clean up as Ctrl-C does."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def heeded() -> tuple[signal.Signals, ...]:
    """Those of SIGNALS that end a command: whoever starts it with `nohup` wants it to outlive the terminal."""
    return tuple(each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN)


@contextmanager
def orderly_termination() -> Iterator[None]:
    """While the block runs, the first signal of any kind unwinds it; further ones do not interrupt the unwinding.

    A block inside of another one changes nothing.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is _interrupt:
        # Signals are the main thread's.
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    # A second exception in the middle of the first one's clean-up would end as a complaint of whatever was cleaned up.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
