"""Writes values files, finds stale ones, and removes those without an environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from compiler.model.document import Diagnostic, Severity, Source, Span
from compiler.pipeline import VALUES_FOLDER, plan_values, read_values_file, write_values
from compiler.project_files import BASE
from compiler.refusal import system_reason
from compiler.stages.emit import HEADER, quote_yaml
from compiler.stages.files import read_old, refuse_outside
from compiler.text.wording import command_line, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.environment import Project, Store
    from compiler.pipeline import ValuesFile


def prune(project: Project, root: Path) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Removes values files without an environment; returns their names, and why others stay.

    Only for a project that `is_whole`. A file stays that another program wrote (`foreign-output`), that cannot be
    removed (`unwritable-output`), or whose environment may be in a wrong place (`orphan-values`).
    """
    outside = refuse_outside(root / VALUES_FOLDER, VALUES_FOLDER, root)
    if outside:
        return (), outside
    removed: list[str] = []
    diagnostics: list[Diagnostic] = []
    for name, shown in project.values_files.items():
        if name in project.names or name in project.unread_files:
            continue
        text, _, found = read_values_file(root / shown, shown)
        diagnostics += found
        if text is None:
            continue
        if not text.startswith(HEADER):
            diagnostics.append(_orphan_error("foreign-output", shown, "was not written by this compiler"))
            continue
        try:
            (root / shown).unlink()
        except OSError as error:
            reason = system_reason(error)
            diagnostics.append(_orphan_error("unwritable-output", shown, f"cannot be removed: {reason}"))
        else:
            removed.append(shown)
    return tuple(removed), tuple(diagnostics)


def _orphan_error(rule: str, shown: str, why: str) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, f"{shown} {why}", Span(Source(shown)), help="remove it yourself")


class ValuesOutcome(NamedTuple):
    """What became of the values files."""

    diagnostics: tuple[Diagnostic, ...]
    files: tuple[ValuesFile, ...] = ()  # as planned
    is_written: bool = False
    pruned: tuple[str, ...] = ()  # paths of removed files

    @property
    def failed(self) -> bool:
        return _has_error(self.diagnostics)


def write_values_files(
    project: Project,
    root: Path,
    found: Sequence[Diagnostic],
    out: str | None = None,
    *,
    is_check: bool = False,  # writes nothing; a stale file or one without an environment is an error
    prunes: bool = False,
) -> ValuesOutcome:
    """Writes the files of all environments, into `out` or the chart, if neither `found` nor the plan has an error."""
    folder, shown = (root / VALUES_FOLDER, VALUES_FOLDER) if out is None else (Path(out), out.rstrip("/") or "/")
    files, planned = plan_values(project, folder, shown, root)
    diagnostics = (*found, *planned)
    if is_check:
        from compiler.operations.diff import stale_values  # noqa: PLC0415 - only a check compares texts

        refused = {each.span.path for each in planned}
        stale = (file for file in files if file.is_stale and file.output.shown not in refused)
        return ValuesOutcome((*(_raise_severity(each, root) for each in diagnostics), *map(stale_values, stale)), files)
    if _has_error(diagnostics):
        return ValuesOutcome(diagnostics, files)
    failures = write_values(files, root)
    if _has_error(failures) or not prunes:
        return ValuesOutcome((*diagnostics, *failures), files, is_written=not _has_error(failures))

    pruned, kept = prune(project, root)
    # A file that was removed is no finding.
    left = tuple(each for each in diagnostics if each.rule != "orphan-values" or each.span.path not in pruned)
    return ValuesOutcome((*left, *failures, *kept), files, is_written=True, pruned=pruned)


def _raise_severity(diagnostic: Diagnostic, root: Path) -> Diagnostic:
    """The diagnostic as an error if a file of this compiler has no environment."""
    if diagnostic.rule != "orphan-values" or not read_old(root / (shown := diagnostic.span.path), shown, HEADER)[0]:
        return diagnostic
    return diagnostic._replace(severity=Severity.ERROR)


def _has_error(diagnostics: Sequence[Diagnostic]) -> bool:
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def note_unmade_stores(project: Project, files: Sequence[ValuesFile], root: Path) -> str:
    """A note about the stores whose objects the chart does not create; empty if an earlier values file names each."""
    stores = {
        store.name: store
        for each in project.environments
        for store in each.stores_in_use()
        if store.name and not store.rendered
    }
    texts = [file.old for file in files if file.old is not None]
    new = [store for name, store in stores.items() if not any(quote_yaml(name) in text for text in texts)]
    if new and len(files) < len(project.names):
        written = {file.output.shown for file in files}
        texts = [
            read_values_file(root / each, each)[0] or ""
            for each in project.values_files.values()
            if each not in written
        ]
        new = [store for store in new if not any(quote_yaml(store.name) in text for text in texts)]
    if not new:
        return ""
    objects = " and ".join(f"the {store.kind} {quote(store.name)}" for store in new)
    lines = " and ".join(f"`{_line_to_make(store)}`" for store in new)
    has, has_made = ("it has", "has the chart make it") if len(new) == 1 else ("they have", "have the chart make them")
    return f"this project does not make {objects}: {has} to be in the cluster already, or {lines} {has_made}"


def _line_to_make(store: Store) -> str:
    layer = Path(store.node.nearest("provider").span.path).stem
    into = ("--into", layer) if layer != BASE else ()
    return command_line("new", "store", store.id, "--auth", next(iter(store.provider.log_ins), "METHOD"), *into)
