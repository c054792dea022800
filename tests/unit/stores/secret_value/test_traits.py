import pytest

from compiler.stores.secret_value import JsonKind, SecretValue, Trait, traits


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {Trait.EMPTY}),
        (" \n\t", {Trait.EMPTY}),
        ("good", set()),
        ("two words", set()),
        ("good\n", {Trait.SPACE_AT_END}),
        (" good", {Trait.SPACE_AT_END}),
        ("a\0b", {Trait.NUL}),
        ('"good"', {Trait.QUOTED}),
        ("'good'\n", {Trait.QUOTED, Trait.SPACE_AT_END}),
        ("`good`", {Trait.QUOTED}),
        ('"good', set()),
        ('"', set()),
        ("'a' or 'b'", set()),
        ("a\ud800", {Trait.LONE_SURROGATE}),
        ("😀", set()),
        ("todo-list-service", set()),
        ("xx", set()),
        ("a<b>c", set()),
        *(
            (text, {Trait.PLACEHOLDER})
            for text in (
                "changeme",
                "CHANGE_ME",
                "change-me",
                "<token>",
                "TODO",
                "xxxx",
                "${TOKEN}",
                "{{ x }}",
                "your-api-key",
                "...",
            )
        ),
        ("changeme\n", {Trait.PLACEHOLDER, Trait.SPACE_AT_END}),
    ],
)
def test_traits_name_what_is_wrong_and_nothing_else(text: str, found: set[Trait]) -> None:
    assert traits(SecretValue(text)) == found


def test_another_kind_than_a_string_is_only_that() -> None:
    assert traits(SecretValue("null", JsonKind.NULL)) == {Trait.NOT_A_STRING}
