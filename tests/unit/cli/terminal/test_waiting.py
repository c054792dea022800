from __future__ import annotations

import io

from compiler.cli.terminal.outlet import Outlet
from compiler.cli.terminal.waiting import Waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


STATES = {"github": "in effect", "jira": "not synced", "a": "old spec", "b": "old spec", "c": "old spec"}


def test_without_a_terminal_what_is_waited_for_and_each_change_is_a_line() -> None:
    stream = io.StringIO()
    waiting = Waiting("in effect", Outlet(stream))
    waiting.tell({"github": "in effect", "jira": "not synced"}, 60)
    waiting.tell({"github": "in effect", "jira": "not synced"}, 59)
    waiting.tell({"github": "in effect", "jira": "in effect"}, 58)
    waiting.close()
    assert stream.getvalue() == "jira: not synced\njira: in effect\n"


def test_a_terminal_gets_one_line_with_the_time_left_that_goes_at_the_end() -> None:
    stream = Terminal()
    waiting = Waiting("in effect", Outlet(stream))
    waiting.tell(STATES, 125.4)
    shown = "1 of 5 in effect, 2m5s left; jira not synced, a old spec, b old spec and 1 more"
    assert stream.getvalue().endswith(shown)
    waiting.tell({"github": "in effect"}, -1)
    assert stream.getvalue().endswith("1 of 1 in effect, 0s left")
    waiting.close()
    assert stream.getvalue().endswith("\r\x1b[K")
