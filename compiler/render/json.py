"""Diagnostics for programs: one JSON object whose keys and meanings are kept within a `version`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from compiler.model.diagnostic import Severity
from compiler.render.content import Data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.interface import Shown
    from compiler.rules.interface import Rule

# Raised when a key changes its meaning or goes; a new key does not raise it.
VERSION = 1


def render(shown: Sequence[Shown], rules: Sequence[Rule]) -> Data:
    """`version`, `diagnostics` and `summary`; lines and columns are 1-based, count characters, and ends are exclusive.

    Every diagnostic has all keys; `help` is null where there is none.
    """
    del rules
    counts = Counter(each.severity for each in shown)
    return Data(
        {
            "version": VERSION,
            "diagnostics": [_diagnostic(each) for each in shown],
            "summary": {"errors": counts[Severity.ERROR], "warnings": counts[Severity.WARNING]},
        }
    )


def _diagnostic(each: Shown) -> dict[str, Any]:
    return {
        "rule": each.rule,
        "severity": each.severity.value,
        "message": each.message,
        "path": each.path,
        "line": each.line,
        "column": each.column,
        "endLine": each.end_line,
        "endColumn": each.end_column,
        "help": each.help,
        "related": [
            {"message": note.message, "path": note.path, "line": note.line, "column": note.column}
            for note in each.related
        ],
    }
