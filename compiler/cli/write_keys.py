"""A plan of changed keys in; its writes done and told, what became of them out. What `put` and `restore` share."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.defect import describe
from compiler.cli.exit_codes import COULD_NOT_RUN, FOUND, INCOMPLETE, INTERRUPTED, OK
from compiler.cli.terminal.interrupts import GOES_ON, stoppable
from compiler.operations.live.interrupted import follows_interrupt
from compiler.operations.put.write_keys import State, write_keys
from compiler.operations.runs.audit import AuditLog
from compiler.operations.runs.journal import new_id
from compiler.render.reports.changes import safe

if TYPE_CHECKING:
    from compiler.cli.terminal.command_output import CommandOutput
    from compiler.operations.put.set_keys import ChangePlan
    from compiler.operations.put.write_keys import Outcome


@dataclass(frozen=True, slots=True)
class Applied:
    """The exit code, and what became of each write that was begun; `run` is what the audit file calls them."""

    code: int
    run: str
    outcomes: tuple[Outcome, ...]
    is_interrupted: bool = False


def apply(plan: ChangePlan, environment: str, action: str, audit: str | None, output: CommandOutput) -> Applied:
    """Write all of the plan, and tell of each write in `output`. Raises AuditError before the first write only.

    Ctrl-C and SIGTERM end it after the write that is under way; the second one at once.
    """
    run, wanted = new_id(), len(plan.writes)
    outcomes: list[Outcome] = []
    # Opened first: a command whose writes cannot be noted writes nothing.
    with AuditLog(Path(audit)) if audit is not None else nullcontext() as log, stoppable() as stop:
        try:
            for outcome in write_keys(plan, environment, action, log, run):
                outcomes.append(outcome)
                _tell(outcome, output)
                if stop.is_set() and len(outcomes) < wanted:
                    _tell_incomplete(outcomes, wanted)
                    return Applied(INTERRUPTED, run, tuple(outcomes), is_interrupted=True)
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - what is done is to be told, and how to go on
            sys.stdout.flush()
            if follows_interrupt(error):
                # The second signal: what is under way may or may not be stored.
                raise KeyboardInterrupt(_so_far(outcomes, wanted)) from None
            sys.stderr.write(describe(error, is_debug=output.is_debug))
            _tell_incomplete(outcomes, wanted)
            return Applied(INCOMPLETE, run, tuple(outcomes))
    return Applied(_code(outcomes, wanted), run, tuple(outcomes))


def _tell(outcome: Outcome, output: CommandOutput) -> None:
    place = safe(f"{outcome.remote.name} in {outcome.remote.writer.address.absolute}")
    version = f", version {outcome.version}" if outcome.version else ""
    if outcome.is_stored:
        output.lines([f"written {place}{version}"])
    if outcome.state is not State.WRITTEN:
        what = f"{outcome.state}: {place}: " if not outcome.is_stored else f"{outcome.state}: "
        sys.stderr.write(f"error: {what}{safe(outcome.reason)}\nhelp: {safe(outcome.remedy)}\n")


def _tell_incomplete(outcomes: list[Outcome], wanted: int) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"{_so_far(outcomes, wanted)}\n")


def _so_far(outcomes: list[Outcome], wanted: int) -> str:
    stored = sum(outcome.is_stored for outcome in outcomes)
    return f"{stored} of {wanted} remote secrets are written; {GOES_ON}"


def _code(outcomes: list[Outcome], wanted: int) -> int:
    if any(outcome.state is State.UNNOTED for outcome in outcomes):
        return INCOMPLETE
    if any(outcome.state is State.FAILED for outcome in outcomes):
        is_begun = any(outcome.is_stored for outcome in outcomes)
        if is_begun:
            _tell_incomplete(outcomes, wanted)
        return INCOMPLETE if is_begun else COULD_NOT_RUN
    return OK if all(outcome.state is State.WRITTEN for outcome in outcomes) else FOUND
