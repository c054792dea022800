"""What a command has to tell, in; lines for people or one object for programs, as `--format` asks, out."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Mapping

    from compiler.cli.invocation import Invocation


class CommandOutput:
    """Each of `lines` and `report` prints where it is what was asked for, and else nothing."""

    def __init__(self, arguments: Namespace, invocation: Invocation) -> None:
        self.is_json = arguments.format == "json"
        self.is_debug = invocation.options.is_debug

    def lines(self, lines: Iterable[str], *, is_error: bool = False) -> None:
        """Print what is for people: on standard output, or on standard error."""
        if not self.is_json:
            stream = sys.stderr if is_error else sys.stdout
            stream.writelines(f"{line}\n" for line in lines)
            stream.flush()

    def report(self, content: Callable[[], Mapping[str, Any]]) -> None:
        """Print what is for programs: the whole of standard output."""
        if self.is_json:
            sys.stdout.write(json.dumps(content(), indent=2) + "\n")
