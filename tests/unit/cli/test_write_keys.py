from __future__ import annotations

import os
import signal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from compiler.cli import write_keys
from compiler.cli.exit_codes import COULD_NOT_RUN, FOUND, INCOMPLETE, INTERRUPTED, OK
from compiler.operations.audit import AuditError
from compiler.operations.write_keys import Outcome, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from compiler.operations.set_keys import ChangePlan


def outcome(state: State) -> Outcome:
    remote: Any = SimpleNamespace(name="agents/jira", writer=SimpleNamespace(address=SimpleNamespace(absolute="vault")))
    is_stored = state in {State.WRITTEN, State.SLIPPED, State.UNVERIFIED}
    return Outcome(remote, state, "7" if is_stored else None, "it happened", "look")


def apply(monkeypatch: pytest.MonkeyPatch, *steps: State | BaseException, audit: str | None = None) -> int:
    def go(*_: object) -> Iterator[Outcome]:
        for step in steps:
            if isinstance(step, BaseException):
                raise step
            yield outcome(step)

    monkeypatch.setattr(write_keys, "write_keys", go)
    plan = cast("ChangePlan", SimpleNamespace(writes=(1, 2, 3)))
    return write_keys.apply(plan, "prod", "put", audit)


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
    ],
)
def test_the_exit_code_says_what_came_of_it(monkeypatch: pytest.MonkeyPatch, states: list[State], code: int) -> None:
    assert apply(monkeypatch, *states) == code


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
    assert write_keys.apply(plan, "prod", "put", None) == INTERRUPTED
    shown = capsys.readouterr()
    assert shown.out.count("written") == 2
    assert "2 of 3 remote secrets are written; run the same command again" in shown.err


def test_a_second_ctrl_c_says_what_is_done_and_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        apply(monkeypatch, State.WRITTEN, KeyboardInterrupt())
    assert capsys.readouterr().err.startswith("1 of 3 remote secrets are written; run the same command again")


def test_a_write_that_could_not_be_noted_ends_the_command_as_incomplete(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert apply(monkeypatch, State.WRITTEN, AuditError("the audit file cannot be written: full")) == INCOMPLETE
    assert "was done but not noted: the audit file cannot be written: full" in capsys.readouterr().err


def test_an_audit_file_that_cannot_be_opened_ends_it_before_the_first_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(AuditError):
        apply(monkeypatch, AssertionError(), audit=str(tmp_path))
    assert apply(monkeypatch, State.WRITTEN, audit=str(tmp_path / "audit")) == OK
    assert (tmp_path / "audit").read_bytes() == b""


def test_counting() -> None:
    assert (write_keys.counted(1, "key"), write_keys.counted(0, "key")) == ("1 key", "0 keys")
