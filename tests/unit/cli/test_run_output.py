from __future__ import annotations

from argparse import Namespace
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from compiler.cli.invocation import Globals, Invocation
from compiler.cli.run_output import RunOutput, code_of, notes_of
from compiler.cli.terminal.progress import Progress
from compiler.operations.change.plan import Outcome, Result, State
from compiler.operations.runs.audit import AuditError
from tests.unit.operations.memory_store import MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.operations.runs.journal import Journal


def output(form: str = "text") -> RunOutput:
    return RunOutput(Namespace(format=form, quiet=True), Invocation(Globals()))


def outcome(*states: State, interrupted: bool = False, defect: Exception | None = None) -> Outcome:
    return Outcome("run-1", tuple(Result(str(state), state) for state in states), interrupted, defect)


@pytest.mark.parametrize(
    ("found", "is_clean", "code"),
    [
        (outcome(State.DONE, State.KEPT), True, 0),
        (outcome(State.DONE), False, 1),
        (outcome(State.DONE, State.CONFLICT), True, 1),
        (outcome(State.UNVERIFIED), True, 1),
        (outcome(State.CONFLICT, State.FAILED), True, 4),
        (outcome(State.PENDING), True, 4),
        (outcome(State.DONE, defect=KeyError()), True, 4),
        (replace(outcome(State.DONE), unnoted="the disk is full"), True, 4),
        (outcome(State.DONE, State.PENDING, interrupted=True), True, 130),
    ],
)
def test_the_exit_code_says_how_it_ended(found: Outcome, is_clean: bool, code: int) -> None:  # noqa: FBT001
    assert code_of(found, is_clean=is_clean) == code


def test_what_is_not_done_is_told_by_name_and_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    output().outcome(outcome(State.DONE, State.PENDING), "azure")
    assert capsys.readouterr().out.splitlines() == [
        "azure:pending not begun",
        "run run-1: 1 of 2 done and verified",
        "incomplete; run the same command again to go on from here",
    ]
    output().outcome(outcome(State.PENDING, interrupted=True), "azure")
    assert capsys.readouterr().out.endswith("interrupted; run the same command again to go on from here\n")


def test_an_end_that_could_not_be_noted_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    output().outcome(replace(outcome(State.DONE), unnoted="the journal cannot be written: full"), "azure")
    shown = capsys.readouterr()
    assert shown.err == "error: the run's end is not noted: the journal cannot be written: full\n"
    assert shown.out.endswith("incomplete; run the same command again to go on from here\n")


def test_people_get_lines_and_programs_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    for form, shown in (("text", "line\n"), ("json", '{\n  "a": 1\n}\n')):
        output(form).lines(["line"])
        output(form).report(lambda: {"a": 1})
        assert capsys.readouterr().out == shown


def test_why_a_step_is_not_done_is_told_once_when_all_is_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[tuple[str, bool]] = []

    def step(_self: Progress, line: str, *, is_fine: bool = True) -> None:
        seen.append((line, is_fine))

    monkeypatch.setattr(Progress, "step", step)
    results = (Result("a", State.DONE, "v1"), Result("b", State.CONFLICT, None, (), "conflict", "why", "how"))
    with output().progress(2, "azure") as tell:
        for result in results:
            tell(result)
    assert seen == [("azure:a done, version v1", True), ("azure:b conflict", False)]
    output().outcome(Outcome("run-1", results), "azure")
    assert capsys.readouterr().out.splitlines()[0] == "azure:b conflict: why; how"


def test_an_interrupt_takes_the_bar_away(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Progress] = []

    def close(bar: Progress) -> None:
        closed.append(bar)

    monkeypatch.setattr(Progress, "close", close)
    with pytest.raises(KeyboardInterrupt), output().progress(2, "azure"):
        raise KeyboardInterrupt
    assert len(closed) == 1


def test_the_audit_file_is_opened_before_the_journal_is_begun(tmp_path: Path) -> None:
    store: Any = MemoryStore()

    def journal() -> Journal:
        raise AssertionError

    with ExitStack() as stack, pytest.raises(AuditError):
        notes_of(stack, journal, "prod", store, str(tmp_path))
