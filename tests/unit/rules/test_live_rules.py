import re
from pathlib import Path

from compiler.model.diagnostic import Severity
from compiler.rules import ALL_RULES
from compiler.rules.api import Rule, Scope
from compiler.rules.live_rules import BY_ID, LIVE_RULES


def test_every_id_of_a_diagnostic_is_one_rules_only() -> None:
    ids = [rule.id for rule in ALL_RULES]
    assert len(ids) == len(set(ids))
    assert {rule.id for rule in LIVE_RULES} == set(BY_ID)
    assert set(BY_ID) <= set(ids)


def test_a_page_has_a_summary_an_example_and_a_way_out() -> None:
    assert [rule.id for rule in LIVE_RULES if not is_complete(rule)] == []


def is_complete(rule: Rule) -> bool:
    """Whether text follows the last example."""
    paragraphs = rule.page.strip().split("\n\n")
    examples = [index for index, text in enumerate(paragraphs) if text.startswith("    ")]
    return rule.summary.endswith(".") and bool(examples) and examples[-1] < len(paragraphs) - 1


def test_a_live_rule_is_found_by_its_command_and_cannot_be_waived() -> None:
    assert [rule.id for rule in LIVE_RULES if rule.scope is not Scope.LIVE or rule.check] == []
    assert [rule.id for rule in LIVE_RULES if rule.waivable] == ["shared-value"]


def test_the_reference_of_verify_has_every_status_and_links_to_its_page() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs/reference/verify.md").read_text("utf-8")
    linked = set(re.findall(r"\[([a-z-]+)\]\(rules\.md#([a-z-]+)\)( \((?:warning|note)\))?", text))
    severities = {
        rule.id: "" if rule.severity is Severity.ERROR else f" ({rule.severity.value})" for rule in LIVE_RULES
    }
    assert {(name, name, severities[name]) for name in BY_ID} | {("missing-remote", "missing-remote", "")} == linked
