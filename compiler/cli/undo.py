"""`migrate --undo`: what a run wrote, taken back where nobody wrote since, planned and with `--apply` done."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from compiler.cli.errors import UsageError
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.run_output import GOES_ON, RunOutput, code_of, notes_of
from compiler.cli.terminal.interrupts import interruption, stoppable
from compiler.operations.change.plan import OnConflict
from compiler.operations.change.undo import UndoKind, apply_undo, plan_undo
from compiler.operations.change.version_loss import losses_of_undo
from compiler.operations.migrate.routes import store_named
from compiler.operations.runs.complete_audit import owed_by
from compiler.operations.runs.history import history_of
from compiler.operations.runs.journal import Journal, find_run, runs
from compiler.operations.runs.lock import RunLock
from compiler.render.reports.migration import undo_lines, undo_report

if TYPE_CHECKING:
    from argparse import Namespace

    from compiler.cli.invocation import Invocation
    from compiler.model.environment import Environment
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.runs.entries import Run
    from compiler.stores.interface import SecretWriter

# Of a migration's own options: an undo knows from the journal what to do.
_FOR_MIGRATION = {
    "--from": "source",
    "--only": "only",
    "--all-properties": "all_properties",
    "--recover": "recover",
    "--stringify": "stringify",
    "--continue-on-error": "continue_on_error",
}


def undo(arguments: Namespace, invocation: Invocation, environment: Environment, stores: LiveStores) -> int:
    """Undo the run that `arguments` name, or show what that would be; returns the exit code."""
    _refuse_options(arguments)
    run = find_run(invocation.root, arguments.undo)
    if run.environment != environment.name:
        raise UsageError(f'the run is of the environment "{run.environment}"', "name that one")
    store = store_named(environment, run.destination)
    destination = stores.open(store)
    if destination.address.absolute != run.address:
        raise UsageError(f'the store "{store.id}" is elsewhere now than in the run', f"it wrote to {run.address}")
    output = RunOutput(arguments, invocation)
    if arguments.apply:
        return _apply(arguments, invocation, output, run, destination)
    steps = plan_undo(run, destination, history_of(runs(invocation.root), run.address))
    losses = losses_of_undo(steps, destination)
    code = FOUND if any(step.kind is UndoKind.REFUSE for step in steps) else OK
    acts = any(step.kind not in {UndoKind.REFUSE, UndoKind.DONE} for step in steps)
    end = "nothing was written; --apply does this" if acts else "nothing was written: there is nothing to take back"
    output.lines([*undo_lines(steps, run.destination, losses), end])
    output.report(lambda: undo_report(run.id, steps, None, code, losses))
    return code


def _refuse_options(arguments: Namespace) -> None:
    given = [option for option, name in _FOR_MIGRATION.items() if getattr(arguments, name)]
    if arguments.on_conflict != OnConflict.FAIL:
        given.append("--on-conflict")
    if given:
        # Not in silence: whoever says `--only github` does not mean the whole run.
        raise UsageError(f"--undo takes back all of a run, and {given[0]} does not go with it", f"leave {given[0]} out")


def _apply(arguments: Namespace, invocation: Invocation, output: RunOutput, run: Run, destination: SecretWriter) -> int:
    with RunLock(invocation.root, f"undo of run {run.id}"), ExitStack() as stack:
        # Once more: until here, another command could go on with it.
        run = find_run(invocation.root, run.id)
        steps = plan_undo(run, destination, history_of(runs(invocation.root), run.address))
        losses = losses_of_undo(steps, destination)
        output.lines(undo_lines(steps, run.destination, losses))
        with interruption(GOES_ON):
            stop = stack.enter_context(stoppable())
            notes = notes_of(stack, lambda: Journal(run.path, new=False), run.environment, destination, arguments.audit)
            with output.progress(len(steps), run.destination) as report:
                outcome = apply_undo(steps, destination, notes, stop, report, owed=owed_by(run))
            code = code_of(outcome, is_clean=True)
            output.outcome(outcome, run.destination)
            output.report(lambda: undo_report(run.id, steps, outcome, code, losses))
            return code
