from __future__ import annotations

import pytest

from compiler.model.operator_release import NEWEST, OLDEST, is_released, parse_minor


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
    assert OLDEST < (0, 20) < (1, 0) < (2, 3) < NEWEST < (2, 10)


@pytest.mark.parametrize(
    ("minor", "released"),
    [
        ((0, 16), True),
        ((0, 20), True),
        ((0, 21), False),
        ((1, 3), True),
        ((1, 4), False),
        ((2, 9), True),
        ((3, 0), False),
    ],
)
def test_what_was_never_released_is_known(minor: tuple[int, int], *, released: bool) -> None:
    assert is_released(minor) is released
    assert is_released(NEWEST)
