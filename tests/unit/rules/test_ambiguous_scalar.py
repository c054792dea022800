import pytest

from compiler.rules.ambiguous_scalar import check
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", 'unquoted "no" is a boolean in YAML 1.1'),
        ("On", 'unquoted "On" is a boolean in YAML 1.1'),
        ("08", "this unquoted string is a number in YAML 1.1"),
        ("1e3", "this unquoted string is a number in YAML 1.1"),
        ("0o17", "this unquoted string is a number in YAML 1.1"),
        ("12:30", "this unquoted string is a number in base 60 in YAML 1.1"),
        ("2024-01-01", "this unquoted string is a date in YAML 1.1"),
    ],
)
def test_finds_what_two_versions_of_yaml_read_differently(judge: Judge, text: str, message: str) -> None:
    found = judge(check, f"secrets: {{github: {{labels: {{a: {text}}}}}}}")
    assert found.messages == [message]
    assert found.marked == [text]
    assert found.scopes == [("secrets", "github")]


@pytest.mark.parametrize("text", ['"no"', "'08'", "north", "v1.2", "1h"])
def test_leaves_quoted_and_plain_texts_alone(judge: Judge, text: str) -> None:
    assert not judge(check, f"labels: {{a: {text}}}")


def test_leaves_to_the_schema_what_the_schema_refused(judge: Judge) -> None:
    assert not judge(check, "secrets: {github: {enabled: no}}")
