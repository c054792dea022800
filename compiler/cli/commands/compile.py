"""`compile`: environments proved, and their values files written or, with `--check`, held against what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, report, tell_notes
from compiler.cli.errors import CannotRunError, UsageError
from compiler.cli.exit_codes import code_of
from compiler.cli.options import add_format, add_store
from compiler.cli.outside import outside
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.source import Source, Span
from compiler.operations.chart.prune import prune
from compiler.operations.chart.staleness import differing_lines, stale_values
from compiler.pipeline import VALUES_FOLDER, plan_values, write_values
from compiler.render.interface import Run
from compiler.render.reports.changes import change_lines
from compiler.text.wording import counted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.cli.terminal.outlet import Outlet
    from compiler.model.project import Project
    from compiler.pipeline import Result, ValuesFile

DESCRIPTION = """Proves environments and writes chart/values-<env>.yaml for each; with none named, for all.
One error, and nothing is written. Diagnostics go to standard error as text, to standard output in other formats."""
EXAMPLES = (
    "platform-secrets compile prod",
    "platform-secrets compile --check --strict",
    "platform-secrets compile prod --store azure --out /tmp/trial",
    "platform-secrets compile --format sarif",
)
_STOPS_PODS = "pods that mount it will not start"


def configure(parser: Parser) -> None:
    parser.add_argument("environments", metavar="ENV", nargs="*", help="the environments to compile; all by default")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff where a file is stale")
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings too")
    parser.add_argument("--prune", action="store_true", help="remove values files that no environment has any more")
    parser.add_argument(
        "--parity", action="store_true", help="prove the rendered manifests, through each installed Helm"
    )
    add_store(parser, "take this store in place of the environment's own `store:`; for one environment")
    parser.add_argument("--out", metavar="DIR", help=f"write there in place of {VALUES_FOLDER}/")
    parser.add_argument("--quiet", action="store_true", help="say nothing but diagnostics")
    add_format(parser)


@dataclass(slots=True)
class _Outcome:
    """What became of a run that had no errors to begin with."""

    diagnostics: list[Diagnostic]
    files: tuple[ValuesFile, ...] = ()
    written: bool = False
    pruned: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


def run(arguments: Namespace, invocation: Invocation) -> int:
    _refuse_contradictions(arguments)
    said = outside(arguments.store, arguments.environments, ignores_variable=arguments.check)
    root = invocation.root
    result = compiled(root, arguments.environments, said)
    outcome = _act(arguments, root, result)
    if not arguments.quiet:
        tell_notes(result)
        if result.project is not None:
            _tell(arguments, result.project, outcome)
    code = code_of(outcome.diagnostics, is_strict=arguments.strict)
    named = set(arguments.environments)
    report(outcome.diagnostics, Run("compile", named.pop() if len(named) == 1 else None, code), arguments.format)
    if outcome.failed and not (arguments.check or arguments.quiet or outcome.written):
        standard_error().lines(["nothing was written"])
    return code


def _refuse_contradictions(arguments: Namespace) -> None:
    if arguments.prune and arguments.environments:
        raise UsageError("--prune needs to see every environment", "name none")
    for other in ("check", "out"):
        if arguments.prune and getattr(arguments, other):
            raise UsageError(f"--prune and --{other} do not go together", f"--prune removes from {VALUES_FOLDER}/")


def _act(arguments: Namespace, root: Path, result: Result) -> _Outcome:
    outcome = _Outcome(list(result.diagnostics))
    project = result.project
    if result.failed or project is None:
        return outcome
    if arguments.parity:
        outcome.diagnostics += _parity(project, root)
    folder, shown = _folder(arguments.out, root)
    outcome.files, found = plan_values(project, folder, shown)
    outcome.diagnostics += found
    if arguments.check:
        outcome.diagnostics += [stale_values(file) for file in outcome.files if file.is_stale]
    elif not outcome.failed:
        outcome.diagnostics += _made(folder, shown) or write_values(outcome.files)
        outcome.written = not outcome.failed
        if outcome.written and arguments.prune:
            outcome.pruned, found = prune(project, root)
            outcome.diagnostics = _without(outcome.pruned, outcome.diagnostics) + list(found)
    return outcome


def _parity(project: Project, root: Path) -> Sequence[Diagnostic]:
    from compiler.operations.chart.helm import HelmError  # noqa: PLC0415 - only a proof needs a Helm
    from compiler.operations.parity.prove import prove  # noqa: PLC0415

    try:
        return prove(project, root)
    except HelmError as error:
        raise CannotRunError(str(error), error.help, error.details) from None


def _folder(out: str | None, root: Path) -> tuple[Path, str]:
    return (root / VALUES_FOLDER, VALUES_FOLDER) if out is None else (Path(out), out.rstrip("/") or "/")


def _made(folder: Path, shown: str) -> tuple[Diagnostic, ...]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{shown} cannot be made: {(error.strerror or 'unknown reason').lower()}"
        way_out = "name another folder with `--out`"
        return (Diagnostic("unwritable-output", Severity.ERROR, message, Span(Source(shown)), help=way_out),)
    return ()


def _without(pruned: Sequence[str], diagnostics: Sequence[Diagnostic]) -> list[Diagnostic]:
    return [each for each in diagnostics if each.rule != "orphan-values" or each.span.path not in pruned]


def _tell(arguments: Namespace, project: Project, outcome: _Outcome) -> None:
    """What was done, on standard output; on standard error where that belongs to a format for programs."""
    outlet = standard_output() if arguments.format == "text" else standard_error()
    for environment, file in zip(project.environments, outcome.files, strict=False):
        if outcome.written or arguments.check:
            keys = sum(len(secret.keys) for secret in environment.secrets.values())
            counts = f"{counted(len(environment.secrets), 'secret')}, {counted(keys, 'key')}"
            outlet.lines([(file.output.shown, ": ", _state(file, is_check=arguments.check), ", ", counts)])
            _tell_changes(file, outlet, is_check=arguments.check)
    outlet.lines(f"{shown}: removed" for shown in outcome.pruned)


def _tell_changes(file: ValuesFile, outlet: Outlet, *, is_check: bool) -> None:
    if is_check and file.is_stale:
        # All at once: what is wrapped over several lines of the old file is seen only in all of them.
        outlet.write("".join(f"{line}\n" for line in differing_lines(file)))
    elif file.old is not None:
        for change in file.changes:
            outlet.lines(("  ", *line) for line in change_lines(change, consequence=_STOPS_PODS))


def _state(file: ValuesFile, *, is_check: bool) -> str:
    if is_check:
        return "stale" if file.is_stale else "up to date"
    return "written" if file.is_stale else "unchanged"
