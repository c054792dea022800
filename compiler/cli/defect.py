"""Describes an unexpected exception for a bug report: types and places in the code, never a value or a message."""

from __future__ import annotations

import traceback
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def describe(error: BaseException, *, is_debug: bool) -> str:
    """Where in the code it happened. `str(error)` may quote what was read, so neither it nor any variable is shown."""
    frames = [*traceback.walk_tb(error.__traceback__)]
    places = [f"{_shown(frame.f_code.co_filename)}:{line}:{frame.f_code.co_name}" for frame, line in frames]
    ours = [place for place in places if place.startswith("compiler/")]
    where = (ours or places or ["unknown place"])[-1]
    lines = [f"internal error: {type(error).__name__} at {where}"]
    if is_debug:
        lines += [f"  {place}" for place in places]
        cause = error.__cause__ or error.__context__
        while cause is not None:
            lines.append(f"  after {type(cause).__name__}")
            cause = cause.__cause__ or cause.__context__
    else:
        lines.append("help: this is a bug; run the command again with --debug and report the output")
    return "\n".join(lines) + "\n"


def _shown(path: str) -> str:
    """A path that is enough for a developer and shows nothing about the machine."""
    full = Path(path)
    if full.is_relative_to(_PACKAGE):
        return f"compiler/{full.relative_to(_PACKAGE).as_posix()}"
    return "/".join(full.parts[-2:])
