"""A values file that is not what its environment compiles to in; the diagnostic and the differing lines out."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span
from compiler.text.credential import conceal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.pipeline import ValuesFile

# Lines of the one times lines of the other, which is what comparing them may take: about a second's worth.
_MOST_PAIRS = 25_000_000


def stale_values(file: ValuesFile) -> Diagnostic:
    """`stale-values`, at the first line that differs."""
    shown, old = file.output.shown, file.old
    way_out = f"run `make values ENV={file.environment}` and commit the result"
    if old is None:
        message = f"{shown} is missing"
        return Diagnostic("stale-values", Severity.ERROR, message, Span(Source(shown)), help=way_out)
    start = min(_first_difference(old, file.output.text), max(0, len(old) - 1))
    message = f'{shown} is not what "{file.environment}" compiles to'
    return Diagnostic("stale-values", Severity.ERROR, message, Span(Source(shown, old), start, start), help=way_out)


def differing_lines(file: ValuesFile) -> Iterator[str]:
    """A unified diff from the file to what it should be; what looks like a credential is taken out of both first.

    Of a file that would take long to compare, one line that says so.
    """
    shown = file.output.shown
    if (file.old or "").count("\n") * file.output.text.count("\n") > _MOST_PAIRS:
        return iter([f"{shown} has too many lines to compare them"])
    old = conceal(file.old or "").splitlines()
    new = conceal(file.output.text).splitlines()
    return unified_diff(old, new, shown, f"{shown} (compiled)", lineterm="")


def _first_difference(old: str, new: str) -> int:
    offset = 0
    for before, after in zip(old.splitlines(keepends=True), new.splitlines(keepends=True), strict=False):
        if before != after:
            break
        offset += len(before)
    return offset
