"""Reports a values file that differs from what its environment compiles to, and shows the differing lines."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span
from compiler.operations.chart.foreign_values import ChartValues
from compiler.stages.emit import values_tree
from compiler.text.command_line import command_line
from compiler.text.credential import CONCEALED
from compiler.text.difference import first_difference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.chart.foreign_values import Bounds
    from compiler.pipeline import ValuesFile

# Lines of the one times lines of the other, which is what comparing them may take: about a second's worth.
_MOST_PAIRS = 25_000_000


def stale_values(file: ValuesFile) -> Diagnostic:
    """`stale-values`, at the first line that differs."""
    shown, old = file.output.shown, file.old
    way_out = f"run `{command_line('compile', file.environment)}` and commit the result"
    if old is None:
        message = f"{shown} is missing"
        return Diagnostic("stale-values", Severity.ERROR, message, Span(Source(shown)), help=way_out)
    start = first_difference(old, file.output.text)
    message = f'{shown} is not what "{file.environment}" compiles to'
    source = Source(shown, old)
    line_start, line_end = source.line_bounds(source.place(start)[0])
    # Only of the line that is shown: a message is searched for every text that is concealed.
    conceals = tuple(
        Span(source, *bounds) for bounds in _hidden(old) if bounds[1] > line_start and bounds[0] < line_end
    )
    span = Span(source, start, start)
    return Diagnostic("stale-values", Severity.ERROR, message, span, help=way_out, conceals=conceals)


def differing_lines(file: ValuesFile) -> Iterator[str]:
    """A unified diff from the file to what it should be, or a line that says so where that would take long to make.

    Hidden is what the compiler did not write: comments, and values under keys that the chart does not know.
    """
    shown = file.output.shown
    if (file.old or "").count("\n") * file.output.text.count("\n") > _MOST_PAIRS:
        return iter([f"{shown} has too many lines to compare them"])
    old = _without(file.old or "", _hidden(file.old or "")).splitlines()
    new = file.output.text.splitlines()
    return unified_diff(old, new, shown, f"{shown} (compiled)", lineterm="")


def _hidden(text: str) -> list[Bounds]:
    if not text:
        return []
    root = values_tree(text)
    # A text that is not YAML was not written by the compiler, so all of it is hidden.
    return ChartValues().hidden(text, root) if root is not None else [(text.find("\n") + 1, len(text))]


def _without(text: str, hidden: list[Bounds]) -> str:
    shown: list[str] = []
    at = 0
    for start, end in hidden:
        shown += (text[at:start], CONCEALED)
        at = end
    return "".join((*shown, text[at:]))
