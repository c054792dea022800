"""A command line in, run in this process; its exit code and what it printed out. Also what a command is run with."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.cli.invocation import Invocation
from compiler.cli.main import main
from compiler.cli.parser import Parser

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def rules(self) -> list[str]:
        """The ids of the diagnostics, in the order of the text output."""
        lines = [line for line in self.err.splitlines() if "error[" in line or "warning[" in line]
        return [line.partition("[")[2].partition("]")[0] for line in lines]


# What the fixtures `run` and `edit` give: a command in this process, and a text replaced in a file of the project.
RunCommand = Callable[..., Done]
EditFile = Callable[[str, str, str], None]


def run_command(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> Done:
    capsys.readouterr()
    code = main([str(argument) for argument in argv])
    captured = capsys.readouterr()
    return Done(code, captured.out, captured.err)


def invocation_of(name: str = "try", **arguments: str | bool) -> Invocation:
    """What a command of that name is run with, in the working folder's project."""
    return Invocation(name, Namespace(**arguments), Parser(name, "Tries.", ()))
