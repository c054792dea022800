import pytest

from compiler.text.wording import first_difference


@pytest.mark.parametrize(
    ("old", "new", "offset"),
    [
        ("a\nb\nc\n", "a\nX\nc\n", 2),
        ("a\nb", "a\nb\n", 2),
        ("a\n", "a\nb\n", 1),
        ("a\nb\n", "a\n", 2),
        ("", "a\n", 0),
        ("a\r\nb\r\n", "a\nb\n", 0),
    ],
)
def test_the_first_line_that_differs_is_found(old: str, new: str, offset: int) -> None:
    assert first_difference(old, new) == offset
