from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from compiler.rules import RULES
from compiler.rules.interface import Rule, Scope

FOLDER = Path(__file__).parents[3] / "compiler" / "rules"
# Modules that hold a rule assign RULE; the others hold what rules share.
RULE_MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if "\nRULE = " in path.read_text(encoding="utf-8"))
ALL_RULES = pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])


def test_no_rule_is_left_off_or_listed_twice() -> None:
    listed = [rule.id for rule in RULES]
    assert len(listed) == len(set(listed))
    assert {name.replace("_", "-") for name in RULE_MODULES} <= set(listed)
    assert len(RULE_MODULES) > 40


@pytest.mark.parametrize("name", RULE_MODULES)
def test_a_rules_file_test_and_id_have_one_name(name: str) -> None:
    rule: Rule = importlib.import_module(f"compiler.rules.{name}").RULE
    assert rule.id == name.replace("_", "-")
    assert rule in RULES
    assert (Path(__file__).parent / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", RULE_MODULES)
def test_a_rule_is_judged_right_and_wrong_by_its_test(name: str) -> None:
    text = (Path(__file__).parent / f"test_{name}.py").read_text(encoding="utf-8")
    if importlib.import_module(f"compiler.rules.{name}").RULE.check is not None:
        assert "assert not judge" in text
        assert ".messages" in text or ".marked" in text


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"))
def test_rules_know_nothing_of_one_another(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported.isdisjoint(f"compiler.rules.{other}" for other in RULE_MODULES)


@ALL_RULES
def test_a_page_has_a_summary_an_example_and_a_way_out(rule: Rule) -> None:
    paragraphs = [text for text in rule.page.strip().split("\n\n") if text.strip()]
    assert rule.summary == paragraphs[0]
    assert rule.summary.endswith(".")
    examples = [index for index, text in enumerate(paragraphs) if text.startswith("    ")]
    assert examples
    assert any(not text.startswith("    ") for text in paragraphs[examples[0] + 1 :])


@ALL_RULES
def test_what_a_rule_is_given_and_what_it_does_agree(rule: Rule) -> None:
    assert (rule.check is None) == (rule.scope is Scope.INPUT)
    assert rule.catalogue_check is None or rule.scope is Scope.ENVIRONMENT
