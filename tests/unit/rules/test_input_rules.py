import re
from pathlib import Path

from compiler.model.diagnostic import MOST_OF_A_KIND, Severity
from compiler.rules import RULES
from compiler.rules.api import Scope, find_nothing
from compiler.rules.input_rules import INPUT_RULES

COMPILER = Path(__file__).resolve().parents[3] / "compiler"


def test_each_is_an_error_without_a_check_that_nobody_may_waive() -> None:
    for rule in INPUT_RULES:
        severity = Severity.WARNING if rule.id == "unconfirmed-prune" else Severity.ERROR
        assert (rule.severity, rule.scope, rule.check, rule.waivable) == (severity, Scope.INPUT, find_nothing, False)


def test_each_page_has_a_summary_an_example_and_a_way_out() -> None:
    for rule in INPUT_RULES:
        assert rule.summary.endswith("."), rule.id
        parts = rule.page.strip().split("\n\n")
        assert any(part.startswith("    ") for part in parts), rule.id
        assert not parts[-1].startswith("    "), rule.id


def test_none_has_the_id_of_a_rule_with_a_file() -> None:
    assert not {rule.id for rule in INPUT_RULES} & {rule.id for rule in RULES}


def test_each_is_reported_somewhere_in_the_compiler() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in COMPILER.rglob("*.py") if path.name != "input_rules.py")
    reported = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', sources))
    assert {rule.id for rule in INPUT_RULES} <= reported


def test_the_schemas_findings_tell_how_many_of_them_are_listed() -> None:
    told = {rule.id for rule in INPUT_RULES if f"The first {MOST_OF_A_KIND} such findings" in rule.page}
    assert told == {"unknown-key", "wrong-type", "invalid-value", "contradictory-source"}
