"""Words what the operating system says of a call that failed."""

from __future__ import annotations


def system_reason(error: OSError) -> str:
    """The reason as messages have it: in lower case, without number and path, such as `permission denied`."""
    return (error.strerror or "unknown reason").lower()
