from compiler.model.diagnostic import Diagnostic, Related, Severity
from compiler.model.document import Node, Source, Span, extent
from compiler.rules.api import Finding, Rule, Scope

RULE = Rule("a-rule", Severity.WARNING, Scope.INPUT, page="A summary.\n\nMore of it.\n")
SOURCE = Source("a.yaml", "key: value")


def test_the_summary_is_the_first_line_of_the_page() -> None:
    assert RULE.summary == "A summary."


def test_where_python_has_dropped_the_docstrings_the_way_out_stands_in_the_place_of_a_page() -> None:
    dropped = RULE._replace(page=None)  # type: ignore[arg-type] # as `__doc__` is then
    assert dropped.summary == dropped.text
    assert "-OO" in dropped.text


def test_a_finding_becomes_a_diagnostic_of_its_rule() -> None:
    span = Span(SOURCE, 0, 3)
    related = (Related("there", span),)
    finding = Finding("a message", span, help="a way out", related=related, conceals=(span,), scope=("secrets", "a"))
    assert RULE.diagnostic(finding) == Diagnostic(
        "a-rule", Severity.WARNING, "a message", span, "a way out", related, (span,), ("secrets", "a")
    )


def test_a_finding_at_a_node_is_at_its_value() -> None:
    node = Node("value", SOURCE, extent(5, 10, 0, 3))
    assert RULE.diagnostic(Finding("a message", node)).span == Span(SOURCE, 5, 10)
