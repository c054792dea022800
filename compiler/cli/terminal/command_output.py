"""Prints a command's output: lines for people or one object for programs, as `--format` asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.render.content import Data

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping

    from compiler.cli.invocation import Invocation
    from compiler.render.content import Line


class CommandOutput:
    """Prints either `lines` or `report`, as `--format` asks; the other one prints nothing."""

    def __init__(self, arguments: Namespace, invocation: Invocation) -> None:
        self.is_json = arguments.format == "json"
        self.is_debug = invocation.options.is_debug

    def lines(self, lines: Iterable[Line], *, is_error: bool = False) -> None:
        """Print what is for people: on standard output, or on standard error."""
        if not self.is_json:
            outlet = standard_error() if is_error else standard_output()
            outlet.lines(lines)
            outlet.flush()

    def report(self, content: Callable[[], Mapping[str, Any]]) -> None:
        """Print what is for programs: the whole of standard output."""
        if self.is_json:
            standard_output().show(Data(content()))
