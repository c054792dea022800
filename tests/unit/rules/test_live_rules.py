from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler.model.diagnostic import Severity
from compiler.rules import ALL_RULES
from compiler.rules.interface import Rule, Scope
from compiler.rules.live_rules import BY_ID, LIVE_RULES


def test_every_id_of_a_diagnostic_is_one_rules_only() -> None:
    ids = [rule.id for rule in ALL_RULES]
    assert len(ids) == len(set(ids))
    assert {rule.id for rule in LIVE_RULES} == set(BY_ID)
    assert set(BY_ID) <= set(ids)


@pytest.mark.parametrize("rule", LIVE_RULES, ids=list(BY_ID))
def test_a_page_has_a_summary_an_example_and_a_way_out(rule: Rule) -> None:
    paragraphs = rule.page.strip().split("\n\n")
    examples = [index for index, text in enumerate(paragraphs) if text.startswith("    ")]
    assert rule.summary.endswith(".")
    assert examples
    assert examples[-1] < len(paragraphs) - 1
    assert rule.scope is Scope.LIVE
    assert rule.check is None
    assert not rule.waivable


def test_the_reference_of_verify_has_every_status_and_links_to_its_page() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs/reference/verify.md").read_text("utf-8")
    linked = set(re.findall(r"\[([a-z-]+)\]\(rules\.md#([a-z-]+)\)( \((?:warning|note)\))?", text))
    severities = {
        rule.id: "" if rule.severity is Severity.ERROR else f" ({rule.severity.value})" for rule in LIVE_RULES
    }
    assert {(name, name, severities[name]) for name in BY_ID} | {("missing-remote", "missing-remote", "")} == linked
