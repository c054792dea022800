import pytest

from compiler.rules.empty_value import check
from tests.unit.rules.conftest import Judge


def test_finds_a_secret_with_nothing_behind_it(judge: Judge) -> None:
    found = judge(check, "secrets:\n  slack:\n  github: {}\n")
    assert found.messages == ['"slack" has no value']
    assert found.marked == ["slack"]
    assert "`{}`" in (found.helps[0] or "")
    assert found.scopes == [("secrets", "slack")]


@pytest.mark.parametrize("member", ["labels", "annotations", "secretLabels", "secretAnnotations"])
def test_an_empty_map_of_labels_is_offered_braces(judge: Judge, member: str) -> None:
    found = judge(check, f"{member}:\n")
    assert found.marked == [member]
    assert "`{}`" in (found.helps[0] or "")


def test_finds_a_scalar_with_nothing_behind_it(judge: Judge) -> None:
    found = judge(check, "secrets:\n  github:\n    store:\n")
    assert found.marked == ["store"]
    assert "`{}`" not in (found.helps[0] or "")
    assert "`null`" in (found.helps[0] or "")


def test_a_value_that_is_a_comment_needs_quotes(judge: Judge) -> None:
    said = 'what follows " #" is a comment: put the whole value in quotes'
    assert judge(check, "labels:\n  team: #platform\n").helps == [said]
    assert judge(check, 'labels:\n  "team":  #platform\n').helps == [said]
    # A remark is none.
    assert said not in judge(check, "labels:\n  team: # of the platform\n").helps


@pytest.mark.parametrize(
    "text", ["", "secrets: {slack: null}", "secrets: {slack: ~}", "secrets: {slack: {}}", "store: ''"]
)
def test_leaves_what_is_written_alone(judge: Judge, text: str) -> None:
    assert not judge(check, text)
