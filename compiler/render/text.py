"""Prints diagnostics for people: place, rule and message, the source line with a caret, notes and help."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.render.content import Lines, Painted, Style
from compiler.text.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.render.content import Line
    from compiler.render.interface import Run, Shown
    from compiler.render.omission import Omission
    from compiler.rules.interface import Rule

_SEVERITY = {Severity.ERROR: Style.ERROR, Severity.WARNING: Style.WARNING, Severity.NOTE: Style.STRONG}


def render(shown: Sequence[Shown], rules: Sequence[Rule], run: Run) -> Lines:
    """Every diagnostic with an empty line after it, then the counts, with those omitted; empty without diagnostics."""
    del rules
    return Lines(lines(shown, run.omission))


def lines(shown: Sequence[Shown], omission: Omission | None = None) -> Iterator[Line]:
    """The lines of the whole output."""
    for each in shown:
        yield from _lines(each)
        yield ""
    if omission is not None:
        yield from omission.lines()
        yield ""
    if shown:
        yield summary(shown, omission)


def summary(shown: Sequence[Shown], omission: Omission | None = None) -> str:
    """How many errors, warnings and notes there are: `2 errors, 1 warning`."""
    counts = Counter(each.severity for each in shown)
    if omission is not None:
        counts.update(omission.of_severities)
    return ", ".join(counted(counts[severity], severity.value) for severity in Severity if counts[severity])


def _lines(each: Shown) -> Iterator[Line]:
    style = _SEVERITY[each.severity]
    what = Painted(f"{each.severity.value}[{each.rule}]:", style)
    path, where = Painted(each.path, Style.STRONG), Painted(f":{each.line}:{each.column}:", Style.STRONG)
    yield path, where, " ", what, " ", Painted(each.message, Style.STRONG)
    indent = ""
    if each.source_line is not None:
        number = str(each.line)
        indent = " " * (len(number) + 1)
        source = f" {each.source_line}".rstrip()
        yield Painted(f"{number} |", Style.GUTTER), source
        yield Painted(f"{indent}|", Style.GUTTER), " " * (each.caret + 1), Painted("^" * each.caret_width, style)
    for note in each.related:
        yield (
            indent,
            Painted("note:", Style.STRONG),
            " ",
            note.message,
            " at ",
            note.path,
            f":{note.line}:{note.column}",
        )
    if each.help:
        yield indent, Painted("help:", Style.HELP), " ", each.help
