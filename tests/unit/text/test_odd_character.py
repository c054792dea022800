import pytest

from compiler.text.characters import has_control, odd_character


@pytest.mark.parametrize("text", ["a:\n\u00a0 b: c\n", "a:\u00a0b\n", "a: \u3000b\n", "a:\n \u200bb: c\n"])
def test_a_space_that_is_none_to_yaml(text: str) -> None:
    found = odd_character(text)
    assert found is not None
    assert found.rule == "control-character"
    assert not text[found.start : found.end].isascii()
    assert f"U+{ord(text[found.start]):04X}" in found.message


@pytest.mark.parametrize("text", ["a: b\u00a0c\n", "a: caf\u00e9\n", "# \u00a0\n", "plain: text\n"])
def test_another_space_inside_a_value_is_the_writers_own(text: str) -> None:
    assert odd_character(text) is None


@pytest.mark.parametrize(
    ("text", "rule", "start"),
    [
        ("a: b\x07\n", "control-character", 4),
        ("a: b\r", "control-character", 4),
        ("a:\n \tb: c\n", "tab-indentation", 3),
        ("a:\n\tb: c\x07\n", "control-character", 8),
    ],
)
def test_controls_and_tabs_are_found_where_they_are(text: str, rule: str, start: int) -> None:
    found = odd_character(text)
    assert found is not None
    assert (found.rule, found.start) == (rule, start)


def test_line_breaks_of_either_kind_and_tabs_inside_are_no_controls() -> None:
    assert odd_character("a: b\r\nc:\td\n") is None
    assert not has_control("a\r\n\tb")
    assert has_control("a\x00")
