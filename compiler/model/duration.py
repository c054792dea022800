"""Go durations, as Kubernetes writes them: `1h30m` in, seconds and the canonical form (`1h30m0s`) out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

# Units of Go's time.ParseDuration, in seconds.
_UNITS = {
    "ns": Fraction(1, 10**9),
    "us": Fraction(1, 10**6),
    "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6),
    "ms": Fraction(1, 1000),
    "s": Fraction(1),
    "m": Fraction(60),
    "h": Fraction(3600),
}
_PART = r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_WHOLE = re.compile(rf"(?:{_PART})+", re.ASCII)
_PARTS = re.compile(_PART, re.ASCII)
# Go counts nanoseconds in 64 bits: a little over 292 years.
_LONGEST = Fraction(2**63 - 1, 10**9)


@dataclass(frozen=True, slots=True)
class Duration:
    """A positive length of time: `seconds`, and `text` as Go's `Duration.String()` prints it."""

    seconds: float
    text: str


def parse_duration(text: str) -> Duration | None:
    """The duration that `text` means to Go, or nothing where Go refuses it or it is not positive.

    A fraction of a second is refused too: External Secrets Operator polls in whole seconds at best.
    """
    if not _WHOLE.fullmatch(text):
        return None
    total = sum((Fraction(amount) * _UNITS[unit] for amount, unit in _PARTS.findall(text)), Fraction())
    if total <= 0 or total > _LONGEST or total.denominator != 1:
        return None
    minutes, seconds = divmod(int(total), 60)
    hours, minutes = divmod(minutes, 60)
    canonical = f"{hours}h{minutes}m{seconds}s" if hours else f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
    return Duration(float(total), canonical)
