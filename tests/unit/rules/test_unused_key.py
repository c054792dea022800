import pytest

from compiler.rules.unused_key import check
from tests.unit.rules.conftest import CATALOGUE, Judge
from tests.unit.rules.test_invalid_template import with_text


def test_finds_each_key_that_no_text_uses(judge: Judge) -> None:
    found = judge(check, with_text("{{ .GITHUB_TOKEN }}{{ .GITHUB_APP_ID }}"))
    assert found.messages == [
        'no text of the template of "github" uses "GITHUB_APP_KEY": the Secret does not have it',
    ]
    assert found.marked == ["GITHUB_APP_KEY"]
    assert (found.helps[0] or "").startswith("add `GITHUB_APP_KEY: '{{ .GITHUB_APP_KEY }}'` to `template.data`")


@pytest.mark.parametrize("text", ["{{ range . }}{{ . }}{{ end }}", "{{ . }}", "{{ . | toJson }}", "{{ .x"])
def test_says_nothing_where_a_text_may_use_any_key(judge: Judge, text: str) -> None:
    assert not judge(check, with_text(text))


def test_leaves_an_entry_without_a_template_alone(judge: Judge) -> None:
    assert not judge(check, CATALOGUE)


def test_a_key_that_keeps_the_value_before_need_not_be_used(judge: Judge) -> None:
    kept = CATALOGUE.replace(
        "GITHUB_TOKEN: {variants: [pat]}",
        "GITHUB_TOKEN: {overlap: previous, previousKey: GITHUB_APP_KEY}",
    )
    assert not judge(check, with_text("{{ .GITHUB_TOKEN }}{{ .GITHUB_APP_ID }}", kept))
