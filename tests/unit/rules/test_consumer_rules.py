import pytest

from compiler.model.diagnostic import Severity
from compiler.rules import ALL_RULES
from compiler.rules.api import Rule, Scope
from compiler.rules.consumer_rules import BY_ID, CONSUMER_RULES


def test_every_id_is_one_of_all_rules() -> None:
    assert {rule.id for rule in CONSUMER_RULES} == set(BY_ID)
    assert set(BY_ID) <= {rule.id for rule in ALL_RULES}


@pytest.mark.parametrize("rule", CONSUMER_RULES, ids=list(BY_ID))
def test_a_page_has_a_summary_an_example_and_a_way_out(rule: Rule) -> None:
    paragraphs = rule.page.strip().split("\n\n")
    examples = [index for index, text in enumerate(paragraphs) if text.startswith("    ")]
    assert rule.summary.endswith(".")
    assert examples
    assert examples[0] > 1
    assert rule.scope is Scope.LIVE
    assert rule.check is None


def test_what_keeps_pods_from_starting_may_not_be_waived() -> None:
    errors = {rule.id for rule in CONSUMER_RULES if rule.severity is Severity.ERROR}
    waivable = {rule.id for rule in CONSUMER_RULES if rule.waivable}
    assert errors - waivable == {"unmade-secret", "missing-consumed-key", "doubly-made-secret"}
    assert waivable == {
        "unread-secret",
        "needed-by-hook",
        "unusable-variable",
        "wrong-mounted-by",
    }
