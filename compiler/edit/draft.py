"""Compiles edited texts before they are written, and points new findings at the source of the new text.

A finding at a line that no file has yet helps nobody: it points at the option that was given, at the naming pattern
that made the name, or at the line as it stands now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from compiler.edit.yaml_edit import Splices, apply_splices, offset_before
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Source, Span
from compiler.pipeline import Result, compile_project
from compiler.project_files import BASE, Library
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from compiler.stages.resolve import Outside
from compiler.text.wording import quoted, suggest


@dataclass(frozen=True)
class Draft:
    """A file as it is to be written: `splices` of the text that is there, which is empty for a new file.

    `origins` says where the new text came from, by the path of its value in the file; `()` for all else in it.
    """

    source: Source
    splices: Splices
    origins: Mapping[tuple[str, ...], Span]

    @cached_property
    def text(self) -> str:
        return apply_splices(self.source.text, self.splices)

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


def option_span(option: str, value: str) -> Span:
    """The place of what the command line says, as that of a value in a file."""
    return Span(Source(option, value), 0, len(value))


def compile_edited(
    root: Path, texts: Mapping[str, str], outside: Outside | None = None, as_read: Mapping[str, str] | None = None
) -> tuple[Result, Result, tuple[Diagnostic, ...]]:
    """Compiles the project in `root` without and with `texts`, by path, in place of files; last the new diagnostics.

    `as_read` are texts that take the place of files without them: should one change meanwhile, the edit is still one
    of what was read. Diagnostics are compared without their lines.
    """
    before, after = compile_project(root, (), outside, as_read), compile_project(root, (), outside, texts)
    known = Counter((each.rule, each.span.path, each.message) for each in before.diagnostics)
    new = []
    for each in after.diagnostics:
        key = (each.rule, each.span.path, each.message)
        known[key] -= 1
        if known[key] < 0:
            new.append(each)
    return before, after, tuple(new)


def compile_drafts(root: Path, drafts: Sequence[Draft]) -> Result:
    """What compiling the project in `root` would make of `drafts` written; of the diagnostics, those that are new."""
    drafted = {draft.source.path: draft for draft in drafts}
    _, after, new = compile_edited(root, {path: draft.text for path, draft in drafted.items()})

    def place(span: Span) -> Span:
        return drafted[span.path].place(span) if span.path in drafted else span

    return Result(
        after.project,
        tuple(
            replace(
                each,
                span=place(each.span),
                related=tuple(replace(other, span=place(other.span)) for other in each.related),
                conceals=tuple(map(place, each.conceals)),
            )
            for each in new
        ),
    )


def known_layers(root: Path) -> tuple[str, ...]:
    """Every name that `extends:` may have: base, the layers and the environments."""
    library = Library(root)
    return (BASE, *sorted(library.layer_names), *library.names)


def refuse_unknown_layer(root: Path, name: str, files: str) -> None:
    """Raises Refusal where no environment or layer has that `name`; it suggests one of the `files`."""
    if name not in (known := known_layers(root)):
        raise Refusal("usage", f"there is no environment or layer {quoted(name)}", suggest(name, known, files))
