"""Runs a writing command: plans, locks the project, resumes an unfinished run, and applies."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from compiler.change.apply import apply_plan, end_blocked
from compiler.change.audit import AuditLog, RunLog, missing_lines
from compiler.change.journal import Run, find_unfinished, new_id, new_run
from compiler.change.plan import Options, Outcome, Plan, WriteResult
from compiler.change.run_files import run_lock
from compiler.live.stores import LiveStores


class End(StrEnum):
    """How a writing command ended."""

    SHOWN = "shown"  # nobody said --apply
    BLOCKED = "blocked"  # the plan has what stops it
    NOTHING = "nothing"  # there is nothing to write
    UNDONE = "undone"  # there is nothing left to undo
    STUCK = "stuck"  # what is left to undo cannot be
    DECLINED = "declined"  # a person said no
    CHANGED = "changed"  # the stores changed while a person was asked
    APPLIED = "applied"


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A change that a command asks for. `plan` reads and compares, narrowed to the unfinished run that it gets, if any.

    `identity` is what finds the run that the same command resumes. `run_id` is the id of a new run, where the plan has
    to know it.
    """

    identity: Mapping[str, Any]
    plan: Callable[[Run | None], Plan]
    options: Options
    run_id: str | None = None

    @property
    def command(self) -> str:
        return str(self.identity["command"])


class Listener(Protocol):
    """Shows the user what happens, and asks for consent."""

    def waits(self, holder: str) -> None:
        """Called when the run has to wait for another one of the project."""

    def resumes(self, run: str) -> None: ...

    def shows(self, plan: Plan) -> None:
        """Called once with each plan, before anything is written."""

    def agrees(self, plan: Plan) -> bool: ...

    def applying(self, plan: Plan) -> AbstractContextManager[tuple[threading.Event, Callable[[WriteResult], None]]]:
        """Surrounds the writes: the event ends them after those under way, and the function is told each result."""


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """How the command ended; `outcome` where a write was started, now or in an earlier part of a blocked run."""

    plan: Plan
    end: End
    outcome: Outcome | None = None


def carry_out(change: Change, listener: Listener) -> Ended:
    """Plan, and write where the command applies and the plan allows it.

    Raises what planning raises, and Refusal and OSError, before the first write.
    """
    if not change.options.applies and not change.options.asks:
        return _shown(change, _planned(change, None), listener)
    seen: Plan | None = None
    if change.options.asks:
        unfinished = find_unfinished(change.options.root, change.identity)
        seen = _planned(change, unfinished)
        ended = _shown(change, seen, listener)
        # An unfinished run that is blocked or has nothing left to write is only ended, which needs no consent.
        if ended.end is not End.SHOWN and unfinished is None:
            return ended
        if ended.end is End.SHOWN and not listener.agrees(seen):
            return Ended(seen, End.DECLINED)
    return _locked(change, listener, seen)


def _planned(change: Change, unfinished: Run | None) -> Plan:
    """The plan, with the servers that stand for its stores; those of an unfinished run must be the run's."""
    if unfinished is not None:
        expect_servers(unfinished, change.options.stores)
    plan = change.plan(unfinished)
    served = change.options.stores.served(plan.environment)
    return replace(plan, served=served) if served else plan


def expect_servers(run: Run, stores: LiveStores) -> None:
    """Let no other server be asked for the stores of `run` than it was on, as far as its journal has their ids."""
    stores.expect(run.environment, run.clusters, f"the run {run.id}")


def _shown(change: Change, plan: Plan, listener: Listener) -> Ended:
    listener.shows(plan)
    return Ended(plan, _obstacle(change, plan) or (End.SHOWN if plan.writes else End.NOTHING))


def _obstacle(change: Change, plan: Plan) -> End | None:
    return End.BLOCKED if plan.is_blocked and not change.options.continue_on_error else None


def _locked(change: Change, listener: Listener, seen: Plan | None) -> Ended:
    run_id = change.run_id or new_id()
    with run_lock(change.options.root, f"{change.command}, run {run_id}", listener.waits) as rename:
        unfinished = find_unfinished(change.options.root, change.identity)
        if unfinished is not None:
            run_id = unfinished.id
            rename(f"{change.command}, run {run_id}")
            listener.resumes(run_id)
        plan = _planned(change, unfinished)
        if seen is None:
            listener.shows(plan)
        elif _shape(seen) != _shape(plan):
            listener.shows(plan)
            return Ended(plan, End.CHANGED)
        if (obstacle := _obstacle(change, plan)) is not None:
            ended = _ended_unfinished(change, plan, unfinished) if unfinished is not None else None
            return Ended(plan, obstacle, ended)
        if not plan.writes and unfinished is None:
            return Ended(plan, End.NOTHING)
        return _applied(change, plan, run_id, unfinished, listener)


def _shape(plan: Plan) -> tuple[object, ...]:
    """What a person agreed to: the steps, and the versions that the writes are based on."""
    return plan.steps, tuple((write.target, write.before, write.deleted) for write in plan.writes)


def _applied(change: Change, plan: Plan, run_id: str, unfinished: Run | None, listener: Listener) -> Ended:
    with listener.applying(plan) as (stop, report), _recording(change, plan, run_id, unfinished) as run_log:
        outcome = apply_plan(
            plan,
            run_log,
            continue_on_error=change.options.continue_on_error,
            stop=stop,
            report=report,
        )
    return Ended(plan, End.APPLIED, outcome)


def _ended_unfinished(change: Change, plan: Plan, unfinished: Run) -> Outcome | None:
    """End a run that cannot be resumed; returns its outcome where a part of it is still unrecorded."""
    with _recording(change, plan, unfinished.id, unfinished) as run_log:
        outcome = end_blocked(plan, run_log)
    return outcome if outcome.is_incomplete else None


@contextmanager
def _recording(change: Change, plan: Plan, run_id: str, unfinished: Run | None) -> Iterator[RunLog]:
    """Opens the audit file and the journal; the audit file first, as a run that it cannot record must not start."""
    options = change.options
    with ExitStack() as stack:
        log = stack.enter_context(AuditLog(options.audit)) if options.audit is not None else None
        who = callers_of(plan, unfinished, log)
        if unfinished is None:
            run_log = RunLog(new_run(options.root, run_id, plan, change.identity), log, who, begins=plan)
        else:
            run_log = RunLog(unfinished, log, who, is_audited=unfinished.is_audited)
        stack.callback(run_log.close)
        if unfinished is not None:
            run_log.went_on(plan)
        yield run_log


def callers_of(plan: Plan, run: Run | None, log: AuditLog | None) -> dict[str, str]:
    """The caller's name in each store that the audit file has lines of; empty without one, which alone needs it."""
    if log is None:
        return {}
    missing = [each.target for each in missing_lines(run)] if run is not None else []
    targets = (*(write.target for write in plan.writes), *plan.stored, *missing)
    stores = dict.fromkeys(store for store, _ in targets)
    return {store: plan.who.get(store) or plan.stores[store].whoami().subject for store in stores}
