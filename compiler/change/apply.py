"""Carries out a change: plans it, begins its run under the lock, and makes, verifies and records each write.

A run is one invocation: the same command again plans anew on what it finds.
Reading back compares the other properties too: a store, or this program, that turned `1.10` into `1.1` has changed a
secret that nobody asked to change.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from compiler.change.journal import Run, new_id, new_run
from compiler.change.operations import Operation
from compiler.change.plan import End, Options, Outcome, Plan, State, Target, WriteResult
from compiler.change.run_files import run_lock
from compiler.change.run_log import AuditError, AuditLog, RunLog, explain_failure
from compiler.live.observation import WORKERS
from compiler.live.stores import LiveStores
from compiler.refusal import follows_interrupt
from compiler.stores.errors import StoreError, UnverifiedError
from compiler.stores.interface import SecretWriter, Written


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A change that a command asks for."""

    command: str
    plan: Callable[[], Plan]  # reads and compares
    options: Options
    asked: Mapping[str, Any] = field(default_factory=dict)  # what its journal says of it beside the plan
    no_way_back: tuple[str, ...] = ()  # why the run cannot be undone, in words


class Listener(Protocol):
    """Shows the user what happens, and asks for consent."""

    def waits(self, holder: str) -> None:
        """Called when the run has to wait for another run of the project."""

    def shows(self, plan: Plan) -> None:
        """Called once with each plan, before anything is written."""

    def agrees(self, plan: Plan) -> bool: ...

    def applying(self, plan: Plan) -> AbstractContextManager[tuple[threading.Event, Callable[[WriteResult], None]]]:
        """A context for the writes: yields an event that stops further writes, and a function that gets each result."""


def carry_out(change: Change, listener: Listener) -> Outcome:
    """Plan, and write where the command applies and the plan allows it.

    Raises what planning raises, and Refusal and OSError, before the first write.
    """
    if not change.options.applies and not change.options.asks:
        return _show(change, _plan(change), listener)
    seen: Plan | None = None
    if change.options.asks:
        seen = _plan(change)
        outcome = _show(change, seen, listener)
        if outcome.end is not End.SHOWN:
            return outcome
        if not listener.agrees(seen):
            return Outcome(seen, End.DECLINED)
    return _apply_locked(change, listener, seen)


def _plan(change: Change) -> Plan:
    plan = change.plan()
    served = change.options.stores.servers(plan.environment)
    return replace(plan, served=served) if served else plan


def expect_servers(run: Run, stores: LiveStores) -> None:
    """Require the stores of `run` to be on the servers whose ids its journal has."""
    stores.expect(run.environment, run.clusters, f"the run {run.id}")


def _show(change: Change, plan: Plan, listener: Listener) -> Outcome:
    listener.shows(plan)
    if _is_blocked(change, plan):
        return Outcome(plan, End.BLOCKED)
    return Outcome(plan, End.SHOWN if plan.writes else End.NOTHING)


def _is_blocked(change: Change, plan: Plan) -> bool:
    return plan.is_blocked and not change.options.continue_on_error


def _apply_locked(change: Change, listener: Listener, seen: Plan | None) -> Outcome:
    options, run_id = change.options, new_id()
    with run_lock(options.root, f"{change.command}, run {run_id}", listener.waits):
        plan = _plan(change)
        if seen is None:
            listener.shows(plan)
        elif _shape(seen) != _shape(plan):
            listener.shows(plan)
            return Outcome(plan, End.CHANGED)
        if _is_blocked(change, plan):
            return Outcome(plan, End.BLOCKED)
        if not plan.writes:
            return Outcome(plan, End.NOTHING)

        def begin(audit: AuditLog | None, who: Mapping[str, str]) -> RunLog:
            run = new_run(options.root, run_id, plan, change.asked, change.no_way_back)
            return RunLog(run, audit, who, begins=plan)

        with listener.applying(plan) as (stop, report), open_log(plan, options, begin) as run_log:
            return apply_plan(
                plan,
                run_log,
                continue_on_error=options.continue_on_error,
                workers=1 if plan.in_order else WORKERS,
                stop=stop,
                report=report,
            )


def _shape(plan: Plan) -> tuple[object, ...]:
    """What a person agreed to: the steps, and the versions that the writes are based on."""
    return plan.steps, tuple((write.target, write.announcement()) for write in plan.writes)


@contextmanager
def open_log(
    plan: Plan, options: Options, begin: Callable[[AuditLog | None, Mapping[str, str]], RunLog]
) -> Iterator[RunLog]:
    """Opens the audit file before the log: a run that cannot be audited must not start.

    `begin` gets the audit file and the caller's name by store.
    """
    with ExitStack() as stack:
        audit = stack.enter_context(AuditLog(options.audit)) if options.audit is not None else None
        run_log = begin(audit, _callers_of(plan) if audit is not None else {})
        stack.callback(run_log.close)
        yield run_log


def _callers_of(plan: Plan) -> dict[str, str]:
    """The caller's name in each store for which the audit file gets a line."""
    stores = dict.fromkeys(store for store, _ in (*(write.target for write in plan.writes), *plan.stored))
    return {store: plan.who.get(store) or plan.stores[store].whoami().subject for store in stores}


