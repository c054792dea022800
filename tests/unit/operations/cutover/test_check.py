import pytest

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.operations.cutover_gate import About, Check, Verdict, is_closed, one_line
from compiler.text.credential import looks_like_credential


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


def test_a_finding_is_stated_in_the_form_that_shows_its_names() -> None:
    span = Span(Source("environments/prod.yaml", "jira: {}\n"), 0, 1)
    found = Diagnostic("missing-secret", Severity.ERROR, '"agents-jira" is not in "azure"', span)
    message = one_line(found)
    assert message == 'environments/prod.yaml:1:1: error[missing-secret]: "agents-jira" is not in "azure"'
    assert not looks_like_credential(message)
