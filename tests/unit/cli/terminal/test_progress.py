import io
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace

import pytest

from compiler.cli.terminal.dialogue import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What standard error is from here on."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def set_clock(monkeypatch: pytest.MonkeyPatch, now: Callable[[], float]) -> None:
    monkeypatch.setattr("compiler.cli.terminal.dialogue.time", SimpleNamespace(monotonic=now))


def test_without_a_terminal_each_is_a_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(2, quiet=False)
    progress.step("one done")
    progress.step("two failed", is_fine=False)
    progress.close()
    assert capsys.readouterr().err == "1/2 one done\n2/2 two failed\n"


def test_a_terminal_gets_a_bar_with_rate_and_time_left_and_the_number_of_those_that_are_not_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_terminal(monkeypatch)
    seconds = count(0, 10)
    set_clock(monkeypatch, lambda: next(seconds))
    progress = Progress(120, quiet=False)
    for number in range(10):
        progress.step(f"{number} done")
    assert "] 10/120  0/s" in terminal.getvalue()
    progress.step("bad", is_fine=False)
    progress.close()
    text = terminal.getvalue()
    assert "[##......................] 11/120  1 not done  0/s  18:10 left" in text
    # Each is a result line of the end, if anything is to be said of it.
    assert "bad" not in text
    assert "0 done" not in text
    assert text.endswith("\r\x1b[K")


def test_a_bar_is_not_drawn_more_often_than_eyes_can_read_but_the_last_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = on_terminal(monkeypatch)
    set_clock(monkeypatch, lambda: 5.0)
    progress = Progress(1000, quiet=False)
    for _ in range(1000):
        progress.step("done")
    assert terminal.getvalue().count("[") - terminal.getvalue().count("\x1b[") == 2


def test_what_is_not_done_is_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    set_clock(monkeypatch, lambda: 5.0)
    progress = Progress(1000, quiet=False)
    progress.step("one")
    progress.step("two", is_fine=False)
    assert "2/1000  1 not done" in terminal.getvalue()


def test_quiet_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    progress = Progress(1, quiet=True)
    progress.step("one", is_fine=False)
    progress.close()
    assert terminal.getvalue() == ""
