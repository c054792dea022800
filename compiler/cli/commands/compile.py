"""Runs `compile`, which validates environments and writes their values files or, with `--check`, compares them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from compiler.cli.invocation import NOTHING_WRITTEN, interruption, outside
from compiler.cli.parser import add_all, add_format, see_all
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.model.environment import ALL_KEYS
from compiler.operations.values_files import ValuesOutcome, note_unmade_stores, write_values_files
from compiler.pipeline import VALUES_FOLDER, compile_project
from compiler.refusal import Refusal
from compiler.stages.files import output_state
from compiler.text.wording import pluralize, shell_line

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from compiler.cli.invocation import Invocation
    from compiler.cli.parser import Parser
    from compiler.cli.terminal.outlet import Outlet
    from compiler.model.environment import Project
    from compiler.pipeline import Result, ValuesFile
    from compiler.render.content import Piece

    T = TypeVar("T", str, tuple[Piece, ...])

DESCRIPTION = """Validates environments and writes chart/values-<env>.yaml for each; for all if none is named.
If there is an error, nothing is written. Text diagnostics go to standard error, other formats to standard output.
An environment with `cluster: {id: "UID"}` is refused in every other cluster; this prints the UID of the current one:
kubectl get namespace kube-system -o jsonpath={.metadata.uid}"""
EXAMPLES = (
    "platform-secrets compile prod",
    "platform-secrets compile --check --strict",
    "platform-secrets compile prod --store azure --out /tmp/trial",
    "platform-secrets compile --format sarif",
)
# The most files of a state that are listed, with changes and without, and the most that is shown of the changes of one.
_MOST_FILES = 20
_MOST_LINES, _MOST_CHARACTERS = 100, 20_000
_ALL_OR_NONE = "either all values files were written or none; run the command again"
_WRITTEN = "the values files were written"
_STOPS_PODS = "pods that mount it will not start"
# Argo CD waits for a person, and with it every later sync of the application.
_CONFIRM = (
    f"Argo CD asks before it deletes: `{shell_line('argocd', 'app', 'confirm-deletion', 'APP')}` confirms; "
    "until then later syncs wait too"
)


def configure(parser: Parser) -> None:
    parser.add_argument("environments", metavar="ENV", nargs="*", help="environments to compile; all by default")
    parser.add_flag("--check", "write nothing; exit 1 with a diff if a file is stale, or without an environment")
    parser.add_flag("--strict", "exit 1 for warnings as well")
    parser.add_flag("--prune", "remove values files that have no environment")
    parser.add_option("--store", "ID", "use this store instead of the environment's `store:`; for one environment")
    parser.add_option("--out", "DIR", f"write to this folder instead of {VALUES_FOLDER}/")
    parser.add_flag("--quiet", "print only diagnostics")
    parser.exclude("--prune", "--check", "--out", way_out=f"--prune removes files in {VALUES_FOLDER}/")
    add_all(parser)
    add_format(parser)


def run(invocation: Invocation) -> int:
    arguments, root = invocation.arguments, invocation.root
    if arguments.prune and arguments.environments:
        raise Refusal("usage", "--prune compiles all environments", "leave out the names")
    said = outside(arguments.store, arguments.environments, ignores_variable=arguments.check)
    result = compile_project(root, arguments.environments, said)
    outcome = _act(arguments, root, result)
    with interruption(_WRITTEN if outcome.is_written else NOTHING_WRITTEN):
        invocation.note(*result.notes)
        named = set(arguments.environments)
        code = invocation.findings(outcome.diagnostics, named.pop() if len(named) == 1 else None)
        if not arguments.quiet and result.project is not None:
            # Last: the end of the output is what stays on the screen.
            _tell(arguments, root, result.project, outcome)
        if outcome.failed and not (arguments.check or arguments.quiet or outcome.is_written):
            standard_error().show([NOTHING_WRITTEN])
    return code


def _act(arguments: Namespace, root: Path, result: Result) -> ValuesOutcome:
    if result.failed or result.project is None:
        return ValuesOutcome(result.diagnostics)
    with interruption(_ALL_OR_NONE):
        return write_values_files(
            result.project, root, result.diagnostics, arguments.out, is_check=arguments.check, prunes=arguments.prune
        )


def _tell(arguments: Namespace, root: Path, project: Project, outcome: ValuesOutcome) -> None:
    """Shows what was done, on standard output; on standard error where the format is for programs."""
    outlet = standard_output() if arguments.format == "text" else standard_error()
    if arguments.check:
        from compiler.edit.chart import chart_notes  # noqa: PLC0415 - only a check needs it

        standard_error().note(*chart_notes(root))
    if outcome.is_written and arguments.out is None:
        standard_error().note(*filter(None, [note_unmade_stores(project, outcome.files, root)]))
    if outcome.is_written or arguments.check:
        _tell_files(arguments, project, outcome.files, outlet)
    outlet.show(f"{shown}: removed" for shown in outcome.pruned)


def _tell_files(arguments: Namespace, project: Project, files: Sequence[ValuesFile], outlet: Outlet) -> None:
    """Shows each file with its changes; of a state the first 20 with changes and without, and how many more."""
    counts, left_out = Counter[tuple[str, bool]](), Counter[str]()
    for environment, file in zip(project.environments, files, strict=False):
        state, changes = output_state(arguments.check, file.is_stale), _changes(file, is_check=arguments.check)
        differs = arguments.check and file.is_stale
        kind = state, bool(changes or differs)
        counts[kind] += 1
        if counts[kind] > _MOST_FILES and not arguments.all:
            left_out[state] += 1
            continue
        keys = sum(item.key.name != ALL_KEYS for secret in environment.secrets.values() for item in secret.keys)
        counts_text = f"{pluralize(len(environment.secrets), 'secret')}, {pluralize(keys, 'key')}"
        outlet.show([(file.output.shown, ": ", state, ", ", counts_text), *_first(changes, arguments)])
        if differs:
            from compiler.operations.diff import differing_lines  # noqa: PLC0415 - only a check needs it

            outlet.block(_first(differing_lines(file), arguments))
    outlet.show(f"{pluralize(count, 'more file')} {state}; {see_all(arguments)}" for state, count in left_out.items())


def _first(lines: Iterable[T], arguments: Namespace) -> Iterator[T | str]:
    """The first lines, or all with `--all`, and how many more there are. No line is cut: it may hold a secret."""
    room, left_out = _MOST_CHARACTERS, 0
    for number, line in enumerate(lines):
        room -= sum(map(len, line))
        if arguments.all or (number < _MOST_LINES and room >= 0):
            yield line
        else:
            left_out += 1
    if left_out:
        yield f"and {pluralize(left_out, 'more line')}; {see_all(arguments)}"


def _changes(file: ValuesFile, *, is_check: bool) -> list[tuple[Piece, ...]]:
    if not file.changes or file.old is None or (is_check and file.is_stale):
        return []
    from compiler.render.reports.changes import change_lines  # noqa: PLC0415 - only where something changed

    lines: list[tuple[Piece, ...]] = [
        ("  ", *line) for change in file.changes for line in change_lines(change, consequence=_STOPS_PODS)
    ]
    return [*lines, ("  ", _CONFIRM)] if any(change.is_asked for change in file.changes) else lines
