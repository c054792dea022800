import pytest

from compiler.text.characters import foreign_character


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
