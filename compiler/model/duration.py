"""Parses Go durations, as Kubernetes writes them (`1h30m`), into seconds and the canonical form (`1h30m0s`)."""

from __future__ import annotations

import re

from compiler.model.record import dataclass
from compiler.text.regex import regex

TYPE_CHECKING = False  # not from typing: `compile` is to start at once
if TYPE_CHECKING:
    from datetime import timedelta

# Units of Go's time.ParseDuration, in nanoseconds.
_SECOND = 10**9
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3600 * _SECOND,
}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_WHOLE = regex(rf"(?:{_PART})+", re.ASCII)
_PARTS = regex(_PART, re.ASCII)
# Go counts nanoseconds in 64 bits: a little over 292 years.
_LONGEST = 2**63 - 1
# Python refuses numbers of some thousand digits, and nobody writes a duration of so many.
_LONGEST_TEXT = 256


_DAY = 24 * 3600
# How people write a length of time; a month has 30 days.
_WORDS = {
    **dict.fromkeys(("second", "sec"), 1),
    **dict.fromkeys(("minute", "min"), 60),
    **dict.fromkeys(("hour", "hr", "h"), 3600),
    **dict.fromkeys(("day", "d"), _DAY),
    **dict.fromkeys(("week", "w"), 7 * _DAY),
    **dict.fromkeys(("month", "mo"), 30 * _DAY),
    **dict.fromkeys(("year", "y"), 365 * _DAY),
}
_EVERY = {"hourly": 3600, "daily": _DAY, "weekly": 7 * _DAY, "monthly": 30 * _DAY, "yearly": 365 * _DAY}
_IN_WORDS = regex(r"([0-9]{1,4})[ _-]?([a-z]{1,6}?)s?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Duration:
    """A positive length of time: `seconds`, and `text` as Go's `Duration.String()` prints it."""

    seconds: float
    text: str


def parse_duration(text: str) -> Duration | None:
    """The duration that `text` means to Go, or None where Go refuses it or it is not positive.

    A fraction of a second is refused too: External Secrets Operator polls in whole seconds at best.
    """
    if len(text) > _LONGEST_TEXT or not _WHOLE.fullmatch(text):
        return None
    parts = [(*amount.partition(".")[::2], unit) for amount, unit in _PARTS.findall(text)]
    # Whole numbers only: all fractions are brought to the digits of the longest.
    digits = max(len(fraction) for _, fraction, _ in parts)
    total = sum(int(f"{whole}{fraction:0<{digits}}" or 0) * _UNITS[unit] for whole, fraction, unit in parts)
    second = _SECOND * 10**digits
    if total <= 0 or total > _LONGEST * 10**digits or total % second:
        return None
    minutes, seconds = divmod(total // second, 60)
    hours, minutes = divmod(minutes, 60)
    canonical = f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
    return Duration(float(total // second), canonical)


def seconds_in_words(text: str) -> int | None:
    """The seconds of a length of time in words, such as `3 months` or `daily`; None for any other text."""
    word = text.strip().lower()
    if word in _EVERY:
        return _EVERY[word]
    found = _IN_WORDS.fullmatch(word)
    unit = _WORDS.get(found[2]) if found is not None else None
    return int(found[1]) * unit if found is not None and unit is not None and int(found[1]) > 0 else None


def days_in_words(text: str) -> int | None:
    """The whole days of such a length of time."""
    seconds = seconds_in_words(text)
    return seconds // _DAY if seconds is not None and seconds % _DAY == 0 else None


def short_duration(seconds: int) -> str:
    """The shortest form of a number of seconds, as a person writes it: `1h30m`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{amount}{unit}" for amount, unit in parts if amount) or "0s"


def short_age(age: timedelta) -> str:
    """How long ago something was, in its largest unit: `40s`, `5m`, `3h`, `12d`."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
