from __future__ import annotations

import os
import signal
from argparse import Namespace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from compiler.cli import write_keys
from compiler.cli.exit_codes import COULD_NOT_RUN, FOUND, INCOMPLETE, INTERRUPTED, OK
from compiler.cli.invocation import Globals, Invocation
from compiler.cli.terminal.command_output import CommandOutput
from compiler.operations.put.write_keys import Outcome, State
from compiler.operations.runs.audit import AuditError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compiler.cli.write_keys import Applied
    from compiler.operations.put.set_keys import ChangePlan


def output(form: str = "text") -> CommandOutput:
    return CommandOutput(Namespace(format=form), Invocation(Globals()))


def outcome(state: State) -> Outcome:
    remote: Any = SimpleNamespace(name="agents/jira", writer=SimpleNamespace(address=SimpleNamespace(absolute="vault")))
    is_stored = state in {State.WRITTEN, State.SLIPPED, State.UNVERIFIED}
    return Outcome(remote, state, "7" if is_stored else None, "it happened", "look")


def apply(
    monkeypatch: pytest.MonkeyPatch, *steps: State | BaseException, audit: str | None = None, form: str = "text"
) -> Applied:
    def go(*_: object) -> Iterator[Outcome]:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            yield outcome(step)

    monkeypatch.setattr(write_keys, "write_keys", go)
    plan = cast("ChangePlan", SimpleNamespace(writes=(1, 2, 3)))
    return write_keys.apply(plan, "prod", "put", audit, output(form))


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([State.WRITTEN] * 3, OK),
        ([State.WRITTEN, State.CONFLICT, State.WRITTEN], FOUND),
        ([State.SLIPPED], FOUND),
        ([State.UNVERIFIED], FOUND),
        ([State.FAILED], COULD_NOT_RUN),
        ([State.CONFLICT, State.FAILED], COULD_NOT_RUN),
        ([State.WRITTEN, State.FAILED], INCOMPLETE),
        ([State.UNNOTED], INCOMPLETE),
    ],
)
def test_the_exit_code_says_what_came_of_it(monkeypatch: pytest.MonkeyPatch, states: list[State], code: int) -> None:
    done = apply(monkeypatch, *states)
    assert (done.code, [outcome.state for outcome in done.outcomes]) == (code, states)


def test_each_write_is_told_with_its_place_and_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(monkeypatch, State.WRITTEN, State.UNVERIFIED, State.CONFLICT, State.FAILED)
    shown = capsys.readouterr()
    assert shown.out == "written agents/jira in vault, version 7\n" * 2
    assert shown.err.splitlines() == [
        "error: unverified: it happened",
        "help: look",
        "error: conflict: agents/jira in vault: it happened",
        "help: look",
        "error: failed: agents/jira in vault: it happened",
        "help: look",
        (
            "2 of 3 remote secrets are written; run the same command again: it compares first, "
            "and writes only what is not there"
        ),
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_write_under_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    def go(*_: object) -> Iterator[Outcome]:
        yield outcome(State.WRITTEN)
        os.kill(os.getpid(), number)
        yield outcome(State.WRITTEN)
        raise AssertionError

    monkeypatch.setattr(write_keys, "write_keys", go)
    plan = cast("ChangePlan", SimpleNamespace(writes=(1, 2, 3)))
    done = write_keys.apply(plan, "prod", "put", None, output())
    assert (done.code, done.is_interrupted, len(done.outcomes)) == (INTERRUPTED, True, 2)
    shown = capsys.readouterr()
    assert shown.out.count("written") == 2
    assert "2 of 3 remote secrets are written; run the same command again" in shown.err


def test_a_second_ctrl_c_says_what_is_done_and_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt, match="1 of 3 remote secrets are written; run the same command again"):
        apply(monkeypatch, State.WRITTEN, KeyboardInterrupt())


def test_what_a_second_ctrl_c_breaks_is_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = RuntimeError("release unlocked lock")
    broken.__context__ = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt, match="1 of 3 remote secrets are written"):
        apply(monkeypatch, State.WRITTEN, broken)


def test_a_defect_says_where_it_was_what_is_done_and_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = apply(monkeypatch, State.WRITTEN, KeyError("s3ntinel"))
    assert (done.code, len(done.outcomes)) == (INCOMPLETE, 1)
    shown = capsys.readouterr().err
    assert shown.startswith("internal error: KeyError at ")
    assert "1 of 3 remote secrets are written; run the same command again" in shown
    assert "s3ntinel" not in shown


def test_for_programs_nothing_is_written_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(monkeypatch, State.WRITTEN, State.CONFLICT, form="json")
    shown = capsys.readouterr()
    assert (shown.out, "conflict" in shown.err) == ("", True)


def test_an_audit_file_that_cannot_be_opened_ends_it_before_the_first_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(AuditError):
        apply(monkeypatch, AssertionError(), audit=str(tmp_path))
    assert apply(monkeypatch, State.WRITTEN, audit=str(tmp_path / "audit")).code == OK
    assert (tmp_path / "audit").read_bytes() == b""
