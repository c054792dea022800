import os
import signal
import threading

import pytest

from compiler.cli.terminal.interrupts import SIGNALS, orderly_termination


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
