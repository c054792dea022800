import io
from dataclasses import replace

import pytest

from compiler.cli.commands.status import Waiting
from compiler.cluster.judge import ClusterProblem, ClusterState
from compiler.operations.status import LiveState


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


FINE = LiveState()
LATE, OLD, DOWN = (
    LiveState((ClusterProblem(state, "it is not ready"),))
    for state in (ClusterState.NOT_SYNCED, ClusterState.OTHER_SPEC, ClusterState.NOT_READY)
)
FAILING = replace(DOWN, causes=("no such key",))
STATES = {"github": FINE, "jira": LATE, "a": OLD, "b": OLD, "c": OLD}


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """What standard error is from here on."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    return terminal


def test_without_a_terminal_what_is_waited_for_and_each_change_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    waiting.tell({"github": FINE, "jira": LATE}, 60)
    waiting.tell({"github": FINE, "jira": LATE}, 59)
    waiting.tell({"github": FINE, "jira": FINE}, 58)
    waiting.close()
    assert capsys.readouterr().err == "jira: not synced\njira: in effect\n"


def test_a_cause_is_said_when_it_is_known_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    waiting.tell({"jira": DOWN}, 60)
    waiting.tell({"jira": FAILING}, 59)
    waiting.tell({"jira": replace(FAILING, next_try=9)}, 58)
    waiting.tell({"jira": replace(DOWN, causes=("another",))}, 57)
    assert capsys.readouterr().err.splitlines() == [
        "jira: not ready",
        "jira: it is not ready",
        "  because: no such key",
        "jira: it is not ready",
        "  because: another",
    ]


def test_a_cause_that_many_have_is_said_once_a_wait(capsys: pytest.CaptureFixture[str]) -> None:
    waiting = Waiting()
    waiting.tell({"jira": FAILING, "slack": FAILING}, 60)
    waiting.tell({"jira": FINE, "slack": FAILING}, 59)
    waiting.tell({"jira": FAILING, "slack": FAILING}, 58)
    shown = capsys.readouterr().err
    assert shown.count("no such key") == 1
    assert "slack: it is not ready" not in shown


def test_a_terminal_gets_one_line_with_the_time_left_that_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    waiting = Waiting()
    waiting.tell(STATES, 125.4)
    shown = "1 of 5 in effect, 2m5s left; jira not synced, a old spec, b old spec and 1 more"
    assert terminal.getvalue().endswith(shown)
    waiting.tell({"github": FINE}, -1)
    assert terminal.getvalue().endswith("1 of 1 in effect, 0s left")
    waiting.close()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_on_a_terminal_a_cause_stands_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    Waiting().tell({"jira": FAILING}, 60)
    cleared, *lines = terminal.getvalue().split("\n")
    assert cleared.endswith("jira: it is not ready")
    assert lines[0] == "  because: no such key"
    assert lines[1].endswith("0 of 1 in effect, 1m left; jira not ready")
