"""Quotes the source lines of diagnostics; the only module that puts a line of input into an output.

It conceals by structure: values under unknown keys, and credentials that it recognises in the whole file. Everything
else in a message is concealed by the outlet, as any text.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from compiler.render.shown import Shown, ShownRelated
from compiler.text.credential import CONCEALED, credential_parts
from compiler.text.printable import cells, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler.model.diagnostic import Diagnostic, Related
    from compiler.model.source import Source, Span

    Bounds = tuple[int, int]

# As wide as two editor columns side by side; a longer line is cut around the caret.
WIDEST = 160
# How much of a long line stands before the caret.
_BEFORE = 60
_CUT = "..."  # not `…`, which means that something is concealed
# A shorter concealed word may well be one that the message must say, such as a known key's name.
_SHORTEST_QUOTED = 6


def show(diagnostics: Sequence[Diagnostic], of_run: Iterable[Diagnostic] | None = None) -> tuple[Shown, ...]:
    """What may be shown of `diagnostics`, in their order.

    `of_run` are all of the run, where `diagnostics` are not: what any of them conceals is concealed in the source lines
    of all.
    """
    concealed = _concealed_bounds(diagnostics, diagnostics if of_run is None else of_run)
    return tuple(_shown(diagnostic, concealed[diagnostic.span.source]) for diagnostic in diagnostics)


def _concealed_bounds(diagnostics: Sequence[Diagnostic], of_run: Iterable[Diagnostic]) -> dict[Source, list[Bounds]]:
    """The parts of each source that `diagnostics` point into which no output may show."""
    sources = dict.fromkeys(diagnostic.span.source for diagnostic in diagnostics)
    bounds = {source: credential_parts(source.text) for source in sources}
    for diagnostic in of_run:
        for span in diagnostic.conceals:
            if span.source in bounds:
                bounds[span.source].append((span.start, span.end))
    return {source: _merged(parts) for source, parts in bounds.items()}


def _merged(bounds: Iterable[Bounds]) -> list[Bounds]:
    merged: list[Bounds] = []
    for start, end in sorted(bounds):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


def _shown(diagnostic: Diagnostic, concealed: list[Bounds]) -> Shown:
    span = diagnostic.span
    source = span.source
    end = _end_to_tell(span, concealed)
    line, column = source.place(span.start)
    end_line, end_column = source.place(end)
    quoted = _quoted(diagnostic.conceals)
    source_line, caret, caret_width = _excerpt(source, line, span.start, end, concealed)
    return Shown(
        rule=diagnostic.rule,
        severity=diagnostic.severity,
        message=_without(quoted, diagnostic.message),
        path=span.path,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        source_line=source_line,
        caret=caret,
        caret_width=caret_width,
        help=_without(quoted, diagnostic.help) if diagnostic.help else None,
        related=tuple(_related(related, quoted) for related in diagnostic.related),
        brief=diagnostic.brief,
    )


def _related(related: Related, quoted: tuple[str, ...]) -> ShownRelated:
    line, column = related.span.source.place(related.span.start)
    about, key = _without(quoted, related.about), _without(quoted, related.key)
    return ShownRelated(_without(quoted, related.message), related.span.path, line, column, about, key)


def _quoted(conceals: tuple[Span, ...]) -> tuple[str, ...]:
    """The texts that a careless message might repeat."""
    texts = {span.source.text[span.start : span.end].strip(" \t\r\n\"'") for span in conceals}
    return tuple(sorted((text for text in texts if len(text) >= _SHORTEST_QUOTED), key=len, reverse=True))


def _without(quoted: tuple[str, ...], text: str) -> str:
    for concealed in quoted:
        text = text.replace(concealed, CONCEALED)
    return text


def _part_at(concealed: list[Bounds], offset: int) -> Bounds | None:
    """The concealed part that the character at `offset` belongs to."""
    index = bisect_right(concealed, offset, key=lambda part: part[0]) - 1
    return concealed[index] if index >= 0 and offset < concealed[index][1] else None


def _end_to_tell(span: Span, concealed: list[Bounds]) -> int:
    """The span's end; right after its beginning, or the concealed part's, where it would tell a secret's length."""
    part = _part_at(concealed, span.end - 1) if span.end > span.start else None
    return span.end if part is None else max(span.start, part[0]) + 1


def _excerpt(source: Source, line: int, start: int, end: int, concealed: list[Bounds]) -> tuple[str | None, int, int]:
    """The line to show with the caret's cell and width in it."""
    if not source.text:
        return None, 0, 1
    line_start, line_end = source.line_bounds(line)
    # A window of characters first, so that ten thousand findings on one line of a megabyte cost no more than they must.
    left, right = max(line_start, start - WIDEST), min(line_end, start + WIDEST)
    pieces = _pieces(source.text, left, right, concealed)
    at = max((index for index, (offset, _) in enumerate(pieces) if offset <= start), default=0)
    first, last = _cut(pieces, at, clipped=(left, right) != (line_start, line_end))
    before = _CUT if first or left > line_start else ""
    after = _CUT if last < len(pieces) or right < line_end else ""
    kept = pieces[first:last]
    shown = before + "".join(text for _, text in kept) + after
    caret = cells(before + "".join(text for _, text in pieces[first:at]))
    if start >= right and pieces:
        return shown, cells(before + "".join(text for _, text in kept)), 1
    under = sum(cells(text) for offset, text in pieces[at:last] if offset < end)
    return shown, caret, max(1, under)


def _pieces(text: str, left: int, right: int, concealed: list[Bounds]) -> list[tuple[int, str]]:
    """Each character from `left` to `right` as it is shown, with its offset; a concealed part is one piece."""
    pieces: list[tuple[int, str]] = []
    offset = left
    while offset < right:
        part = _part_at(concealed, offset)
        pieces.append((offset, CONCEALED if part else printable(text[offset])))
        offset = part[1] if part else offset + 1
    return pieces


def _cut(pieces: list[tuple[int, str]], at: int, *, clipped: bool) -> tuple[int, int]:
    """The first and one past the last of the pieces around `at` that are no wider than the widest line."""
    widths = [cells(text) for _, text in pieces]
    first, last, room = 0, len(pieces), WIDEST - sum(widths)
    if room < 0 or clipped:
        room -= 2 * cells(_CUT)
    before = sum(widths[:at])
    while room < 0 and before > _BEFORE:
        room += widths[first]
        before -= widths[first]
        first += 1
    while room < 0 and last > at + 1:
        last -= 1
        room += widths[last]
    return first, last
