"""Tells whether an interrupt is behind an exception."""

from __future__ import annotations


def follows_interrupt(error: BaseException | None) -> bool:
    """True for an interrupt and for what came while one was handled.

    A KeyboardInterrupt inside a lock's own code surfaces as that lock's error that it is not held.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
