from compiler.cli.terminal.contents import text_of
from compiler.model.diagnostic import MOST_OF_A_RULE, Diagnostic, Severity
from compiler.model.document import Source, Span
from compiler.render.content import first_of_each_rule, show
from compiler.render.formats import lines

SOURCE = Source("environments/prod.yaml", "a: b\n")


def findings(rule: str, count: int, severity: Severity = Severity.WARNING) -> list[Diagnostic]:
    return [Diagnostic(rule, severity, f"{rule} {number}", Span(SOURCE)) for number in range(count)]


def end_of(every: list[Diagnostic]) -> list[str]:
    """The end of the output: what is not shown, and the counts."""
    kept, left_out = first_of_each_rule(every)
    printed = text_of(lines(show(kept), left_out, "look")).splitlines()
    return printed[next(number for number, line in enumerate(printed) if "not shown" in line) :]


def test_up_to_the_limit_none_is_left_out() -> None:
    every = findings("one", MOST_OF_A_RULE) + findings("two", MOST_OF_A_RULE)
    assert first_of_each_rule(every) == (every, [])
    assert first_of_each_rule([]) == ([], [])


def test_a_rule_that_all_break_does_not_bury_another() -> None:
    many, few = findings("many", MOST_OF_A_RULE + 1), findings("few", 1, Severity.ERROR)
    assert first_of_each_rule(many + few) == ([*many[:-1], *few], many[-1:])
    assert end_of(many + few) == [
        '1 more finding of "many" not shown; look',
        "",
        f"1 error, {MOST_OF_A_RULE + 1} warnings",
    ]


def test_each_rule_is_counted_by_itself_in_the_order_of_the_first_of_each() -> None:
    one, two = findings("one", 25), findings("two", 23, Severity.ERROR)
    assert end_of([one[0], *two, *one[1:]]) == [
        '5 more findings of "one" not shown; look',
        '3 more findings of "two" not shown; look',
        "",
        "23 errors, 25 warnings",
    ]
