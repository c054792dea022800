"""Ends a run in an orderly way after an interrupt or a termination signal, and says what happens."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, NoReturn

from compiler.cli.exit_codes import INTERRUPTED
from compiler.refusal import follows_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def signals_to_handle() -> tuple[signal.Signals, ...]:
    """Those of SIGNALS that end a command: whoever starts it with `nohup` wants it to outlive the terminal."""
    return tuple(each for each in SIGNALS if each != signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN)


@contextmanager
def orderly_termination() -> Iterator[None]:
    """While the block runs, the first signal unwinds it, and further ones do not interrupt that."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is _interrupt:
        # Signals are the main thread's.
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in signals_to_handle()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def was_interrupted() -> bool:
    """Whether a signal came in an orderly block, also where a callback of the interpreter lost its exception."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    # A second exception in the middle of the first one's clean-up would end as a complaint of whatever was cleaned up.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


_STANDARD_ERROR = 2
NOTHING_WRITTEN: Final = "nothing was written"
GOES_ON: Final = "run the same command again to continue"
# What an interrupt leaves behind at this moment.
LEFT_BEHIND: Final[ContextVar[str]] = ContextVar("what an interrupt leaves behind", default=NOTHING_WRITTEN)


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """Sets the event at the first signal; the second one raises, the third one ends the process.

    Only the main thread gets signals: in another one the event is never set.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in signals_to_handle()}

    def first(_number: int, _frame: object) -> None:
        stop.set()
        _handle(second)
        _say("\nstopping: requests in progress are finished first\n")

    def second(_number: int, _frame: object) -> NoReturn:
        _handle(_third)
        raise KeyboardInterrupt

    _handle(first)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _third(_number: int, _frame: object) -> NoReturn:
    _say(f"interrupted; {GOES_ON}\n")
    os._exit(INTERRUPTED)


def _handle(handler: Callable[[int, object], None]) -> None:
    for number in signals_to_handle():
        signal.signal(number, handler)


def _say(line: str) -> None:
    # Not through `sys.stderr`: the signal may come in the middle of a write to it, which must not be entered twice.
    with suppress(OSError):
        os.write(_STANDARD_ERROR, line.encode())


@contextmanager
def interruption(said: str) -> Iterator[None]:
    """Lets an interrupt say `said`, also after the block, until another block says something else.

    What leaves the block is a KeyboardInterrupt, also where a lock complained of one.
    """
    LEFT_BEHIND.set(said)
    try:
        yield
    except Exception as error:
        if not follows_interrupt(error):
            raise
    else:
        return
    raise KeyboardInterrupt
