"""Defines what a renderer is given to show and what it returns to be printed, and quotes source lines.

All text in it is raw. The outlet alone conceals, escapes and colours it, so that no renderer can forget to. Excerpts of
source lines conceal by structure besides: values under unknown keys, and credentials that are recognised in the whole
file. A rule that every environment breaks must not bury what only one of them does; formats for programs are never
shortened. `schemas/output` holds a closed schema of each JSON output.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from compiler.model.document import MOST_OF_A_RULE
from compiler.text.characters import cells, printable
from compiler.text.credential import CONCEALED, credential_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.document import Diagnostic, Related, Severity, Source, Span

    Bounds = tuple[int, int]


class Style(Enum):
    """How a piece of a line looks where the stream may colour; the values are parameters of a terminal's SGR."""

    STRONG = "1"
    ERROR = "1;31"
    WARNING = "1;33"
    HELP = "1;36"
    GUTTER = "1;34"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"


class Painted(NamedTuple):
    """A piece of a line in a style."""

    text: str
    style: Style


class CodeSpan(NamedTuple):
    """A piece of a line of Markdown that is shown as code."""

    text: str


class Words(NamedTuple):
    """A piece of a line of Markdown, in a table too, in which no character is a mark."""

    text: str


Piece = str | Painted | CodeSpan | Words


class Wrapped(NamedTuple):
    """Text that is broken at spaces into lines of at most 80 characters, each behind `indent` spaces."""

    pieces: tuple[str, ...]
    indent: int
    head: tuple[Piece, ...] = ()  # before the first line; HANGING lets it begin further left


HANGING: tuple[Piece, ...] = ("",)


class Fitted(NamedTuple):
    """A line that a terminal breaks at spaces to its width, the rest behind `indent` spaces; elsewhere one line.

    Pieces in a tuple of their own, such as a path with its line and column, are not broken, and no code in backticks.
    """

    pieces: tuple[Piece | tuple[Piece, ...], ...]
    indent: int


# One line without its end. Each piece is looked at on its own, so that a name beside a colon is no password's.
Line = str | tuple[Piece, ...] | Wrapped | Fitted


class Fingerprint(NamedTuple):
    """A short hash of `parts` after concealing, so never of a secret; a repeated one gets another number."""

    parts: tuple[str, ...]


class WorkflowCommands(NamedTuple):
    """GitHub's workflow commands: the name, the properties and the message's lines of each."""

    commands: Iterable[tuple[str, Mapping[str, str], Sequence[str]]]


# One object for programs, printed as JSON, in which a Fingerprint may stand wherever a text may; or lines for people.
# A line break inside a piece of a line is shown as an escape: no name can make a line of its own.
Content = Mapping[str, Any] | WorkflowCommands | Iterable[Line]


class CommandRun(NamedTuple):
    """The run that diagnostics belong to."""

    command: str
    environment: str | None = None  # where it has exactly one
    exit_code: int = 0
    content: Mapping[str, Any] = MappingProxyType({})  # further members of the JSON report
    left_out: Sequence[Diagnostic] = ()  # what the text format alone does not show; `see_all` says how to see it
    see_all: str = ""


class ShownRelated(NamedTuple):
    """Another place that explains a diagnostic, as Related; 1-based, in characters."""

    message: str
    path: str
    line: int
    column: int
    about: str = ""
    key: str = ""


class Shown(NamedTuple):
    """One diagnostic as formats get it, with the secrets that its places mark concealed.

    Lines and columns are 1-based, count characters and name places in the file; the end is exclusive, and does not give
    away the length of what is concealed.
    """

    rule: str
    severity: Severity
    message: str
    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    source_line: str | None = None  # at most 160 terminal cells of it; None where the file could not be read
    caret: int = 0  # in cells of `source_line`, as `caret_width`
    caret_width: int = 1
    help: str | None = None
    related: tuple[ShownRelated, ...] = ()
    brief: bool = False  # people need not see the source line


# Raised when a key changes its meaning or goes; a new key does not raise it.
FORMAT = 1
# Of the commands with another one.
FORMATS = {"status": 2}


