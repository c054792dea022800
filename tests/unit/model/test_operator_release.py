import pytest

from compiler.model.facts import KNOWN, NEWEST, OLDEST, is_released, parse_minor


@pytest.mark.parametrize(
    ("text", "minor"), [("0.16", (0, 16)), ("1.0", (1, 0)), ("2.9", (2, 9)), ("2.10", (2, 10)), ("12.345", (12, 345))]
)
def test_a_minor_version_is_two_numbers(text: str, minor: tuple[int, int]) -> None:
    assert parse_minor(text) == minor


@pytest.mark.parametrize(
    "text", ["", "2", "2.", ".9", "v2.9", "2.9.0", "2.09", "02.9", "2.9\n", "2.-1", "\u0662.9", "2.9999"]
)
def test_another_form_is_none(text: str) -> None:
    assert parse_minor(text) is None


def test_versions_are_compared_as_numbers() -> None:
    assert OLDEST < (0, 20) < (1, 0) < (2, 3) < (2, 9) < NEWEST == (2, 12) < (2, 13)


@pytest.mark.parametrize(
    ("minor", "released"),
    [
        ((0, 16), True),
        ((0, 20), True),
        ((0, 21), False),
        ((1, 3), True),
        ((1, 4), False),
        ((2, 12), True),
        ((2, 13), False),
        ((3, 0), False),
    ],
)
def test_what_was_never_released_is_known(minor: tuple[int, int], *, released: bool) -> None:
    assert is_released(minor) is released
    assert is_released(NEWEST)


def test_the_newest_that_is_known_is_the_last_one_named() -> None:
    assert KNOWN.endswith(f" to {NEWEST[0]}.{NEWEST[1]}")
    assert KNOWN.startswith(f"{OLDEST[0]}.{OLDEST[1]} ")
