"""Finds the project's chart and refuses one that would make Helm read or fetch anything outside of it.

Helm follows every link below a chart into what it renders, loads each JSON schema that one of the chart's refers to,
over the network too, and does the same in packed subcharts. All of it is looked at before a Helm starts.
"""

from __future__ import annotations

import json
import os
import re
import stat
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.model.confinement import is_inside, leads_out
from compiler.model.diagnostic import MOST_OF_A_KIND, Diagnostic, Severity, and_more
from compiler.model.source import Source, Span
from compiler.operations.chart.helm import HelmError
from compiler.stages.read import read_text
from compiler.text.command_line import command_line
from compiler.text.regex import regex
from compiler.text.system_reason import system_reason
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = "chart"
_RULE = "unconfined-chart"
_SCHEMA = "values.schema.json"
# Each text of a JSON file, and the colon after it where it is a key: outside its texts JSON has no quotes. One without
# an end goes to the end of the file, so that no character is looked at twice.
_TEXT = regex(r'("[^"\\]*+(?:\\.?[^"\\]*+)*+"?)([ \t\r\n]*+:)?', re.DOTALL)
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# Drafts that Helm knows by itself; any other is fetched.
_KNOWN = regex(r"https?://json-schema\.org/(?:draft-0[467]/schema|draft/20(?:19-09|20-12)/schema|schema)#?")


def find_chart(root: Path) -> tuple[Path, tuple[Diagnostic, ...]]:
    """The chart of the project in `root`, and why Helm may not get it. Raises HelmError where there is none."""
    chart = root / _FOLDER
    if not (chart / "Chart.yaml").is_file():
        help_text = f"add it with `{command_line('new', 'chart')}`, or name the project that has it with --root"
        raise HelmError('there is no chart in "chart/"', help_text=help_text)
    # As for what is written there: the folder may be a link to another one of the project.
    if leads_out(root, chart):
        return chart, (
            _refused(_FOLDER, "leads out of the project through a link", "replace the link with the folder"),
        )
    return chart.resolve(), _first_findings(root, chart)


def chart_at(folder: Path) -> tuple[Path, tuple[Diagnostic, ...]]:
    """The chart that a person named, and why Helm may not get it. Raises HelmError where there is none.

    The folder may be anywhere, and a link: who named it chose that. What lies in it is judged as the project's own is.
    """
    if not (folder / "Chart.yaml").is_file():
        way_out = "name the folder of an unpacked chart, with its Chart.yaml and its subcharts"
        raise HelmError(f"there is no chart in {quoted(str(folder))}", help_text=way_out)
    chart, here = folder.resolve(), Path.cwd()
    return chart, _first_findings(here if is_inside(here, chart) and chart != here else chart.parent, chart)


def _first_findings(root: Path, chart: Path) -> tuple[Diagnostic, ...]:
    found = list(islice(_findings(root, chart), MOST_OF_A_KIND + 1))
    if len(found) > MOST_OF_A_KIND:
        found[-1] = and_more(found[-1])
    return tuple(found)


def _findings(root: Path, chart: Path) -> Iterator[Diagnostic]:
    # A list and no recursion: folders can be nested deeper than calls.
    waiting = [chart]
    while waiting:
        path = waiting.pop()
        shown = path.relative_to(root).as_posix()
        try:
            mode = (path.stat() if path is chart else path.lstat()).st_mode
            if stat.S_ISDIR(mode):
                waiting += [path / name for name in _names(path)]
        except OSError as error:
            reason = system_reason(error)
            yield _refused(shown, f"cannot be read: {reason}", "make it readable, or remove it")
            continue
        if stat.S_ISLNK(mode):
            yield _refused(shown, "is a link", "replace the link with what it points to")
        elif stat.S_ISREG(mode):
            yield from _of_file(root, path, shown)
        elif not stat.S_ISDIR(mode):
            yield _refused(shown, "is not a regular file", "remove it")


def _names(folder: Path) -> list[str]:
    return sorted((entry.name for entry in os.scandir(folder)), reverse=True)


def _of_file(root: Path, path: Path, shown: str) -> Iterator[Diagnostic]:
    if path.suffix == ".tgz" and path.parent.name == "charts":
        yield _refused(shown, "is a packed chart, whose files cannot be checked", "unpack it there")
    if path.name != _SCHEMA:
        return
    text, diagnostics = read_text(root, shown)
    yield from diagnostics
    source, key = Source(shown, text or ""), ""
    for match in _TEXT.finditer(source.text):
        word = _decoded(match[1])
        if match[2]:
            key = word
            continue
        if key in _REFERENCES and not word.startswith("#"):
            span = Span(source, *match.span(1))
            yield _found(span, "the schema refers to something outside of it", f'refer to a part of it: "{key}": "#/…"')
        elif key == "$schema" and not _KNOWN.fullmatch(word):
            span, way_out = Span(source, *match.span(1)), 'write "http://json-schema.org/draft-07/schema#"'
            yield _found(span, "the schema uses a draft that Helm would have to download", way_out)
        key = ""


def _decoded(text: str) -> str:
    if "\\" not in text:
        return text[1:].removesuffix('"')
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        # No JSON, so that Helm refuses the whole file.
        return ""


def _refused(shown: str, what: str, help_text: str) -> Diagnostic:
    return _found(Span(Source(shown)), f"{shown} {what}", help_text)


def _found(span: Span, message: str, help_text: str) -> Diagnostic:
    return Diagnostic(_RULE, Severity.ERROR, message, span, help=help_text)
