import pytest

from compiler.model.document import Node, Source, Span
from compiler.operations.explain import shown_value, shown_where
from compiler.stages.load import load_text


def _node(text: str) -> Node:
    document, diagnostics = load_text("environments/a.yaml", f"a: {text}")
    assert document is not None, diagnostics
    return document.root.children["a"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("vault", "vault"),
        ('"2.9"', "2.9"),
        ("true", "true"),
        ("false", "false"),
        ("-49", "-49"),
        ("null", "null"),
        ("[a, b]", "[a, b]"),
        ("[]", "[]"),
        ("{}", "{}"),
        ("{b: 1, c: 2}", "{b, c}"),
    ],
)
def test_a_value_is_shown_on_one_line(written: str, shown: str) -> None:
    assert shown_value(_node(written)) == shown


def test_a_place_in_a_file_and_one_outside() -> None:
    assert shown_where(Span(Source("environments/a.yaml", "ab\ncd"), 4, 5)) == "environments/a.yaml:2:2"
    assert shown_where(Span(Source("--store", "azure"), 0, 5)) == "--store"
