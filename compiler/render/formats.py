"""Prints diagnostics in each format: text for people, JSON, GitHub's workflow commands and SARIF."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import compiler
from compiler.model import group_pairs
from compiler.model.document import Severity
from compiler.render.content import Fingerprint, Fitted, Painted, Style, WorkflowCommands, envelope, members
from compiler.text.characters import cells
from compiler.text.wording import PROGRAM, list_names, pluralize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from compiler.model.document import Diagnostic
    from compiler.render.content import CommandRun, Content, Line, Shown, ShownRelated
    from compiler.rules.api import Rule

    # `rules` are all there are, for formats that describe them.
    Renderer = Callable[[Sequence[Shown], Sequence[Rule], CommandRun], Content]

_SEVERITY = {Severity.ERROR: Style.ERROR, Severity.WARNING: Style.WARNING, Severity.NOTE: Style.STRONG}
_SCREEN = 80
_HANG = 2


def render_text(shown: Sequence[Shown], _rules: Sequence[Rule], run: CommandRun) -> Iterable[Line]:
    """Every diagnostic with an empty line after it, then the counts, with those left out; empty without diagnostics."""
    return lines(shown, run.left_out, run.see_all)


def lines(shown: Sequence[Shown], left_out: Sequence[Diagnostic] = (), see_all: str = "") -> Iterator[Line]:
    """The lines of the whole output, and how many findings of a rule are `left_out`."""
    for number, each in enumerate(shown):
        yield from _text_lines(each)
        # Those without a source line are told one below the other: many at once are the usual case.
        if not (each.brief and number + 1 < len(shown) and shown[number + 1].brief):
            yield ""
    omitted = Counter(each.rule for each in left_out)
    for rule in dict.fromkeys(each.rule for each in shown if each.rule in omitted):
        yield f'{pluralize(omitted[rule], "more finding")} of "{rule}" not shown; {see_all}'
    if omitted:
        yield ""
    if shown:
        yield summary((*shown, *left_out))


def summary(found: Iterable[Shown | Diagnostic]) -> str:
    """How many errors, warnings and notes there are: `2 errors, 1 warning`."""
    counts = Counter(each.severity for each in found)
    return ", ".join(pluralize(counts[severity], severity.value) for severity in Severity if counts[severity])


def _text_lines(each: Shown) -> Iterator[Line]:
    style = _SEVERITY[each.severity]
    what = Painted(f"{each.severity.value}[{each.rule}]:", style)
    path, where = Painted(each.path, Style.STRONG), Painted(f":{each.line}:{each.column}:", Style.STRONG)
    kinds = (((note.about, note.path) if note.about else number, note) for number, note in enumerate(each.related))
    notes = list(group_pairs(kinds).values())
    behind: tuple[str | tuple[str, ...], ...] = ()
    if each.brief and notes and notes[0][0].about:
        # Most are wider than a screen as they are, so that the keys behind the message take no row of their own.
        head = f"{each.path}:{each.line}:{each.column}: {each.severity.value}[{each.rule}]: {each.message}; "
        behind = ("; ", *_text_place(notes.pop(0), head, 2 * _SCREEN))
    yield Fitted(((path, where), " ", what, " ", Painted(each.message, Style.STRONG), *behind), _HANG)
    indent = "  " if each.brief else ""
    if each.source_line is not None and not each.brief:
        number = str(each.line)
        indent = " " * (len(number) + 1)
        source = f" {each.source_line}".rstrip()
        yield Painted(f"{number} |", Style.GUTTER), source
        yield Painted(f"{indent}|", Style.GUTTER), " " * (each.caret + 1), Painted("^" * each.caret_width, style)
    for group in notes:
        note = Painted("note:", Style.STRONG)
        yield Fitted((indent, note, " ", *_text_place(group, f"{indent}note: ")), len(indent) + _HANG)
    if each.help:
        yield Fitted((indent, Painted("help:", Style.HELP), " ", each.help), len(indent) + _HANG)


def _text_place(notes: Sequence[ShownRelated], before: str, width: int = _SCREEN) -> tuple[str | tuple[str, ...], ...]:
    """What one note says; of several keys the names, where these fit behind `before` into `width`, or else how many."""
    first = notes[0]
    if len(notes) == 1:
        return first.message, " at ", (first.path, f":{first.line}:{first.column}")
    numbers = [note.line for note in notes]
    places = f":{min(numbers)}-{max(numbers)}" if min(numbers) < max(numbers) else f":{first.line}"
    names = list_names((note.key for note in notes), len(notes))
    fit = cells(f"{before}{names} {first.about} at {first.path}{places}") <= width
    return f"{names if fit else pluralize(len(notes), 'key')} {first.about}", " at ", (first.path, places)


_DIAGNOSTIC = ("rule", "severity", "message", "path", "line", "column", "end_line", "end_column", "help")


def render_json(shown: Sequence[Shown], _rules: Sequence[Rule], run: CommandRun) -> Mapping[str, Any]:
    """Every diagnostic with all keys; lines and columns are 1-based, count characters, and ends are exclusive."""
    counts = Counter(each.severity for each in shown)
    content = {
        **run.content,
        "diagnostics": [
            {
                **members(each, *_DIAGNOSTIC),
                "related": [members(note, "message", "path", "line", "column") for note in each.related],
            }
            for each in shown
        ],
        "summary": {f"{severity.value}s": counts[severity] for severity in Severity},
    }
    return envelope(run.command, run.environment, run.exit_code, content)


_GITHUB_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_github(shown: Sequence[Shown], _rules: Sequence[Rule], _run: CommandRun) -> WorkflowCommands:
    """An `::error …::message`, `::warning` or `::notice` for each diagnostic; related places and help follow in it."""
    return WorkflowCommands(
        (_GITHUB_COMMANDS[each.severity], _github_properties(each), _github_lines(each)) for each in shown
    )


def _github_properties(each: Shown) -> dict[str, str]:
    properties = {"file": each.path, "line": str(each.line), "endLine": str(each.end_line)}
    # GitHub takes columns only where all is on one line.
    if each.line == each.end_line:
        properties |= {"col": str(each.column), "endColumn": str(each.end_column)}
    return properties | {"title": each.rule}


def _github_lines(each: Shown) -> list[str]:
    notes = [f"note: {note.message} at {note.path}:{note.line}:{note.column}" for note in each.related]
    return [each.message, *notes, *([f"help: {each.help}"] if each.help else [])]


_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# The name that GitHub gives the root of a repository.
_SARIF_ROOT = "%SRCROOT%"
# The only fingerprint that GitHub looks at; without it, GitHub makes one of the lines around.
_FINGERPRINT = "primaryLocationLineHash"


def render_sarif(shown: Sequence[Shown], rules: Sequence[Rule], _run: CommandRun) -> Mapping[str, Any]:
    """One run with all `rules` and a result for each diagnostic; URIs are relative to the project's root."""
    index = {rule.id: position for position, rule in enumerate(rules)}
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": PROGRAM,
                        "semanticVersion": compiler.__version__,
                        "rules": [_sarif_rule(rule) for rule in rules],
                    }
                },
                "originalUriBaseIds": {_SARIF_ROOT: {"description": {"text": "The project's root."}}},
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(each, index) for each in shown],
            }
        ],
    }


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    page = rule.page
    summary = {"text": page.split("\n", 1)[0]}
    return {
        "id": rule.id,
        "shortDescription": summary,
        "fullDescription": summary,
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _sarif_result(each: Shown, index: dict[str, int]) -> dict[str, Any]:
    end = {"endLine": each.end_line, "endColumn": each.end_column}
    result: dict[str, Any] = {"ruleId": each.rule}
    if each.rule in index:
        result["ruleIndex"] = index[each.rule]
    result |= {
        "level": each.severity.value,
        "message": {"text": f"{each.message}\nhelp: {each.help}" if each.help else each.message},
        "locations": [_sarif_place(each, **end)],
        # The same wherever the line moves to.
        "partialFingerprints": {
            _FINGERPRINT: Fingerprint((each.rule, each.path, each.message, (each.source_line or "").strip()))
        },
    }
    if each.related:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": note.message}, **_sarif_place(note)}
            for number, note in enumerate(each.related)
        ]
    return result


def _sarif_place(each: Shown | ShownRelated, **end: int) -> dict[str, Any]:
    # A name on the disk may be no Unicode.
    artifact = {"uri": quote(each.path.encode(errors="backslashreplace")), "uriBaseId": _SARIF_ROOT}
    region = {"startLine": each.line, "startColumn": each.column, **end}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


FORMATS: Final[Mapping[str, Renderer]] = MappingProxyType(
    {"text": render_text, "json": render_json, "github": render_github, "sarif": render_sarif}
)
