"""Defines how a command ends: its exit code, and the error that says why it cannot run, and the way out.

Only `cli/main.py` prints that error. A failure that code must tell from others has an exception class of its own.
Scripts and CI rely on the exit codes.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from typing import Literal

    # usage: the command line asks for what does not exist or does not go together. cannot run: it is right, and
    # something that the command needs is missing, unreachable or not permitted. found: the input itself is not fit.
    Kind = Literal["usage", "cannot run", "found"]


OK = 0
# Diagnostics of error severity (with `--strict` warnings too), a stale file, or a difference.
FOUND = 1
USAGE = 2
# Unreachable, no permission, a program that is missing, or a defect of this one.
COULD_NOT_RUN = 3
# A part is done, and the same command goes on from there.
INCOMPLETE = 4
INTERRUPTED = 130

MEANINGS = {
    OK: "success",
    FOUND: "errors in the input, a stale file, differences, or a plan that is blocked",
    USAGE: "the command line is wrong",
    COULD_NOT_RUN: "could not run: something is unreachable, not permitted or missing",
    INCOMPLETE: "incomplete; run the same command again to continue",
    INTERRUPTED: "interrupted",
}
# The code of a command that ends with a refusal, by the refusal's kind.
OF_REFUSAL = {"usage": USAGE, "cannot run": COULD_NOT_RUN, "found": FOUND}


class Refusal(Exception):  # noqa: N818 - it is what the rest of the code calls it, and no subclass ends otherwise
    """Ends a command. `message`, `help` and `details` are shown as they are, and hold no secret's value."""

    # A plan keeps one for each of thousands of secrets that a store does not have yet.
    __slots__ = ("details", "help", "kind")

    def __init__(self, kind: Kind, message: str, help_text: str | None = None, details: str = "") -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.help = help_text
        self.details = details

    @property
    def message(self) -> str:
        return str(self.args[0])


def follows_interrupt(error: BaseException | None) -> bool:
    """True for an interrupt and for what came while one was handled, such as a lock's own error."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def system_reason(error: OSError) -> str:
    """The reason as messages have it: in lower case, without number and path, such as `permission denied`."""
    return (error.strerror or "unknown reason").lower()


def describe_defect(error: BaseException, *, is_debug: bool) -> str:
    """Where in the code an unexpected exception came from; its text may quote what was read, and is left out."""
    import traceback  # noqa: PLC0415 - for a defect alone

    frames = [*traceback.walk_tb(error.__traceback__)]
    places = [f"{_show_path(frame.f_code.co_filename)}:{line}:{frame.f_code.co_name}" for frame, line in frames]
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


def _show_path(path: str) -> str:
    """A path that is enough for a developer and shows nothing about the machine."""
    from pathlib import Path  # noqa: PLC0415 - for a defect alone

    full, package = Path(path), Path(__file__).resolve().parent
    if full.is_relative_to(package):
        return f"compiler/{full.relative_to(package).as_posix()}"
    return "/".join(full.parts[-2:])
