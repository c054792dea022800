import io
from itertools import count

from compiler.cli.terminal.dialogue import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_each_is_a_plain_line() -> None:
    stream = io.StringIO()
    progress = Progress(2, quiet=False, stream=stream)
    progress.step("one done")
    progress.step("two failed", is_fine=False)
    progress.close()
    assert stream.getvalue() == "1/2 one done\n2/2 two failed\n"


def test_a_terminal_gets_a_bar_with_rate_and_time_left_and_the_number_of_those_that_are_not_done() -> None:
    stream, seconds = Terminal(), count(0, 10)
    progress = Progress(120, quiet=False, stream=stream, now=lambda: next(seconds))
    for number in range(10):
        progress.step(f"{number} done")
    assert "] 10/120  0/s" in stream.getvalue()
    progress.step("bad", is_fine=False)
    progress.close()
    text = stream.getvalue()
    assert "[##......................] 11/120  1 not done  0/s  18:10 left" in text
    # Each is a result line of the end, if anything is to be said of it.
    assert "bad" not in text
    assert "0 done" not in text
    assert text.endswith("\r\x1b[K")


def test_a_bar_is_not_drawn_more_often_than_eyes_can_read_but_the_last_time() -> None:
    stream = Terminal()
    progress = Progress(1000, quiet=False, stream=stream, now=lambda: 5.0)
    for _ in range(1000):
        progress.step("done")
    assert stream.getvalue().count("[") - stream.getvalue().count("\x1b[") == 2


def test_what_is_not_done_is_counted_at_once() -> None:
    stream = Terminal()
    progress = Progress(1000, quiet=False, stream=stream, now=lambda: 5.0)
    progress.step("one")
    progress.step("two", is_fine=False)
    assert "2/1000  1 not done" in stream.getvalue()


def test_quiet_shows_nothing() -> None:
    stream = Terminal()
    progress = Progress(1, quiet=True, stream=stream)
    progress.step("one", is_fine=False)
    progress.close()
    assert stream.getvalue() == ""
