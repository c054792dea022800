from compiler.rules import ALL_RULES
from scripts.pages.rules_page import rules_page


def test_each_rule_has_a_row_a_heading_and_its_text() -> None:
    page = rules_page(ALL_RULES)
    for rule in ALL_RULES:
        assert f"| [{rule.id}](#{rule.id}) | {rule.severity.value} | {'yes' if rule.waivable else 'no'} |" in page
        assert f"\n## {rule.id}\n" in page
        assert rule.page.strip().split("\n")[-1].rstrip() in page
