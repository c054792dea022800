import pytest

from compiler.operations.edit.text_lines import content_end, is_flow, line_break, line_start, next_line
from compiler.stages.load import load_text


def test_a_line_begins_and_the_next_one_does() -> None:
    text = "a: 1\nb: |\n  x\nc"
    assert [line_start(text, offset) for offset in (0, 3, 5, 8)] == [0, 0, 5, 5]
    assert [next_line(text, offset) for offset in (0, 7, len(text))] == [5, 10, len(text)]
    # A literal block ends where the next line begins.
    assert next_line(text, 14) == 14


@pytest.mark.parametrize(
    ("text", "offset", "found"),
    [("a\nb", 0, "\n"), ("a\r\nb", 0, "\r\n"), ("a\r\nb", 4, "\r\n"), ("a", 0, "\n"), ("", 0, "\n")],
)
def test_a_line_ends_as_the_one_before_where_it_has_no_end(text: str, offset: int, found: str) -> None:
    assert line_break(text, offset) == found


def test_a_block_ends_with_what_is_in_it() -> None:
    text = "a:\n  b: {c: 1}\n  d: [1,\n    2]\n\n# end\ne: 1\n"
    document, _ = load_text("x", text)
    assert document is not None
    block = document.root.nearest("a")
    assert text[: content_end(block)].endswith("2]")
    assert (is_flow(block), is_flow(block.nearest("b"))) == (False, True)
