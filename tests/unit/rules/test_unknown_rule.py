import pytest

from compiler.rules.unknown_rule import check
from tests.unit.rules.conftest import Judge


def test_finds_a_misspelt_rule_and_names_the_nearest(judge: Judge) -> None:
    found = judge(check, "waive: {insecure-adress: lab}")
    assert found.messages == ['no rule is named "insecure-adress"']
    assert found.helps == ['did you mean "insecure-address"?']
    assert found.marked == ["insecure-adress"]


def test_sends_to_the_list_where_no_rule_is_near(judge: Judge) -> None:
    assert judge(check, "waive: {xyz: lab}").helps == ["`platform-secrets rules` lists them"]


@pytest.mark.parametrize(
    "place", ["secrets: {github: {waive: {unknown-secret: x}}}", "stores: {vault: {waive: {unknown-secret: x}}}"]
)
def test_finds_a_rule_that_may_not_be_waived(judge: Judge, place: str) -> None:
    found = judge(check, place)
    assert found.messages == ['the rule "unknown-secret" cannot be waived']
    assert len(found.scopes[0]) == 2


def test_judges_the_catalogue_too(judge: Judge) -> None:
    assert judge(check, "secrets: {github: {waive: {no-rule: x}}}").messages == ['no rule is named "no-rule"']


def test_leaves_a_waiver_of_a_waivable_rule_alone(judge: Judge) -> None:
    assert not judge(check, "waive: {insecure-address: lab}")
    assert not judge(check, "secrets: {github: {waive: {}}}")


def test_leaves_members_without_a_waiver_alone(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {store: azure}}\nstores: {vault: {}}")


def test_a_rule_of_consumers_may_be_waived_where_it_says_so(judge: Judge) -> None:
    assert judge(check, "waive: {unread-secret: read through the API}").messages == []
    assert judge(check, "waive: {unmade-secret: x}").messages == ['the rule "unmade-secret" cannot be waived']
