from __future__ import annotations

import pytest

from compiler.edit.yaml_edit import dropped
from compiler.stages.load import load_text


def after(text: str, path: str) -> str | None:
    document, refused = load_text("environments/prod.yaml", text)
    assert document is not None, refused
    return dropped(document.root, path.split("."))


@pytest.mark.parametrize(
    ("before", "path", "expected"),
    [
        ("a: 1\nb: 2\n", "a", "b: 2\n"),
        ("a: 1\nb: 2", "b", "a: 1\n"),
        ("a: 1\r\nb:\r\n  # c\r\n  x: 1\r\n", "b", "a: 1\r\n  # c\r\n"),
        ("a:\n  b: |-\n    text\n  c: 1\n", "a.b", "a:\n  c: 1\n"),
        ("? a\n: 1\nb: 2\n", "a", "b: 2\n"),
        ("a:\n  b: 1\n", "a.b", "a: {}\n"),
        ("{a: 1, b: 2}\n", "a", "{b: 2}\n"),
        ("{a: 1, b: 2}\n", "b", "{a: 1}\n"),
        ("{a: 1, b: 2, c: 3}\n", "b", "{a: 1, c: 3}\n"),
        ("{a: 1 , b: 2}\n", "a", "{ b: 2}\n"),
        ("{a: 1, # one\n b: 2}\n", "b", "{a: 1 # one\n }\n"),
    ],
)
def test_a_member_is_taken_out(before: str, path: str, expected: str) -> None:
    assert after(before, path) == expected


@pytest.mark.parametrize(("text", "path"), [("a: 1\n", "b"), ("a: 1\n", "a.b"), ("? x\n: a: 1\n  b: 2\n", "x.a")])
def test_what_is_not_there_or_stands_with_something_else_is_not_taken_out(text: str, path: str) -> None:
    assert after(text, path) is None


def test_the_last_member_of_a_file_leaves_its_comments() -> None:
    assert after("# Ours.\na: 1\n", "a") == "# Ours.\n"
