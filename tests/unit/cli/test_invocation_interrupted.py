import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from pathlib import Path

import pytest

from compiler.cli.invocation import (
    LEFT_BEHIND,
    SIGNALS,
    interruption,
    orderly_termination,
    stoppable,
    was_interrupted,
)

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.usefixtures("hangups")


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_sets_the_event(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stoppable() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        assert "requests in progress are finished first" in capfd.readouterr().err
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_in_the_middle_of_a_write_to_standard_error_is_no_defect(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object, /) -> int:
            signal.raise_signal(signal.SIGINT)
            return len(memoryview(data))  # type: ignore[arg-type]

    stream = io.TextIOWrapper(io.BufferedWriter(Interrupted()), line_buffering=True)
    monkeypatch.setattr("sys.stderr", stream)
    with stoppable() as stop:
        stream.write("a line of progress\n")
    assert stop.is_set()
    assert "requests in progress are finished first" in capfd.readouterr().err


def test_another_thread_than_the_main_one_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), list[object]()

    def work() -> None:
        with stoppable() as stop:
            seen.extend((stop.is_set(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, before]


@pytest.fixture
def said() -> Callable[[Callable[[], object]], str]:
    """What an interrupt leaves behind once a function has ended, in a context of its own."""

    def left(act: Callable[[], object]) -> str:
        def run() -> str:
            with suppress(KeyboardInterrupt, KeyError):
                act()
            return LEFT_BEHIND.get()

        return Context().run(run)

    return left


def test_an_interrupt_says_what_the_last_block_leaves_behind(said: Callable[[Callable[[], object]], str]) -> None:
    def nested(*, within: bool, after: bool) -> None:
        with interruption("outer"):
            if within:
                with interruption("inner"):
                    if not after:
                        raise KeyboardInterrupt
            raise KeyboardInterrupt

    assert said(lambda: None) == "nothing was written"
    assert said(lambda: nested(within=False, after=False)) == "outer"
    assert said(lambda: nested(within=True, after=False)) == "inner"
    # What was done in the inner block is not undone when it ends.
    assert said(lambda: nested(within=True, after=True)) == "inner"


def test_after_the_block_it_is_still_so(said: Callable[[Callable[[], object]], str]) -> None:
    def ended() -> None:
        with interruption("outer"), interruption("inner"):
            pass

    def failed() -> None:
        with interruption("said"):
            raise KeyError

    assert said(ended) == "inner"
    assert said(failed) == "said"


def test_whatever_else_leaves_the_block_is_let_through() -> None:
    with pytest.raises(KeyError), interruption("said"):
        raise KeyError
    with interruption("said"):
        pass


def test_the_complaint_of_a_lock_that_an_interrupt_broke_is_that_interrupt() -> None:
    def broken() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")

    with pytest.raises(KeyboardInterrupt), interruption("said"):
        broken()


@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_second_signal_ends_the_process_where_it_stands(second: str) -> None:
    program = f"""
import signal
from compiler.cli.invocation import stoppable
with stoppable():
    signal.raise_signal(signal.SIGINT)
    try:
        signal.raise_signal(signal.{second})
    finally:
        print("it goes on")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("interrupted; run the same command again")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_whose_exception_a_callback_lost_is_known() -> None:
    class Callback:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    assert not was_interrupted()
    with orderly_termination():
        assert not was_interrupted()
        callback = [Callback()]
        callback.clear()
        assert was_interrupted()
    assert not was_interrupted()


@pytest.mark.parametrize("number", SIGNALS)
def test_either_signal_unwinds_and_is_given_back_afterwards(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(KeyboardInterrupt), orderly_termination():
        os.kill(os.getpid(), number)
    assert [signal.getsignal(each) for each in SIGNALS] == before


@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_does_not_interrupt_the_clean_up(second: signal.Signals) -> None:
    cleaned: list[bool] = []

    def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), second)
            cleaned.append(True)

    with pytest.raises(KeyboardInterrupt), orderly_termination():
        work()
    assert cleaned


def test_another_thread_leaves_signals_alone() -> None:
    seen: list[object] = []

    def work() -> None:
        with orderly_termination():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_a_command_started_with_nohup_outlives_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with orderly_termination():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_block_inside_of_another_changes_nothing() -> None:
    with orderly_termination():
        handlers = [signal.getsignal(each) for each in SIGNALS]
        with orderly_termination():
            assert [signal.getsignal(each) for each in SIGNALS] == handlers
        assert [signal.getsignal(each) for each in SIGNALS] == handlers
