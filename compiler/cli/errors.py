"""Names two kinds of refusal as classes, for the commands that do not raise `compiler.refusal.Refusal` itself yet."""

from compiler.refusal import Refusal


class UsageError(Refusal):
    """`Refusal("usage", …)`."""

    def __init__(self, message: str, help_text: str | None = None, details: str = "") -> None:
        super().__init__("usage", message, help_text, details)


class CannotRunError(Refusal):
    """`Refusal("cannot run", …)`."""

    def __init__(self, message: str, help_text: str | None = None, details: str = "") -> None:
        super().__init__("cannot run", message, help_text, details)
