import pytest

from compiler.rules.unread_template import check
from tests.unit.rules.conftest import Judge
from tests.unit.rules.test_invalid_template import with_text


@pytest.mark.parametrize(
    "text",
    ['{{ define "x" }}{{ end }}', "{{ . | toJson }}", '{{ get . "GITHUB_TOKEN" }}', "{{ index . .GITHUB_TOKEN }}"],
)
def test_names_a_text_that_is_not_read(judge: Judge, text: str) -> None:
    found = judge(check, with_text(text))
    assert found.messages == [
        'the keys that the text of "TEXT" needs are not checked, as it has an action that may read any key'
    ]
    assert found.scopes == [("secrets", "github")]


def test_leaves_what_is_read_alone(judge: Judge) -> None:
    assert not judge(check, with_text("{{ with $x := .GITHUB_TOKEN }}{{ $x }}{{ end }}"))
