"""Compiles a project for a command, and shows what is wrong where and how the command wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.cli.errors import UsageError
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.model.diagnostic import Severity
from compiler.pipeline import Result, compile_project
from compiler.project_files import UnknownEnvironmentError
from compiler.render.content import Lines
from compiler.render.excerpt import show
from compiler.render.interface import format_named
from compiler.render.text import lines
from compiler.rules import ALL_RULES

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from pathlib import Path

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Environment
    from compiler.render.interface import Run
    from compiler.stages.outside import Outside


def compiled(root: Path, names: Sequence[str], outside: Outside | None = None) -> Result:
    """`compile_project`, with a name that no environment has as a usage error."""
    try:
        return compile_project(root, names, outside)
    except UnknownEnvironmentError as error:
        known = f"the environments are {', '.join(error.known)}" if error.known else "there are no environments"
        raise UsageError(str(error), error.help or known) from None


def report(diagnostics: Sequence[Diagnostic], run: Run, form: str = "text") -> None:
    """Shows all `diagnostics` of a run: text on standard error, where people look; other formats on standard output."""
    outlet = standard_error() if form == "text" else standard_output()
    outlet.show(format_named(form).render(show(diagnostics), ALL_RULES, run))


def report_errors(diagnostics: Sequence[Diagnostic]) -> None:
    """Shows only the errors of a run, for commands that are not there to judge the input."""
    shown = [each for each in show(diagnostics) if each.severity is Severity.ERROR]
    standard_error().show(Lines(lines(shown)))


def tell_notes(result: Result, told: Container[str] = ()) -> None:
    """What came from outside the files decides what is written: it is said, but for what was `told` before."""
    for note in result.notes:
        if note not in told:
            standard_error().note(note)


def environments(result: Result, told: Container[str] = ()) -> tuple[Environment, ...]:
    """The environments of a run without errors; nothing, and the errors shown, where there are any.

    Notes are shown, but for those that were `told` before.
    """
    if result.failed or result.project is None:
        report_errors(result.diagnostics)
        return ()
    tell_notes(result, told)
    return result.project.environments
