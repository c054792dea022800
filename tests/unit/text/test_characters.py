import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.text.characters import cells, foreign_character, has_control, odd_character, printable


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


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("git\u200bhub", "character 4 is U+200B (zero width space): take it out; it is a space or is not seen at all"),
        ("\u00a0github", "character 1 is U+00A0 (no-break space): take it out; it is a space or is not seen at all"),
        ("ai\u2013platform", 'character 3 is U+2013 (en dash): type "-" in its place'),
        ("gith\u0443b\u2013", "character 5 is U+0443 (cyrillic small letter u): type a plain one in its place"),
        ("a\ue000", "character 2 is U+E000: type a plain one in its place"),
    ],
)
def test_the_first_foreign_character_is_named_with_its_place(name: str, told: str) -> None:
    assert foreign_character(name) == told


@pytest.mark.parametrize("name", ["", "github", "a b_c", "a\tb"])
def test_plain_names_have_none(name: str) -> None:
    assert foreign_character(name) is None
