import pytest

from compiler.model.document import Severity
from compiler.rules.ambiguous_property import check
from tests.unit.rules.conftest import CATALOGUE, Judge


@pytest.mark.parametrize("name", ["tls..crt", ".tls", "a*", "a?", "@this", "a|b", "a#", "a b", "k" * 254, "-output"])
def test_finds_a_key_that_is_its_own_property(judge: Judge, name: str) -> None:
    found = judge(check, CATALOGUE.replace("AWS_REGION: {}", f'"{name}": {{}}'))
    assert found.messages[0].endswith("is also its property name, which has a special meaning")
    assert len(found) == 1
    assert found.scopes == [("secrets", "aws")]


def test_finds_a_written_property(judge: Judge) -> None:
    found = judge(check, CATALOGUE.replace("AWS_REGION: {}", 'AWS_REGION: {remote: {vault: {property: "aws*region"}}}'))
    assert found.messages == ['the property "aws*region" has a special meaning']
    assert found.marked == ['"aws*region"']


def test_a_key_needs_another_property_for_each_provider(judge: Judge) -> None:
    one = CATALOGUE.replace("AWS_REGION: {}", "tls.crt: {remote: {vault: {property: CRT}}}")
    assert len(judge(check, one)) == 1
    both = "tls.crt: {remote: {vault: {property: CRT}, azurekv: {name: crt, whole: true}}}"
    assert not judge(check, CATALOGUE.replace("AWS_REGION: {}", both))


def test_a_dot_is_a_warning_that_can_be_waived(judge: Judge) -> None:
    dotted = CATALOGUE.replace("AWS_REGION: {}", "tls.crt: {}")
    (found,) = judge(check, dotted)
    assert found.severity is Severity.WARNING
    assert found.message == 'the key "tls.crt" is also its property name, which may mean a value within "tls"'
    assert "waive: {ambiguous-property: the reason}" in (found.help or "")


def test_what_is_worse_than_a_dot_is_an_error_that_cannot_be_waived(judge: Judge) -> None:
    (found,) = judge(check, CATALOGUE.replace("AWS_REGION: {}", '"tls.*": {}'))
    assert found.severity is Severity.ERROR


def test_leaves_plain_names_alone(judge: Judge) -> None:
    assert not judge(check, CATALOGUE)
