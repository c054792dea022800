import pytest

from compiler.rules.unread_template import check
from tests.unit.rules.conftest import Judge
from tests.unit.rules.test_invalid_template import with_text


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{{ define "x" }}{{ end }}', "`define`"),
        ("{{ . | toJson }}", "what is done with all keys at once"),
        ('{{ get . "GITHUB_TOKEN" }}', "what is done with all keys at once"),
        ("{{ index . .GITHUB_TOKEN }}", "an `index` whose name is not written there"),
    ],
)
def test_names_what_is_not_read(judge: Judge, text: str, what: str) -> None:
    found = judge(check, with_text(text))
    assert found.messages == [f'the keys that the text of "TEXT" needs are not checked, as it has {what}']
    assert found.scopes == [("secrets", "github")]


def test_leaves_what_is_read_alone(judge: Judge) -> None:
    assert not judge(check, with_text("{{ with $x := .GITHUB_TOKEN }}{{ $x }}{{ end }}"))
