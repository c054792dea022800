"""Defines the error that ends a command: why it cannot be done, what to do, and of which kind the failure is.

Whatever a command is asked for and cannot do is raised as a `Refusal`; `cli/main.py` alone prints it and knows the exit
code of its kind. Code that must tell one failure from another when it catches it has an exception class of its own.
"""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from typing import Literal

    # usage: the command line asks for what does not exist or does not go together. cannot run: it is right, and
    # something that the command needs is missing, unreachable or not permitted. found: the input itself is not fit.
    Kind = Literal["usage", "cannot run", "found"]


class Refusal(Exception):  # noqa: N818 - it is what the rest of the code calls it, and no subclass ends otherwise
    """Ends a command. `message` and `help` are shown as they are, `details` as lines below the message.

    Neither may hold a secret's value; names and words of the command line they may quote.
    """

    def __init__(self, kind: Kind, message: str, help_text: str | None = None, details: str = "") -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.help = help_text
        self.details = details


def follows_interrupt(error: BaseException | None) -> bool:
    """True for an interrupt and for what came while one was handled.

    A KeyboardInterrupt inside a lock's own code surfaces as that lock's error that it is not held.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False


def system_reason(error: OSError) -> str:
    """The reason as messages have it: in lower case, without number and path, such as `permission denied`."""
    return (error.strerror or "unknown reason").lower()
