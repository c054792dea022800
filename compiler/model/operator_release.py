"""Parses a minor version of External Secrets Operator, and tells whether that version was released."""

from __future__ import annotations

import re

OLDEST = (0, 16)
NEWEST = (2, 9)
# The last minor of each major version.
_LAST = {0: 20, 1: 3, 2: 9}
_FORM = re.compile(r"(0|[1-9]\d?)\.(0|[1-9]\d{0,2})", re.ASCII)


def parse_minor(text: str) -> tuple[int, int] | None:
    """Major and minor number of `MAJOR.MINOR`, or None where the text has another form."""
    match = _FORM.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def is_released(minor: tuple[int, int]) -> bool:
    """Whether this minor version was released; known up to NEWEST."""
    return minor[1] <= _LAST.get(minor[0], -1)
