import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.text.characters import cells, printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", "plain text"),
        ("\tx", "    x"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\r\nlines", "two\\x0d\\x0alines"),
        ("\x85\xa0", "\\x85\\xa0"),
        ("safe\u202eexe", "safe\\u202eexe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("größe 秘密 🔑", "größe 秘密 🔑"),
    ],
)
def test_what_could_steer_a_terminal_is_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text(st.characters()))
def test_the_result_is_printable_and_can_be_written_as_utf_8(text: str) -> None:
    result = printable(text)
    assert result.isprintable()
    result.encode()


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("秘密", 4), ("🔑", 2), ("e\u0301", 1), ("größe", 5), ("…", 1)]
)
def test_cells_are_those_of_a_terminal(text: str, width: int) -> None:
    assert cells(text) == width
