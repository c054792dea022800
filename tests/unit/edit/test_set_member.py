from __future__ import annotations

import pytest

from compiler.edit.yaml_edit import member_set
from compiler.stages.load import load_text


def after(text: str, path: str, value: str = "azure") -> str | None:
    document, refused = load_text("environments/prod.yaml", text)
    assert document is not None, refused
    return member_set(document.root, path.split("."), value)


@pytest.mark.parametrize(
    ("before", "path", "expected"),
    [
        # How it is quoted, and where it stands, is how it was.
        ("store: vault\n", "store", "store: azure\n"),
        ("store: 'vault'\n", "store", "store: 'azure'\n"),
        ('store: "v\\u0061ult" # c\n', "store", "store: azure # c\n"),
        ("store: null\n", "store", "store: azure\n"),
        ("store:\nlabels: {}\n", "store", "store: azure\nlabels: {}\n"),
        ("store: |-\n  1\nlabels: {}\n", "store", "store: |-\n  azure\nlabels: {}\n"),
        ("store: |-\n  a\n  a\nlabels: {}\n", "store", "store: azure\nlabels: {}\n"),
        # A map on the way that is missing or removed is made.
        ("a: null\n", "a.b.c", "a: {b: {c: azure}}\n"),
        ("a: {b: ~}\n", "a.b.c", "a: {b: {c: azure}}\n"),
        ("a: {}\n", "a.b.c", "a: {b: {c: azure}}\n"),
        # A text at the end of the file that would take a further line for its own.
        ("a: |\n  text", "b.c", "b: {c: azure}\na: |\n  text"),
        ("a:\n  x: >\n    text", "a.b.c", "a:\n  b: {c: azure}\n  x: >\n    text"),
        # Below the comments that belong to the last member, above those that do not.
        ("a:\n  x: 1\n    # of x\n  # of a\n", "a.b.c", "a:\n  x: 1\n    # of x\n  b: {c: azure}\n  # of a\n"),
        ("a:\n  x: 1\n    # of x", "a.b.c", "a:\n  x: 1\n    # of x\n  b: {c: azure}\n"),
    ],
)
def test_a_member_is_set(before: str, path: str, expected: str) -> None:
    assert after(before, path) == expected


@pytest.mark.parametrize(("text", "path"), [("a: [b]\n", "a.b"), ("a: b\n", "a.b.c"), ("a: {b: {}}\n", "a.b")])
def test_what_is_in_the_way_is_not_replaced(text: str, path: str) -> None:
    assert after(text, path) is None


def test_a_value_that_needs_quotes_gets_them() -> None:
    assert after("store: vault\n", "store", "on") == 'store: "on"\n'
    assert after('store: "vault"\n', "store", "on") == 'store: "on"\n'
    assert after("store: 'vault'\n", "store", "a b") == 'store: "a b"\n'
