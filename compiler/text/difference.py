"""Finds where two texts begin to differ."""

from __future__ import annotations


def first_difference(old: str, new: str) -> int:
    """The offset in `old` of the first line that `new` has otherwise; its last character where it goes on in `new`."""
    offset = 0
    for before, after in zip(old.splitlines(keepends=True), new.splitlines(keepends=True), strict=False):
        if before != after:
            break
        offset += len(before)
    return min(offset, max(0, len(old) - 1))
