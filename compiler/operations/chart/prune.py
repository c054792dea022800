"""Removes values files whose environment no longer exists, except those that the compiler did not write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span
from compiler.pipeline import VALUES_FOLDER, read_values_file
from compiler.stages.emit import HEADER
from compiler.stages.write import refuse_outside
from compiler.text.system_reason import system_reason

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.model.project import Project


def prune(project: Project, root: Path) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Removes them, and returns the paths of the removed files, as shown to people, and why others were kept.

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
            reason = system_reason(error)
            diagnostics.append(_kept("unwritable-output", shown, f"cannot be removed: {reason}"))
        else:
            removed.append(shown)
    return tuple(removed), tuple(diagnostics)


def _kept(rule: str, shown: str, why: str) -> Diagnostic:
    return Diagnostic(rule, Severity.ERROR, f"{shown} {why}", Span(Source(shown)), help="remove it yourself")
