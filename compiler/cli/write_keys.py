"""A plan of changed keys in; its writes done and told, the exit code out. What `put` and `restore` share."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.exit_codes import COULD_NOT_RUN, FOUND, INCOMPLETE, INTERRUPTED, OK
from compiler.cli.interrupts import stoppable
from compiler.operations.audit import AuditError, AuditLog
from compiler.operations.write_keys import State, write_keys
from compiler.render.changes import safe

if TYPE_CHECKING:
    from compiler.operations.set_keys import ChangePlan
    from compiler.operations.write_keys import Outcome

_GOES_ON = "run the same command again: it compares first, and writes only what is not there"


def apply(plan: ChangePlan, environment: str, action: str, audit: str | None) -> int:
    """Write all of the plan, with a line for each remote secret. Raises AuditError before the first write only.

    Ctrl-C and SIGTERM end it after the write that is under way.
    """
    outcomes: list[Outcome] = []
    # Opened first: a command whose writes cannot be noted writes nothing.
    with AuditLog(Path(audit)) if audit is not None else nullcontext() as log, stoppable() as stop:
        try:
            for outcome in write_keys(plan, environment, action, log):
                outcomes.append(outcome)
                _tell(outcome)
                if stop.is_set() and len(outcomes) < len(plan.writes):
                    _tell_incomplete(outcomes, len(plan.writes))
                    return INTERRUPTED
        except AuditError as error:
            sys.stdout.flush()
            sys.stderr.write(f"error: the last write was done but not noted: {error}\nhelp: {_GOES_ON}\n")
            return INCOMPLETE
        except KeyboardInterrupt:
            # The second one: what is under way may or may not be stored.
            _tell_incomplete(outcomes, len(plan.writes))
            raise
    return _code(outcomes, len(plan.writes))


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _tell(outcome: Outcome) -> None:
    place = safe(f"{outcome.remote.name} in {outcome.remote.writer.address.absolute}")
    version = f", version {outcome.version}" if outcome.version else ""
    if outcome.is_stored:
        sys.stdout.write(f"written {place}{version}\n")
    if outcome.state is not State.WRITTEN:
        sys.stdout.flush()
        what = f"{outcome.state}: {place}: " if not outcome.is_stored else f"{outcome.state}: "
        sys.stderr.write(f"error: {what}{safe(outcome.reason)}\nhelp: {safe(outcome.remedy)}\n")


def _tell_incomplete(outcomes: list[Outcome], wanted: int) -> None:
    sys.stdout.flush()
    stored = sum(outcome.is_stored for outcome in outcomes)
    sys.stderr.write(f"{stored} of {wanted} remote secrets are written; {_GOES_ON}\n")


def _code(outcomes: list[Outcome], wanted: int) -> int:
    if any(outcome.state is State.FAILED for outcome in outcomes):
        is_begun = any(outcome.is_stored for outcome in outcomes)
        if is_begun:
            _tell_incomplete(outcomes, wanted)
        return INCOMPLETE if is_begun else COULD_NOT_RUN
    return OK if all(outcome.state is State.WRITTEN for outcome in outcomes) else FOUND
