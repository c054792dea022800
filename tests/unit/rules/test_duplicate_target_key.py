from compiler.model.document import Severity
from compiler.rules.duplicate_target_key import check
from tests.unit.rules.conftest import CATALOGUE, Judge


def test_finds_keys_that_differ_only_in_case(judge: Judge) -> None:
    found = judge(check, CATALOGUE.replace("AWS_REGION", "Aws_Access_Key_Id"))
    assert found.messages == ['"Aws_Access_Key_Id" and "AWS_ACCESS_KEY_ID" differ only in case']
    assert found.marked == ["Aws_Access_Key_Id"]
    assert found.related == ["AWS_ACCESS_KEY_ID"]


def test_finds_keys_that_read_one_value(judge: Judge) -> None:
    found = judge(
        check, CATALOGUE.replace("AWS_REGION: {}", "AWS_REGION: {remote: {vault: {property: AWS_ACCESS_KEY_ID}}}")
    )
    assert found.messages == ['"AWS_REGION" and "AWS_ACCESS_KEY_ID" read the same value of `vault`']


def test_keys_of_different_variants_replace_one_another(judge: Judge) -> None:
    assert not judge(check, CATALOGUE.replace("GITHUB_APP_ID", "github_token"))


def test_it_is_a_warning_that_can_be_waived() -> None:
    assert check.severity is Severity.WARNING
    assert check.waivable


def test_leaves_different_keys_alone(judge: Judge) -> None:
    assert not judge(check, CATALOGUE)
