"""An exception in, whether an interrupt is behind it out."""

from __future__ import annotations


def follows_interrupt(error: BaseException | None) -> bool:
    """True for an interrupt and for what came while one was handled.

    A KeyboardInterrupt in the middle of a lock's own code comes out as that lock's complaint that it is not held.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
