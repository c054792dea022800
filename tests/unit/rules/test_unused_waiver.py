from compiler.model.document import Severity
from compiler.rules.api import Scope
from compiler.rules.unused_waiver import check
from compiler.stages.load import load_text


def test_the_checking_stage_reports_it_at_the_waiver() -> None:
    node = load_text("environments/prod.yaml", "waive: {shared-place: why}\n")[0].root.nearest("waive", "shared-place")  # type: ignore[union-attr]
    [found] = check.diagnostics("shared-place", node)
    assert (check.scope, found.severity, found.help) == (Scope.INPUT, Severity.WARNING, "remove it")
    assert found.message == 'this waiver is unused: "shared-place" has no finding here'
    assert (found.span.start, found.span.end) == (8, 20)
