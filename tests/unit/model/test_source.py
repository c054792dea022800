import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.document import Source, Span

SOURCE = Source("a.yaml", "one\r\ntwö\n\nend")


@pytest.mark.parametrize(
    ("offset", "place"),
    [
        (0, (1, 1)),
        (2, (1, 3)),
        (3, (1, 4)),
        (4, (1, 5)),
        (5, (2, 1)),
        (8, (2, 4)),
        (9, (3, 1)),
        (10, (4, 1)),
        (13, (4, 4)),
    ],
)
def test_place_of_an_offset(offset: int, place: tuple[int, int]) -> None:
    assert SOURCE.place(offset) == place


@pytest.mark.parametrize(("line", "text"), [(1, "one"), (2, "twö"), (3, ""), (4, "end")])
def test_bounds_of_a_line_leave_its_break_out(line: int, text: str) -> None:
    start, end = SOURCE.line_bounds(line)
    assert SOURCE.text[start:end] == text


def test_a_source_without_text_has_a_first_line() -> None:
    empty = Source("a.yaml")
    assert (empty.place(0), empty.line_bounds(1)) == ((1, 1), (0, 0))


def test_a_lone_carriage_return_ends_no_line() -> None:
    assert Source("a.yaml", "\r\n\r").line_bounds(1) == (0, 0)
    assert Source("a.yaml", "a\rb").place(2) == (1, 3)


@given(st.text(st.sampled_from("a\r\n\u2028é")), st.data())
def test_line_and_column_lead_back_to_the_offset(text: str, data: st.DataObject) -> None:
    source = Source("a.yaml", text)
    offset = data.draw(st.integers(0, len(text)))
    last = len(text.removesuffix("\n").removesuffix("\r"))
    line, column = source.place(offset)
    assert line == text.count("\n", 0, min(offset, last)) + 1
    assert source.line_bounds(line)[0] + column - 1 == min(offset, last)


@pytest.mark.parametrize(
    ("text", "place"), [("a: b\n", (1, 5)), ("a: b\r\n", (1, 5)), ("a: b", (1, 5)), ("a\n\n", (2, 1)), ("\n", (1, 1))]
)
def test_behind_the_last_line_is_its_end(text: str, place: tuple[int, int]) -> None:
    assert Source("a.yaml", text).place(len(text)) == place
    assert Source("a.yaml", text).place(len(text) + 5) == place


def test_a_span_says_where_it_is() -> None:
    span = Span(SOURCE, 5, 8)
    assert (span.path, span.line, span.column, span.where) == ("a.yaml", 2, 1, "a.yaml:2:1")


def test_the_text_of_a_file_is_in_no_representation() -> None:
    assert "two" not in repr(Span(Source("a.yaml", "two")))
