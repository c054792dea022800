"""The pieces of argparse that commands share: a parser that raises instead of exiting, and the common options."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NoReturn

from compiler.cli.command_table import PROGRAM
from compiler.cli.errors import UsageError
from compiler.render.interface import FORMATS
from compiler.text.suggestion import closest

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Width(argparse.HelpFormatter):
    """Formats nothing here, but argparse makes one for each argument, and asking for the terminal's imports shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class Parser(argparse.ArgumentParser):
    """A sub-command's parser: full option names only, options anywhere, and what is wrong raised as UsageError."""

    def __init__(self, command: str, description: str, examples: Sequence[str]) -> None:
        super().__init__(
            prog=f"{PROGRAM} {command}",
            description=description,
            epilog="examples:\n" + "\n".join(f"  {example}" for example in examples),
            formatter_class=_Width,
            allow_abbrev=False,
        )
        self.add_argument("--root", metavar="DIR", default=None, help=argparse.SUPPRESS)
        self.add_argument("--no-color", action="store_true", help=argparse.SUPPRESS)
        self.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        # Else argparse formats the usage, which nobody sees here.
        self.usage = ""
        parsed, unknown = self.parse_known_intermixed_args(list(arguments))
        if unknown:
            raise UsageError(f"there is no {self._what(unknown[0])}", self._way_out(unknown[0]))
        return parsed

    def format_help(self) -> str:
        from compiler.cli.help_text import help_text  # noqa: PLC0415 - only where it is asked for

        return help_text(self.prog, self.description or "", self._actions, self.epilog or "")

    def options(self) -> tuple[str, ...]:
        """Every option that the help shows, for completion."""
        return tuple(
            option
            for action in self._actions
            if action.help is not argparse.SUPPRESS
            for option in action.option_strings
            if option.startswith("--")
        )

    @property
    def takes_environment(self) -> bool:
        """Whether an environment's name is an argument, for completion."""
        return any(action.metavar == "ENV" for action in self._actions)

    def error(self, message: str) -> NoReturn:
        if ": ignored explicit argument " in message:
            # What was given to it is not shown: of `put` it may be a secret.
            message = message.partition(":")[0].removeprefix("argument ") + " takes no value"
        raise UsageError(message, f"`{self.prog} --help` shows what there is")

    def _what(self, word: str) -> str:
        shown = word.partition("=")[0]
        return f'option "{shown}"' if word.startswith("-") else f'place for "{shown}"'

    def _way_out(self, word: str) -> str:
        match = closest(word.partition("=")[0], self.options()) if word.startswith("-") else None
        return f'did you mean "{match}"?' if match else f"`{self.prog} --help` shows what there is"


def add_format(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    parser.add_argument("--format", choices=formats, default="text", help=f"{', '.join(formats)}; text by default")


def add_store(parser: argparse.ArgumentParser, help_text: str) -> None:
    parser.add_argument("--store", metavar="ID", help=help_text)
