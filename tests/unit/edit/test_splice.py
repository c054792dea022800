from __future__ import annotations

import pytest

from compiler.edit.yaml_edit import Splice, lines_after, offset_before, spliced

OLD = "abcdef"
SPLICES = (Splice(1, 1, "XY"), Splice(3, 5, ""), Splice(6, 6, "!"))


def test_what_is_not_named_is_kept() -> None:
    assert spliced(OLD, SPLICES) == "aXYbcf!"
    assert spliced(OLD, ()) == OLD


def test_what_is_kept_is_found_where_it_stood() -> None:
    new = spliced(OLD, SPLICES)
    for offset, character in enumerate(new):
        before = offset_before(SPLICES, offset)
        assert (OLD[before] if before is not None else None) == (character if character in OLD else None)


@pytest.mark.parametrize(
    ("text", "offset", "new"),
    [
        ("a: 1\nb: 2", 3, "a: 1\nX\nY\nb: 2"),
        ("a: 1\nb: 2", 7, "a: 1\nb: 2\nX\nY\n"),
        ("a: |\n  x\nb: 2", 9, "a: |\n  x\nX\nY\nb: 2"),
        ("a: 1\r\nb: 2", 9, "a: 1\r\nb: 2\r\nX\r\nY\r\n"),
        ("", 0, "X\nY\n"),
    ],
)
def test_lines_go_below_a_line_and_end_as_it_does(text: str, offset: int, new: str) -> None:
    assert spliced(text, (lines_after(text, offset, ["X", "Y"]),)) == new
