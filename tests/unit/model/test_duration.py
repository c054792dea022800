from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.model.facts import (
    days_in_words,
    duration_text,
    parse_duration,
    seconds_in_words,
    short_age,
    short_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds", "canonical"),
    [
        ("1h", 3600, "1h0m0s"),
        ("90m", 5400, "1h30m0s"),
        ("1h30m", 5400, "1h30m0s"),
        ("1.5h", 5400, "1h30m0s"),
        (".5m", 30, "30s"),
        ("1.m", 60, "1m0s"),
        ("30s", 30, "30s"),
        ("60s", 60, "1m0s"),
        ("1000ms", 1, "1s"),
        ("1000000µs", 1, "1s"),
        ("1000000μs", 1, "1s"),
        ("1000000us", 1, "1s"),
        ("1000000000ns", 1, "1s"),
        ("500ms500ms", 1, "1s"),
        ("1s1h", 3601, "1h0m1s"),
        ("2562047h", 2562047 * 3600, "2562047h0m0s"),
    ],
)
def test_what_go_reads(text: str, seconds: int, canonical: str) -> None:
    duration = parse_duration(text)
    assert duration is not None
    assert (duration, duration_text(duration)) == (seconds, canonical)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0s",
        "1",
        "1d",
        "h",
        "1 h",
        "-1h",
        "+1h",
        "1h ",
        "1h\n",
        "1H",
        "1_0s",
        "1e3s",
        ".s",
        "1.5",
        "٣h",
        "2562048h",
        # More digits than Python turns into a number.
        f"{'1' * 5_000}h",
        f"1.{'0' * 5_000}1s",
    ],
)
def test_what_go_or_the_operator_refuses(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize("text", ["1ms", "1.5s", "1h1ns"])
def test_a_part_of_a_second_is_refused(text: str) -> None:
    assert parse_duration(text) is None


@given(st.integers(1, 10**9))
def test_the_canonical_form_is_stable_and_means_the_same(seconds: int) -> None:
    duration = parse_duration(f"{seconds}s")
    assert duration == seconds
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (60, "1m"), (3600, "1h"), (5400, "1h30m"), (3661, "1h1m1s")])
def test_the_short_form_leaves_out_what_is_zero(seconds: int, text: str) -> None:
    assert short_duration(seconds) == text


@pytest.mark.parametrize(
    ("age", "text"),
    [
        ({"seconds": -5}, "0s"),
        ({"seconds": 59.9}, "59s"),
        ({"minutes": 59}, "59m"),
        ({"hours": 23}, "23h"),
        ({"days": 40}, "40d"),
    ],
)
def test_an_age_is_shown_in_its_largest_unit(age: dict[str, float], text: str) -> None:
    assert short_age(timedelta(**age)) == text


@pytest.mark.parametrize(
    ("text", "seconds", "days"),
    [
        ("1 day", 86400, 1),
        ("3 months", 90 * 86400, 90),
        ("2weeks", 14 * 86400, 14),
        ("5 min", 300, None),
        ("36 hours", 36 * 3600, None),
        (" Daily ", 86400, 1),
        ("0 days", None, None),
        ("1 fortnight", None, None),
        ("day", None, None),
        ("99999 days", None, None),
    ],
)
def test_a_length_of_time_in_words(text: str, seconds: int | None, days: int | None) -> None:
    assert (seconds_in_words(text), days_in_words(text)) == (seconds, days)