def write_remote(write: Operation, store: SecretWriter, log: RunLog) -> WriteResult:
    """Make one write and read it back.

    Raises OSError, AuditError, and StoreError where nothing is known to be stored.
    """
    write = write.prepare(store, partial(log.record_recovery, write.target))
    doubt = None
    try:
        written = write.send(store)
    except UnverifiedError as error:
        # The store itself reports it as different: it exists all the same, and is recorded.
        written, doubt = Written(error.version or ""), error
    log.record_version(write, written)
    if doubt is not None:
        return write.report_unverified(written.version, doubt.reason, doubt.remedy)
    try:
        return write.verify(store, written, partial(log.record_version, write))
    except StoreError as error:
        # Whether it holds what it should is still unknown.
        reason = f"it cannot be read back: {error.reason}"
        return WriteResult(*write.target, State.FAILED, written.version, (), error.code, reason, error.remedy)


_AGAIN = "run the same command again: what is equal is kept"
# Seconds between two reports: a thread that wakes for each result takes the processor from those that make them.
_PACE = 0.05


def apply_plan(
    plan: Plan,
    run_log: RunLog,
    *,
    continue_on_error: bool = False,
    workers: int = WORKERS,
    stop: threading.Event | None = None,
    report: Callable[[WriteResult], None] = lambda _result: None,
) -> Outcome:
    """Make the writes of `plan` and nothing else, each once, and read each back.

    A conflict ends one remote secret and the rest goes on; any other failure keeps further writes from starting, unless
    `continue_on_error`. When `stop` is set, writes under way are finished and the rest stays pending. A defect of this
    program does the same, and is in the outcome. `report` is called in this thread.
    """
    reason = _record_found(plan, run_log)
    work = _Work(plan.stores, run_log, stop or threading.Event(), stops_at_failure=not continue_on_error)
    interrupted = False
    with ThreadPoolExecutor(workers) as pool:
        try:
            todo = deque(plan.writes)
            threads = [pool.submit(work.take, todo) for _ in range(min(workers, len(todo)))]
            while True:
                left = wait(threads, _PACE).not_done
                while work.fresh:
                    report(work.fresh.popleft())
                if not left:
                    break
        except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - neither may leave the run without an end
            if follows_interrupt(error):
                # A second interrupt does not wait for reports; a thread cannot be ended in the middle of a write.
                interrupted = True
                work.failed.set()
            elif isinstance(error, Exception):
                work.broke(error)
    results = tuple(work.results.get(write.target, WriteResult(*write.target, State.PENDING)) for write in plan.writes)
    interrupted = interrupted or (stop is not None and stop.is_set())
    return _end(Outcome(plan, End.APPLIED, run_log.run.id, results, interrupted, work.defect, reason), run_log)


def _record_found(plan: Plan, run_log: RunLog) -> str:
    """Record what `plan` found of earlier parts of the run; returns why that failed, or an empty string."""
    try:
        for target, version in plan.stored.items():
            run_log.record_found(target, version)
    except (OSError, AuditError) as error:
        return explain_failure(error)
    return ""


def _end(outcome: Outcome, run_log: RunLog) -> Outcome:
    """End the run in its journal, and add to the outcome what could not be recorded."""
    state = "conflict" if outcome.has_differences else "complete"
    if outcome.is_incomplete:
        state = "interrupted" if outcome.interrupted else "incomplete"
    try:
        run_log.end(state)
    except OSError as error:
        # Report what was written all the same.
        return replace(outcome, unrecorded=explain_failure(error))
    return outcome


class _Work:
    """Writes one remote secret at a time in each thread, and knows why no further one may start."""

    def __init__(
        self, stores: Mapping[str, SecretWriter], run_log: RunLog, stop: threading.Event, *, stops_at_failure: bool
    ) -> None:
        self._stores = stores
        self._log = run_log
        self._stop = stop
        self._stops_at_failure = stops_at_failure
        self.failed = threading.Event()
        self.defect: Exception | None = None
        self.results: dict[Target, WriteResult] = {}
        self.fresh: deque[WriteResult] = deque()

    def take(self, todo: deque[Operation]) -> None:
        """Make one write after another until all are made or the run has to stop; several threads may call it."""
        while not self._stop.is_set() and not self.failed.is_set():
            try:
                write = todo.popleft()
            except IndexError:
                return
            self._make_and_report(write)

    def _make_and_report(self, write: Operation) -> None:
        try:
            result = self._make(write)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are to finish theirs and the run to end
            self.broke(error)
            # It may have come after the write.
            reason = "this program failed with an internal error"
            result = WriteResult(*write.target, State.FAILED, code="defect", reason=reason, remedy=_AGAIN)
            with suppress(Exception):
                self._log.record_result(result, maybe_stored=True)
        if result.state is State.FAILED and self._stops_at_failure:
            # Set this before the thread takes its next write, which might wait for the same failing store.
            self.failed.set()
        self.results[write.target] = result
        self.fresh.append(result)

    def broke(self, error: Exception) -> None:
        """Start no further write after a defect; the first one is kept."""
        self.failed.set()
        self.defect = self.defect or error

    def _make(self, write: Operation) -> WriteResult:
        try:
            self._log.start(write)
            try:
                result, maybe_stored = write_remote(write, self._stores[write.store], self._log), False
            except StoreError as error:
                result, maybe_stored = write.report_refusal(error), error.maybe_done
            self._log.record_result(result, maybe_stored=maybe_stored)
        except (OSError, AuditError) as error:
            # What cannot be recorded must not go on; the next run finds out by comparing how far this one came.
            self.failed.set()
            reason = explain_failure(error)
            result = WriteResult(*write.target, State.FAILED, code="unrecorded", reason=reason, remedy=_AGAIN)
        return result
