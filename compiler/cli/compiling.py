"""Compiles a project for a command, with what overrides it from outside, and shows its diagnostics."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.model.diagnostic import Severity
from compiler.pipeline import Result, compile_project
from compiler.refusal import Refusal
from compiler.stages.resolve import STORE_OPTION, STORE_VARIABLE, Outside, outside_of
from compiler.text.command_line import command_line

if TYPE_CHECKING:
    from collections.abc import Container, Sequence
    from pathlib import Path

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Environment
    from compiler.render.content import Run


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
    from compiler.render.content import first_of_each_rule, format_named, show  # noqa: PLC0415
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
    from compiler.render.content import Lines, first_of_each_rule, show  # noqa: PLC0415
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


def outside(store: str | None, named: Sequence[str], *, ignores_variable: bool = False) -> Outside:
    """The options and variables that apply to a command that names the environments `named`.

    Raises Refusal where a store is asked for and not exactly one environment is named: a variable that somebody
    forgot must not move all environments to another store. With `ignores_variable` the variable is ignored, and a note
    says so. AZURE_KEYVAULT_NAME always applies: it only fills in an address that the files leave out.
    """
    variable = os.environ.get(STORE_VARIABLE)
    if ignores_variable and variable:
        standard_error().note(f"{STORE_VARIABLE} is ignored: --check uses the stores that the files choose")
    if len(set(named)) != 1:
        if store is not None:
            raise Refusal("usage", f"{STORE_OPTION} applies to one environment, {_how_many(named)}", "name exactly one")
        if variable and not ignores_variable:
            message = f"{STORE_VARIABLE} is set and applies to one environment, {_how_many(named)}"
            raise Refusal("usage", message, f"name exactly one, or unset {STORE_VARIABLE}")
    return outside_of(store, os.environ, variable_counts=not ignores_variable)


def _how_many(named: Sequence[str]) -> str:
    return f"but {len(set(named))} are named" if named else "but none is named, which means all"
