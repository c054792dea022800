from __future__ import annotations

import pytest

from compiler.edit.yaml_edit import content_end, is_flow, line_break, line_start, next_line
from compiler.stages.load import load_text


@pytest.mark.parametrize(
    ("text", "offset", "start", "after"), [("ab\ncd\n", 4, 3, 6), ("ab", 1, 0, 2), ("a\nbc", 3, 2, 4)]
)
def test_the_lines_around_a_place(text: str, offset: int, start: int, after: int) -> None:
    assert (line_start(text, offset), next_line(text, offset)) == (start, after)


def test_what_ends_behind_a_line_break_is_followed_by_that_line() -> None:
    assert next_line("a: |\n  b\nc: d\n", 9) == 9


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("a\r\nb\n", 0, "\r\n"),
        ("a\r\nb\n", 3, "\n"),
        ("a\r\nb", 4, "\r\n"),
        ("a\nb", 3, "\n"),
        ("", 0, "\n"),
        ("\n", 0, "\n"),
    ],
)
def test_a_line_break_is_the_one_that_stands_there(text: str, offset: int, expected: str) -> None:
    assert line_break(text, offset) == expected


def test_a_block_ends_with_the_last_thing_in_it_and_braces_at_the_brace() -> None:
    document, _ = load_text("x.yaml", "a:\n  b: {c: d }\n# end\ne: [f]\n")
    assert document is not None
    a, e = document.root.children["a"], document.root.children["e"]
    assert document.source.text[: content_end(a)] == "a:\n  b: {c: d }"
    assert document.source.text[: content_end(e)].endswith("e: [f]")
    assert (is_flow(a), is_flow(a.children["b"])) == (False, True)
