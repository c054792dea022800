from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from compiler.cli.terminal.interrupts import interruption, stoppable
from compiler.cli.terminal.termination import SIGNALS

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("second", SIGNALS)
@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_sets_the_event_and_the_next_one_raises(
    number: signal.Signals, second: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stoppable() as stop:
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
        assert "requests in progress are finished first" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(second)
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


def interrupted(*said: str, inner: str | None = None) -> None:
    with interruption("outer"):
        if inner is not None:
            with interruption(inner):
                raise KeyboardInterrupt(*said)
        raise KeyboardInterrupt(*said)


def test_an_interrupt_says_what_the_innermost_block_leaves_behind() -> None:
    for words, inner, expected in ((), None, "outer"), ((), "inner", "inner"), (("own",), "inner", "own"):
        with pytest.raises(KeyboardInterrupt) as caught:
            interrupted(*words, inner=inner)
        assert caught.value.args == (expected,)


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

    with pytest.raises(KeyboardInterrupt, match="said"), interruption("said"):
        broken()


def test_a_third_signal_ends_the_process_where_it_stands() -> None:
    program = """
import signal
from compiler.cli.terminal.interrupts import stoppable
with stoppable():
    signal.raise_signal(signal.SIGINT)
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        signal.raise_signal(signal.SIGINT)
    raise AssertionError
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.splitlines()[-1].startswith("interrupted; run the same command again")
