import pytest

from compiler.model.document import Severity
from compiler.rules.api import Scope
from compiler.rules.waivers import find_unknown_rule, find_unused_waiver
from compiler.stages.load import load_text
from tests.unit.rules.conftest import Judge


def test_finds_a_misspelt_rule_and_names_the_nearest(judge: Judge) -> None:
    found = judge(find_unknown_rule, "waive: {insecure-adress: lab}")
    assert found.messages == ['no rule is named "insecure-adress"']
    assert found.helps == ['did you mean "insecure-address"?']
    assert found.marked == ["insecure-adress"]


def test_sends_to_the_list_where_no_rule_is_near(judge: Judge) -> None:
    assert judge(find_unknown_rule, "waive: {xyz: lab}").helps == ["`platform-secrets rules` lists them"]


@pytest.mark.parametrize(
    "place", ["secrets: {github: {waive: {unknown-secret: x}}}", "stores: {vault: {waive: {unknown-secret: x}}}"]
)
def test_finds_a_rule_that_may_not_be_waived(judge: Judge, place: str) -> None:
    found = judge(find_unknown_rule, place)
    assert found.messages == ['the rule "unknown-secret" cannot be waived']
    assert len(found.scopes[0]) == 2


def test_judges_the_catalogue_too(judge: Judge) -> None:
    assert judge(find_unknown_rule, "secrets: {github: {waive: {no-rule: x}}}").messages == [
        'no rule is named "no-rule"'
    ]


def test_leaves_a_waiver_of_a_waivable_rule_alone(judge: Judge) -> None:
    assert not judge(find_unknown_rule, "waive: {insecure-address: lab}")
    assert not judge(find_unknown_rule, "secrets: {github: {waive: {}}}")


def test_leaves_members_without_a_waiver_alone(judge: Judge) -> None:
    assert not judge(find_unknown_rule, "secrets: {github: {store: azure}}\nstores: {vault: {}}")


def test_a_rule_of_consumers_may_be_waived_where_it_says_so(judge: Judge) -> None:
    assert judge(find_unknown_rule, "waive: {unread-secret: read through the API}").messages == []
    assert judge(find_unknown_rule, "waive: {unmade-secret: x}").messages == [
        'the rule "unmade-secret" cannot be waived'
    ]


def test_the_checking_stage_reports_it_at_the_waiver() -> None:
    node = load_text("environments/prod.yaml", "waive: {shared-place: why}\n")[0].root.nearest("waive", "shared-place")  # type: ignore[union-attr]
    [found] = find_unused_waiver.diagnostics("shared-place", node)
    assert (find_unused_waiver.scope, found.severity, found.help) == (Scope.INPUT, Severity.WARNING, "remove it")
    assert found.message == 'this waiver is unused: "shared-place" has no finding here'
    assert (found.span.start, found.span.end) == (8, 20)
