"""A values file that is not what its environment compiles to in; the diagnostic and the differing lines out."""

from __future__ import annotations

from difflib import unified_diff
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.pipeline import ValuesFile


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
    """A unified diff from the file to what it should be."""
    shown = file.output.shown
    old = (file.old or "").splitlines()
    new = file.output.text.splitlines()
    return unified_diff(old, new, shown, f"{shown} (compiled)", lineterm="")


def _first_difference(old: str, new: str) -> int:
    offset = 0
    for before, after in zip(old.splitlines(keepends=True), new.splitlines(keepends=True), strict=False):
        if before != after:
            break
        offset += len(before)
    return offset
