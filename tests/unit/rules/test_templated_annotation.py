import pytest

from compiler.rules.templated_annotation import check
from tests.unit.rules.conftest import Judge


@pytest.mark.parametrize("text", ["{{ .TOKEN }}", "a {{", "{{{{", "a\\n{{ .TOKEN }}"])
def test_finds_what_the_operator_would_execute(judge: Judge, text: str) -> None:
    found = judge(check, f'secretAnnotations: {{example.com/a: "{text}"}}')
    way = "is a template, which the operator would execute"
    assert found.messages == [f'the Secret\'s annotation "example.com/a" {way}']
    assert found.marked == [f'"{text}"']
    assert found.helps == ["write it without `{{`"]
    own = judge(check, f'secrets: {{github: {{secretAnnotations: {{a: "{text}"}}}}}}')
    assert own.scopes == [("secrets", "github")]


@pytest.mark.parametrize(
    "text",
    [
        'secretAnnotations: {a: "{ x }"}',
        'secretAnnotations: {a: "}} { {"}',
        # The ExternalSecret's own are plain text to the operator.
        'annotations: {a: "{{ .TOKEN }}"}',
        "secretAnnotations: null",
        "secrets: null",
    ],
)
def test_leaves_plain_text_alone(judge: Judge, text: str) -> None:
    assert not judge(check, text)


def test_cannot_be_waived() -> None:
    assert not check.waivable
