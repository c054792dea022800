"""Prints diagnostics for people: place, rule and message, the source line with a caret, notes and help."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.render.content import Lines, Painted, Style
from compiler.text.characters import cells
from compiler.text.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.render.content import CommandRun, Line, Omission, Shown, ShownRelated
    from compiler.rules.api import Rule

_SEVERITY = {Severity.ERROR: Style.ERROR, Severity.WARNING: Style.WARNING, Severity.NOTE: Style.STRONG}
_SCREEN = 80


def render(shown: Sequence[Shown], rules: Sequence[Rule], run: CommandRun) -> Lines:
    """Every diagnostic with an empty line after it, then the counts, with those omitted; empty without diagnostics."""
    del rules
    return Lines(lines(shown, run.omission))


def lines(shown: Sequence[Shown], omission: Omission | None = None, *, each_place: bool = False) -> Iterator[Line]:
    """The lines of the whole output; with `each_place`, a note for every place."""
    for number, each in enumerate(shown):
        yield from _lines(each, each_place=each_place)
        # Those without a source line are told one below the other: many at once are the usual case.
        if not (each.brief and number + 1 < len(shown) and shown[number + 1].brief):
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


def _lines(each: Shown, *, each_place: bool) -> Iterator[Line]:
    style = _SEVERITY[each.severity]
    what = Painted(f"{each.severity.value}[{each.rule}]:", style)
    path, where = Painted(each.path, Style.STRONG), Painted(f":{each.line}:{each.column}:", Style.STRONG)
    notes = list(_together(each.related, each_place=each_place))
    behind: tuple[str, ...] = ()
    if each.brief and not each_place and notes and notes[0][0].about:
        # Most are wider than a screen as they are, so that the keys behind the message take no row of their own.
        head = f"{each.path}:{each.line}:{each.column}: {each.severity.value}[{each.rule}]: {each.message}; "
        behind = ("; ", *_place(notes.pop(0), head, 2 * _SCREEN))
    yield path, where, " ", what, " ", Painted(each.message, Style.STRONG), *behind
    indent = "  " if each.brief else ""
    if each.source_line is not None and not each.brief:
        number = str(each.line)
        indent = " " * (len(number) + 1)
        source = f" {each.source_line}".rstrip()
        yield Painted(f"{number} |", Style.GUTTER), source
        yield Painted(f"{indent}|", Style.GUTTER), " " * (each.caret + 1), Painted("^" * each.caret_width, style)
    for group in notes:
        yield indent, Painted("note:", Style.STRONG), " ", *_place(group, f"{indent}note: ")
    if each.help:
        yield indent, Painted("help:", Style.HELP), " ", each.help


def _together(related: Sequence[ShownRelated], *, each_place: bool) -> Iterator[list[ShownRelated]]:
    """The notes, those of one kind in one file together."""
    if each_place:
        yield from ([note] for note in related)
        return
    groups: dict[object, list[ShownRelated]] = {}
    for number, note in enumerate(related):
        groups.setdefault((note.about, note.path) if note.about else number, []).append(note)
    yield from groups.values()


def _place(notes: Sequence[ShownRelated], before: str, width: int = _SCREEN) -> tuple[str, ...]:
    """What one note says; of several keys the names, where these fit behind `before` into `width`, or else how many."""
    first = notes[0]
    if len(notes) == 1:
        return first.message, " at ", first.path, f":{first.line}:{first.column}"
    numbers = [note.line for note in notes]
    places = f":{min(numbers)}-{max(numbers)}" if min(numbers) < max(numbers) else f":{first.line}"
    names = listed((note.key for note in notes), len(notes))
    fit = cells(f"{before}{names} {first.about} at {first.path}{places}") <= width
    return f"{names if fit else counted(len(notes), 'key')} {first.about}", " at ", first.path, places
