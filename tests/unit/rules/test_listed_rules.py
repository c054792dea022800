import re
from pathlib import Path

from compiler.model.document import MOST_OF_A_KIND, Severity
from compiler.rules import ALL_RULES, RULES, listed_rules
from compiler.rules.api import Scope, find_nothing
from compiler.rules.listed_rules import BY_ID, CONSUMER_RULES, INPUT_RULES, LIVE_RULES, NOT_IMPORTED

ROOT = Path(__file__).resolve().parents[3]


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
    sources = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "compiler").rglob("*.py") if path.name != "listed_rules.py"
    )
    reported = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', sources))
    assert {rule.id for rule in INPUT_RULES} <= reported


def test_the_schemas_findings_tell_how_many_of_them_are_listed() -> None:
    told = {rule.id for rule in INPUT_RULES if f"The first {MOST_OF_A_KIND} such findings" in rule.page}
    assert told == {"unknown-key", "wrong-type", "invalid-value", "contradictory-source"}


def test_every_id_of_a_diagnostic_is_one_rules_only() -> None:
    ids = [rule.id for rule in ALL_RULES]
    assert len(ids) == len(set(ids))
    assert [rule.id for rule in (*LIVE_RULES, *CONSUMER_RULES, NOT_IMPORTED)] == list(BY_ID)
    assert set(BY_ID) <= set(ids)


def test_each_file_of_the_pages_is_that_of_a_rule_without_a_module() -> None:
    names = {path.stem for path in Path(listed_rules.__file__).with_name("pages").iterdir()}
    assert names == {rule.id for rule in ALL_RULES if rule.docstring is None}
    assert names == {rule.id for rule in (*INPUT_RULES, *BY_ID.values())}


def test_a_page_has_a_summary_an_example_and_a_way_out() -> None:
    for rule in BY_ID.values():
        paragraphs = rule.page.strip().split("\n\n")
        examples = [index for index, text in enumerate(paragraphs) if text.startswith("    ")]
        assert rule.summary.endswith("."), rule.id
        assert examples, rule.id
        # Of a pod the reason stands before the example, which may itself be the way out.
        is_complete = examples[0] > 1 if rule in CONSUMER_RULES else examples[-1] < len(paragraphs) - 1
        assert is_complete, rule.id


def test_a_live_rule_is_found_by_its_command_and_cannot_be_waived() -> None:
    assert [rule.id for rule in BY_ID.values() if rule.scope is not Scope.LIVE or rule.check is not find_nothing] == []
    assert [rule.id for rule in LIVE_RULES if rule.waivable] == ["shared-value"]


def test_the_reference_of_verify_has_every_status_and_links_to_its_page() -> None:
    text = (ROOT / "docs/reference/verify.md").read_text("utf-8")
    linked = set(re.findall(r"\[([a-z-]+)\]\(rules\.md#([a-z-]+)\)( \((?:warning|note)\))?", text))
    severities = {
        rule.id: "" if rule.severity is Severity.ERROR else f" ({rule.severity.value})" for rule in LIVE_RULES
    }
    assert {(name, name, severities[name]) for name in severities} | {
        ("missing-remote", "missing-remote", "")
    } == linked


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


def test_what_an_import_refuses_never_stops_the_rest() -> None:
    assert (NOT_IMPORTED.severity, NOT_IMPORTED.waivable) == (Severity.WARNING, False)
