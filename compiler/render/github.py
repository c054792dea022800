"""Prints diagnostics as GitHub's workflow commands, which annotate the lines of a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.render.content import WorkflowCommand, WorkflowCommands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.content import CommandRun, Shown
    from compiler.rules.api import Rule

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render(shown: Sequence[Shown], rules: Sequence[Rule], run: CommandRun) -> WorkflowCommands:
    """An `::error …::message`, `::warning` or `::notice` for each diagnostic; related places and help follow in it."""
    del rules, run
    return WorkflowCommands(
        WorkflowCommand(_COMMANDS[each.severity], _properties(each), _lines(each)) for each in shown
    )


def _properties(each: Shown) -> dict[str, str]:
    properties = {"file": each.path, "line": str(each.line), "endLine": str(each.end_line)}
    # GitHub takes columns only where all is on one line.
    if each.line == each.end_line:
        properties |= {"col": str(each.column), "endColumn": str(each.end_column)}
    return properties | {"title": each.rule}


def _lines(each: Shown) -> list[str]:
    notes = [f"note: {note.message} at {note.path}:{note.line}:{note.column}" for note in each.related]
    return [each.message, *notes, *([f"help: {each.help}"] if each.help else [])]
