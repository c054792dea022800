from compiler.model.diagnostic import MOST_OF_A_RULE, Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.render.content import first_of_each_rule

SOURCE = Source("environments/prod.yaml", "a: b\n")


def findings(rule: str, count: int, severity: Severity = Severity.WARNING) -> list[Diagnostic]:
    return [Diagnostic(rule, severity, f"{rule} {number}", Span(SOURCE)) for number in range(count)]


def test_up_to_the_limit_none_is_left_out() -> None:
    every = findings("one", MOST_OF_A_RULE) + findings("two", MOST_OF_A_RULE)
    assert first_of_each_rule(every, "look") == (tuple(every), None)
    assert first_of_each_rule([], "look") == ((), None)


def test_a_rule_that_all_break_does_not_bury_another() -> None:
    many, few = findings("many", MOST_OF_A_RULE + 1), findings("few", 1, Severity.ERROR)
    kept, omission = first_of_each_rule(many + few, "`--all` shows them")
    assert kept == (*many[:-1], *few)
    assert omission is not None
    assert omission.lines() == ['1 more finding of "many" not shown; `--all` shows them']
    assert omission.of_severities == {Severity.WARNING: 1}


def test_each_rule_is_counted_by_itself() -> None:
    every = findings("one", 25) + findings("two", 23, Severity.ERROR)
    omission = first_of_each_rule(every, "look")[1]
    assert omission is not None
    assert omission.lines() == [
        '5 more findings of "one" not shown; look',
        '3 more findings of "two" not shown; look',
    ]
    assert omission.of_severities == {Severity.WARNING: 5, Severity.ERROR: 3}
