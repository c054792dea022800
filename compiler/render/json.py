"""Prints diagnostics as one JSON object; for `verify`, with the status of every key."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from compiler.model.diagnostic import Severity
from compiler.render.content import Data, envelope, members

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.render.content import CommandRun, Shown, ShownKey
    from compiler.rules.api import Rule

_STATUSES = ("ok", "warning", "error")


def render(shown: Sequence[Shown], rules: Sequence[Rule], run: CommandRun) -> Data:
    """Lines and columns are 1-based, count characters, and ends are exclusive.

    Every diagnostic has all keys; `help` is null where there is none.
    """
    del rules
    counts = Counter(each.severity for each in shown)
    content = {
        **run.content,
        **(_keys(run.keys, shown) if run.keys is not None else {}),
        "diagnostics": [_diagnostic(each) for each in shown],
        "summary": {f"{severity.value}s": counts[severity] for severity in Severity},
    }
    return Data(envelope(run.command, run.environment, run.exit_code, content))


def _keys(keys: Sequence[ShownKey], shown: Sequence[Shown]) -> dict[str, Any]:
    counts = Counter(each.status for each in keys)
    return {
        "counts": {"keys": len(keys), **{status: counts[status] for status in _STATUSES}},
        "keys": [
            {
                **members(each, "secret", "key", "store", "name", "property", "status"),
                "rules": list(dict.fromkeys(shown[index].rule for index in each.found)),
            }
            for each in keys
        ],
    }


def _diagnostic(each: Shown) -> dict[str, Any]:
    return {
        **members(each, "rule", "severity", "message", "path", "line", "column", "end_line", "end_column", "help"),
        "related": [members(note, "message", "path", "line", "column") for note in each.related],
    }
