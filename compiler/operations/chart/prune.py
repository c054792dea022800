"""Removes the values files of a project that have no environment, unless somebody else wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span
from compiler.pipeline import VALUES_FOLDER, read_values_file
from compiler.stages.emit import HEADER
from compiler.stages.write import refuse_outside

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.model.project import Project


def prune(project: Project, root: Path) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """The paths, as shown to people, of the files that were removed; and why others were not.

    Only for a project that `is_whole`. A file that does not begin as the compiler's own do, or that it could not
    replace, is left alone: `foreign-output`, `unwritable-output`. So is all, where a link leads their folder out of
    `root`.
    """
    outside = refuse_outside(root / VALUES_FOLDER, VALUES_FOLDER, root)
    if outside:
        return (), outside
    removed: list[str] = []
    diagnostics: list[Diagnostic] = []
    for name, shown in project.values_files.items():
        if name in project.names:
            continue
        text, _, found = read_values_file(root / shown, shown)
        diagnostics += found
        if text is None:
            continue
        if not text.startswith(HEADER):
            diagnostics.append(_kept("foreign-output", shown, "was not written by this compiler"))
            continue
        try:
            (root / shown).unlink()
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            diagnostics.append(_kept("unwritable-output", shown, f"cannot be removed: {reason}"))
        else:
            removed.append(shown)
    return tuple(removed), tuple(diagnostics)


def _kept(rule: str, shown: str, why: str) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, f"{shown} {why}", Span(Source(shown)), help="remove it yourself")
