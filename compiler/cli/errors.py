"""What ends a command early: a message to show and the way out. Nothing in them quotes more than the command line."""


class CommandError(Exception):
    """Ends the command with `code` of the subclass; `help` is the way out, `details` are lines to show below it."""

    def __init__(self, message: str, help_text: str | None = None, details: str = "") -> None:
        super().__init__(message)
        self.help = help_text
        self.details = details


class UsageError(CommandError):
    """The command line asks for something that does not exist or does not go together."""


class CannotRunError(CommandError):
    """The command line is right, but something that the command needs is not there."""
