"""`compile`: environments proved, and their values files written or, with `--check`, held against what is there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from compiler.cli.compiling import compiled, report, tell_notes
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.options import add_format, add_store
from compiler.cli.outside import outside
from compiler.operations.chart.staleness import differing_lines
from compiler.operations.chart.values_files import Wanted, Written, values_files
from compiler.pipeline import VALUES_FOLDER
from compiler.refusal import Refusal
from compiler.render.reports.changes import change_lines, safe
from compiler.text.printable import printable
from compiler.text.wording import counted

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path
    from typing import TextIO

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
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
    report(outcome.diagnostics, invocation, arguments.format)
    if outcome.failed and not (arguments.check or arguments.quiet or outcome.is_written):
        sys.stderr.write("nothing was written\n")
    return FOUND if outcome.failed or (arguments.strict and outcome.diagnostics) else OK


def _refuse_contradictions(arguments: Namespace) -> None:
    if arguments.prune and arguments.environments:
        raise Refusal("usage", "--prune needs to see every environment", "name none")
    for other in ("check", "out"):
        if arguments.prune and getattr(arguments, other):
            raise Refusal(
                "usage", f"--prune and --{other} do not go together", f"--prune removes from {VALUES_FOLDER}/"
            )


def _act(arguments: Namespace, root: Path, result: Result) -> Written:
    if result.failed or result.project is None:
        return Written(result.diagnostics)
    found = [*result.diagnostics]
    if arguments.parity:
        from compiler.operations.parity.prove import prove  # noqa: PLC0415 - only a proof needs a Helm

        found += prove(result.project, root)
    wanted = Wanted(arguments.out, is_check=arguments.check, prunes=arguments.prune)
    return values_files(result.project, root, found, wanted)


def _tell(arguments: Namespace, project: Project, outcome: Written) -> None:
    """What was done, on standard output; on standard error where that belongs to a format for programs."""
    stream = sys.stdout if arguments.format == "text" else sys.stderr
    for environment, file in zip(project.environments, outcome.files, strict=False):
        if outcome.is_written or arguments.check:
            keys = sum(len(secret.keys) for secret in environment.secrets.values())
            counts = f"{counted(len(environment.secrets), 'secret')}, {counted(keys, 'key')}"
            stream.write(f"{safe(file.output.shown)}: {_state(file, is_check=arguments.check)}, {counts}\n")
            _tell_changes(file, stream, is_check=arguments.check)
    for shown in outcome.pruned:
        stream.write(f"{safe(shown)}: removed\n")


def _tell_changes(file: ValuesFile, stream: TextIO, *, is_check: bool) -> None:
    if is_check and file.is_stale:
        stream.writelines(f"{printable(line)}\n" for line in differing_lines(file))
    elif file.old is not None:
        for change in file.changes:
            stream.writelines(f"  {line}\n" for line in change_lines(change, consequence=_STOPS_PODS))


def _state(file: ValuesFile, *, is_check: bool) -> str:
    if is_check:
        return "stale" if file.is_stale else "up to date"
    return "written" if file.is_stale else "unchanged"