def envelope(command: str, environment: str | None, exit_code: int, content: Mapping[str, Any]) -> dict[str, Any]:
    """The whole object; `environment` is None, and null in JSON, where the command is about none or about several."""
    number = FORMATS.get(command, FORMAT)
    return {"format": number, "command": command, "environment": environment, **as_json(content), "exitCode": exit_code}


_PLAIN = frozenset({str, int, float, bool, type(None)})


def as_json(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """`value` as JSON has it: objects of dataclasses, a date as text in ISO form, an enum's value."""
    # What there is most of comes first: a report of many environments has millions of texts.
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (dict, Mapping)):
        return {str(name): as_json(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    if isinstance(value, Iterator):
        # Each is made when it is printed.
        return map(as_json, value)
    if is_dataclass(value):
        return as_json(members(value, *(field.name for field in fields(value))))
    return value.isoformat() if hasattr(value, "isoformat") else value


def members(source: object, *names: str) -> dict[str, Any]:
    """The attributes `names` of `source` by their names in JSON; null for an empty text."""
    found = {name: getattr(source, name) for name in names}
    return {_in_json(name): None if value == "" else value for name, value in found.items()}


@cache
def _in_json(name: str) -> str:
    first, *others = name.removeprefix("is_").split("_")
    return first + "".join(map(str.capitalize, others))


def first_of_each_rule(diagnostics: Iterable[Diagnostic]) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """The first 20 of each rule, and those that are left out; both in their order."""
    counts: Counter[str] = Counter()
    kept: list[Diagnostic] = []
    left_out: list[Diagnostic] = []
    for each in diagnostics:
        counts[each.rule] += 1
        (kept if counts[each.rule] <= MOST_OF_A_RULE else left_out).append(each)
    return kept, left_out


# As wide as two editor columns side by side; a longer line is cut around the caret.
WIDEST = 160
# How much of a long line stands before the caret.
_BEFORE = 60
_CUT = "..."  # not `…`, which means that something is concealed
# A shorter concealed word may well be one that the message must say, such as a known key's name.
_SHORTEST_QUOTED = 6


def show(diagnostics: Sequence[Diagnostic], of_run: Iterable[Diagnostic] | None = None) -> tuple[Shown, ...]:
    """What may be shown of `diagnostics`; what any of `of_run` conceals is concealed in all source lines."""
    concealed = _bounds_to_conceal(diagnostics, diagnostics if of_run is None else of_run)
    return tuple(_show_diagnostic(diagnostic, concealed[diagnostic.span.source]) for diagnostic in diagnostics)


def _bounds_to_conceal(diagnostics: Sequence[Diagnostic], of_run: Iterable[Diagnostic]) -> dict[Source, list[Bounds]]:
    """The parts of each source that `diagnostics` point into which no output may show."""
    sources = dict.fromkeys(diagnostic.span.source for diagnostic in diagnostics)
    bounds = {source: credential_parts(source.text) for source in sources}
    for diagnostic in of_run:
        for span in diagnostic.conceals:
            if span.source in bounds:
                bounds[span.source].append((span.start, span.end))
    return {source: _merge_bounds(parts) for source, parts in bounds.items()}


def _merge_bounds(bounds: Iterable[Bounds]) -> list[Bounds]:
    merged: list[Bounds] = []
    for start, end in sorted(bounds):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged


def _show_diagnostic(diagnostic: Diagnostic, concealed: list[Bounds]) -> Shown:
    span = diagnostic.span
    source = span.source
    end = _end_to_tell(span, concealed)
    line, column = source.place(span.start)
    end_line, end_column = source.place(end)
    quoted = _texts_to_conceal(diagnostic.conceals)
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
        related=tuple(_show_related(related, quoted) for related in diagnostic.related),
        brief=diagnostic.brief,
    )


def _show_related(related: Related, quoted: tuple[str, ...]) -> ShownRelated:
    line, column = related.span.source.place(related.span.start)
    about, key = _without(quoted, related.about), _without(quoted, related.key)
    return ShownRelated(_without(quoted, related.message), related.span.path, line, column, about, key)


def _texts_to_conceal(conceals: tuple[Span, ...]) -> tuple[str, ...]:
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
