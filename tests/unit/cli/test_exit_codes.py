from dataclasses import replace
from typing import Any

import pytest

from compiler.change.plan import End, Kind, Outcome, Plan, State, Step, WriteResult
from compiler.cli import exit_codes
from compiler.cli.exit_codes import code_of, code_of_run
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span
from tests.memory_store import MemoryStore
from tests.unit.changes import outcome_of, plan_of, unaudited_line, write_of

ERROR, WARNING, NOTE = (Diagnostic("r", severity, "m", Span(Source("a.yaml"))) for severity in Severity)


def test_every_code_has_its_meaning() -> None:
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert codes == exit_codes.MEANINGS.keys() == {0, 1, 2, 3, 4, 130}


@pytest.mark.parametrize(
    ("found", "is_strict", "code"),
    [
        ((), False, 0),
        ((), True, 0),
        ((WARNING,), False, 0),
        ((WARNING,), True, 1),
        ((WARNING, ERROR), False, 1),
        ((ERROR,), True, 1),
        ((NOTE,), False, 0),
        ((NOTE, NOTE), True, 0),
        ((NOTE, WARNING), True, 1),
    ],
)
def test_an_error_is_1_and_a_warning_where_that_is_asked(
    found: tuple[Diagnostic, ...],
    is_strict: bool,  # noqa: FBT001
    code: int,
) -> None:
    assert code_of(found, is_strict=is_strict) == code
    assert code_of(found, is_strict=is_strict, is_answered=False) == 3


REFUSED = Step("jira", "TOKEN", Kind.REFUSE, None, None, "why", "how")


def plan(name: str) -> Plan:
    return plan_of(write_of(MemoryStore(), name, A="1"))


def outcome(*states: State, **rest: Any) -> Outcome:  # noqa: ANN401
    return outcome_of(*(WriteResult("azure", str(state), state) for state in states), **rest)


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
        (outcome(State.DONE, unrecorded="the disk is full"), True, 4),
        (outcome(State.DONE, unaudited=(unaudited_line("azure", "a", "v1"),)), True, 4),
        (outcome(State.DONE, State.PENDING, interrupted=True), True, 130),
    ],
)
def test_the_exit_code_says_how_a_run_ended(found: Outcome, is_clean: bool, code: int) -> None:  # noqa: FBT001
    assert code_of_run(found if is_clean else replace(found, plan=plan_of(steps=(REFUSED,)))) == code


@pytest.mark.parametrize(("end", "code"), [(End.APPLIED, 4), (End.SHOWN, 0), (End.NOTHING, 0)])
def test_a_run_that_leaves_something_to_the_next_one_is_incomplete(end: End, code: int) -> None:
    left = replace(plan("a"), left_out=(("azure", "b"),))
    assert code_of_run(Outcome(left, end)) == code


@pytest.mark.parametrize(
    ("end", "is_clean", "code"),
    [
        (End.SHOWN, True, 0),
        (End.SHOWN, False, 1),
        (End.NOTHING, True, 0),
        (End.NOTHING, False, 1),
        (End.DECLINED, True, 0),
        (End.BLOCKED, False, 1),
        (End.CHANGED, True, 1),
    ],
)
def test_the_exit_code_says_whether_a_plan_can_be_written(end: End, is_clean: bool, code: int) -> None:  # noqa: FBT001
    assert code_of_run(Outcome(plan("a") if is_clean else plan_of(steps=(REFUSED,)), end)) == code
