from __future__ import annotations

import pytest

from compiler.operations.cutover.check import About, Check, Verdict, is_closed


@pytest.mark.parametrize(
    ("verdicts", "closed"),
    [
        ((), False),
        ((Verdict.PASSED, Verdict.NOTED), False),
        ((Verdict.PASSED, Verdict.REFUSED), True),
        ((Verdict.UNANSWERED,), True),
    ],
)
def test_a_refusal_or_a_missing_answer_closes_the_gate(verdicts: tuple[Verdict, ...], closed: bool) -> None:  # noqa: FBT001
    assert is_closed(tuple(Check(About.COMPARED, each, "x") for each in verdicts)) is closed
