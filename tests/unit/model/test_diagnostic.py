import pytest

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Source, Span


def test_equal_findings_are_equal_so_that_they_can_be_told_once() -> None:
    source = Source("a.yaml", "secret text")
    one, same = (Diagnostic("r", Severity.ERROR, "m", Span(source, 0, 1)) for _ in range(2))
    other = Diagnostic("r", Severity.ERROR, "m", Span(Source("a.yaml", "secret text"), 0, 1))
    assert {one, same} == {one}
    assert one != other


def test_a_diagnostic_cannot_change_and_its_representation_has_no_input() -> None:
    found = Diagnostic("r", Severity.WARNING, "m", Span(Source("a.yaml", "secret text"), 0, 1))
    with pytest.raises(AttributeError):
        found.message = "x"  # type: ignore[misc]
    assert "secret text" not in repr(found)


def test_severities_are_written_as_formats_want_them() -> None:
    assert [severity.value for severity in Severity] == ["error", "warning", "note"]
