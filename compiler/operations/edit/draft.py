"""Judges files before they are written: what compiling would find anew, pointed at what the new text came from.

A finding at a line that no file has yet helps nobody: it points at the option that was given, at the naming pattern
that made the name, or at the line as it stands now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from compiler.model.source import Source, Span
from compiler.operations.edit.splice import offset_before, spliced
from compiler.pipeline import Result, compile_project
from compiler.stages.load import load_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from compiler.model.diagnostic import Diagnostic
    from compiler.operations.edit.splice import Splice


@dataclass(frozen=True)
class Draft:
    """A file as it is to be written: `splices` of the text that is there, which is empty for a new file.

    `origins` tells where the new text came from, by the path of its value in the file; `()` for all else in it.
    """

    source: Source
    splices: tuple[Splice, ...]
    origins: Mapping[tuple[str, ...], Span]

    @cached_property
    def text(self) -> str:
        return spliced(self.source.text, self.splices)

    def place(self, span: Span) -> Span:
        """What people know of `span` of the new text."""
        start = offset_before(self.splices, span.start)
        if start is not None:
            end = offset_before(self.splices, span.end)
            return Span(self.source, start, start if end is None else max(start, end))
        path = self._path(span.start)
        return next(self.origins[path[:length]] for length in range(len(path), -1, -1) if path[:length] in self.origins)

    def _path(self, offset: int) -> tuple[str, ...]:
        """The keys that lead to what is written at `offset` of the new text."""
        document, _ = load_text(self.source.path, self.text)
        node = document.root if document is not None else None
        path: tuple[str, ...] = ()
        while node is not None:
            before = {name: child for name, child in node.children.items() if child.key_start <= offset}
            name = max(before, key=lambda name: before[name].key_start, default=None)
            node, path = (before[name], (*path, name)) if name is not None else (None, path)
        return path


def given(option: str, value: str) -> Span:
    """The place of what the command line says, as that of a value in a file."""
    return Span(Source(option, value), 0, len(value))


def judged(root: Path, drafts: Sequence[Draft]) -> Result:
    """What compiling the project in `root` would make of `drafts` written; of the findings, those that are new."""
    known = {(each.rule, each.span.path, each.message) for each in compile_project(root).diagnostics}
    drafted = {draft.source.path: draft for draft in drafts}
    after = compile_project(root, unwritten={path: draft.text for path, draft in drafted.items()})
    new = (each for each in after.diagnostics if (each.rule, each.span.path, each.message) not in known)
    return Result(after.project, tuple(_placed(each, drafted) for each in new))


def _placed(diagnostic: Diagnostic, drafts: Mapping[str, Draft]) -> Diagnostic:
    def place(span: Span) -> Span:
        return drafts[span.path].place(span) if span.path in drafts else span

    return replace(
        diagnostic,
        span=place(diagnostic.span),
        related=tuple(replace(each, span=place(each.span)) for each in diagnostic.related),
        conceals=tuple(map(place, diagnostic.conceals)),
    )
