"""Compiles a project for a command, and shows its diagnostics in the format that was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.model.diagnostic import Severity
from compiler.pipeline import Result, compile_project
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from pathlib import Path

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Environment
    from compiler.render.interface import Run
    from compiler.stages.outside import Outside


def compiled(root: Path, names: Sequence[str], outside: Outside | None = None) -> Result:
    """`compile_project`, for a command. Raises Refusal for a name that no environment has."""
    return compile_project(root, names, outside)


def report(diagnostics: Sequence[Diagnostic], run: Run, form: str = "text", see_all: str | None = None) -> None:
    """Shows the `diagnostics` of a run: text on standard error, where people look; other formats on standard output.

    Text shows the first findings of each rule and `see_all`, how to see the rest; where that is None, all of them.
    """
    if form == "text" and not diagnostics:
        return
    # Most runs have nothing to show, and do not import what would render it.
    from compiler.render.excerpt import show  # noqa: PLC0415
    from compiler.render.interface import format_named  # noqa: PLC0415
    from compiler.render.omission import first_of_each_rule  # noqa: PLC0415
    from compiler.rules import ALL_RULES  # noqa: PLC0415

    outlet = standard_error() if form == "text" else standard_output()
    if form != "text" or see_all is None:
        shown, omission = show(diagnostics), None
    else:
        first, omission = first_of_each_rule(diagnostics, see_all)
        shown = show(first, diagnostics)
    outlet.show(format_named(form).render(shown, ALL_RULES, run._replace(omission=omission)))
    # Both streams may lead to one place, where what a command says after this has to come after it.
    outlet.flush()


def by_compile() -> str:
    """How to see findings that are not shown, for commands that do not validate the input and have no `--all`."""
    return f"`{command_line('compile', '--all')}` shows them"


def report_errors(diagnostics: Sequence[Diagnostic]) -> None:
    """Shows only the errors of a run, for commands that do not validate the input."""
    from compiler.render.content import Lines  # noqa: PLC0415 - as in `report`
    from compiler.render.excerpt import show  # noqa: PLC0415
    from compiler.render.omission import first_of_each_rule  # noqa: PLC0415
    from compiler.render.text import lines  # noqa: PLC0415

    errors = [each for each in diagnostics if each.severity is Severity.ERROR]
    first, omission = first_of_each_rule(errors, by_compile())
    standard_error().show(Lines(lines(show(first, diagnostics), omission)))


def tell_notes(result: Result, told: Container[str] = ()) -> None:
    """Shows which options and variables changed the result, except notes in `told`, which were shown before."""
    for note in result.notes:
        if note not in told:
            standard_error().note(note)


def environments(result: Result, told: Container[str] = ()) -> tuple[Environment, ...]:
    """The environments of a run without errors; where there are errors, shows them and returns none.

    Notes are shown, except those in `told`, which were shown before.
    """
    if result.failed or result.project is None:
        report_errors(result.diagnostics)
        return ()
    tell_notes(result, told)
    return result.project.environments
