"""The whole compile: a project in, proven values files and diagnostics out; the public API beside the CLI."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.environment import Environment
from compiler.model.outline import SecretChange, compare, outlines_of_values
from compiler.model.project import Project
from compiler.model.source import Source, Span
from compiler.model.values import values_of
from compiler.project_files import Library
from compiler.stages.catalogue import catalogue_of
from compiler.stages.check import Checker
from compiler.stages.emit import HEADER, read_values, values_text
from compiler.stages.merge import merge, merge_onto
from compiler.stages.outside import Outside, outside_layer
from compiler.stages.resolve import Resolver
from compiler.stages.write import Output, read_old, write_all
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from compiler.model.document import Document, Node
    from compiler.model.values_data import ValuesData

VALUES_FOLDER = "chart"


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of a run: the project as far as it could be resolved, and everything there is to say about it.

    `diagnostics` are in the order of files and lines, each once. `notes` tell what came from outside the files.
    """

    project: Project | None
    diagnostics: tuple[Diagnostic, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there is an error, so that nothing may be written."""
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


@dataclass(frozen=True, slots=True, eq=False)
class ValuesFile:
    """One values file: where it belongs, its new text, and what changes against the old (nothing: no old file)."""

    environment: str
    output: Output
    old: str | None
    data: dict[str, ValuesData]
    changes: tuple[SecretChange, ...] = ()

    @property
    def is_stale(self) -> bool:
        """Whether the file on disk is not what the environment compiles to."""
        return self.output.text != self.old


@dataclass(slots=True)
class _Run:
    """What one run gathers on its way."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    merged: dict[tuple[int, ...], Node] = field(default_factory=dict)


def compile_project(root: Path, names: Sequence[str] = (), outside: Outside | None = None) -> Result:
    """Loads, validates, merges, resolves and checks the environments `names` of the project in `root`; all for none.

    Raises Refusal for a name without a file. `outside` is what was said beside the files.
    """
    library, run, checker = Library(root), _Run(), Checker()
    wanted = library.select(names)
    document = library.catalogue()
    if document is None:
        return _result(None, library, run)
    catalogue = catalogue_of(document)
    run.diagnostics += checker.catalogue(catalogue)
    resolver, environments = Resolver(catalogue), list[Environment]()
    for name in wanted:
        layers = library.layers(name)
        if layers:
            merged = _merged(layers, outside, run)
            environment = resolver.environment(name, merged, layers)
            run.diagnostics += checker.environment(environment)
            environments.append(environment)
    for loaded in library.loaded():
        run.diagnostics += checker.document(loaded)
    project = Project(catalogue, tuple(environments), library.names, library.values_files(VALUES_FOLDER))
    run.diagnostics += checker.project(project)
    return _result(project, library, run)


def _merged(layers: Sequence[Document], outside: Outside | None, run: _Run) -> Node:
    shared = tuple(id(layer) for layer in layers[:-1])
    if shared and shared not in run.merged:
        run.merged[shared], found = merge(layers[:-1])
        run.diagnostics += found
    found_here: list[Diagnostic] = []
    root = merge_onto(run.merged[shared] if shared else None, layers[-1], found_here)
    run.diagnostics += found_here
    if outside is not None:
        top, found = outside_layer(root, outside)
        run.diagnostics += found
        if top is not None:
            run.notes += _notes(top)
            root = merge_onto(root, top, run.diagnostics)
    return root


def _notes(top: Document) -> Iterable[str]:
    store = top.root.get("store")
    if store is not None:
        yield f"{store.source.path} chooses the store {quoted(str(store.value))}"
    for name, node in (top.root.nearest("stores").children if top.root.get("stores") else {}).items():
        yield f"{node.source.path} gives the vaultUrl of the store {quoted(name)}"


def _result(project: Project | None, library: Library, run: _Run) -> Result:
    seen: dict[tuple[str, str, int, str], Diagnostic] = {}
    for diagnostic in (*library.diagnostics, *run.diagnostics):
        seen.setdefault((diagnostic.span.path, diagnostic.rule, diagnostic.span.start, diagnostic.message), diagnostic)
    ordered = sorted(seen.values(), key=lambda each: (each.span.path, each.span.start))
    return Result(project, tuple(ordered), tuple(dict.fromkeys(run.notes)))


def plan_values(
    project: Project, folder: Path, shown_folder: str
) -> tuple[tuple[ValuesFile, ...], tuple[Diagnostic, ...]]:
    """The values files of a project without errors, held against those in `folder`, which people see as `shown_folder`.

    Each file that would replace another is read back and compared first: `unproven-output` where it means other data.
    """
    files: list[ValuesFile] = []
    diagnostics: list[Diagnostic] = []
    for environment in project.environments:
        name = f"values-{environment.name}.yaml"
        shown = f"{shown_folder}/{name}" if shown_folder else name
        old, found = read_old(folder / name, shown, HEADER)
        diagnostics += found
        data = values_of(environment)
        text = values_text(data, environment.name, [layer.source.path for layer in environment.layers])
        changes: tuple[SecretChange, ...] = ()
        if text != old:
            if read_values(text) != data:
                message = f"{shown} would not be read as it is meant; nothing was written"
                diagnostics.append(Diagnostic("unproven-output", Severity.ERROR, message, Span(Source(shown))))
            before = outlines_of_values(read_values(old)) if old is not None else {}
            changes = compare(before, outlines_of_values(data))
        files.append(ValuesFile(environment.name, Output(folder / name, shown, text), old, data, changes))
    return tuple(files), tuple(diagnostics)


def write_values(files: Iterable[ValuesFile]) -> tuple[Diagnostic, ...]:
    """Writes the stale ones of `files`, all or none."""
    return write_all([file.output for file in files if file.is_stale])
