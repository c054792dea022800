"""Parses a minor version of External Secrets Operator, and tells which versions are known and were released."""

from __future__ import annotations

import re

from compiler.text.regex import regex

OLDEST = (0, 16)
# The newest whose ExternalSecret schema is known: that of 2.10, 2.11 and 2.12 equals 2.9's (read in the sources).
NEWEST = (2, 12)
KNOWN = "0.16 to 0.20, 1.0 to 1.3 and 2.0 to 2.12"
# The last known minor of each major version.
_LAST = {0: 20, 1: 3, 2: 12}
_FORM = regex(r"(0|[1-9]\d?)\.(0|[1-9]\d{0,2})", re.ASCII)


def parse_minor(text: str) -> tuple[int, int] | None:
    """Major and minor number of `MAJOR.MINOR`, or None where the text has another form."""
    match = _FORM.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def is_released(minor: tuple[int, int]) -> bool:
    """Whether this minor version was released; known up to NEWEST."""
    return minor[1] <= _LAST.get(minor[0], -1)
