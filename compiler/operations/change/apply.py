"""Applies a plan: makes its writes in several threads, records and verifies each, and reports the outcome."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Adopted, Outcome, Result, State
from compiler.operations.change.write_remote import RemoteWriter, refusal
from compiler.operations.live.interrupted import follows_interrupt
from compiler.operations.runs.audit import AuditError, IntentError
from compiler.operations.runs.complete_audit import complete
from compiler.operations.runs.run_log import AGAIN, unrecorded
from compiler.stores.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from compiler.operations.change.plan import Plan, Target, Write
    from compiler.operations.runs.run_log import RunLog
    from compiler.stores.interface import SecretWriter

WORKERS = 16
DEFECT = "defect"
# Seconds between two reports: a thread that wakes for each result takes the processor from those that make them.
_PACE = 0.05


def apply_plan(
    plan: Plan,
    stores: Mapping[str, SecretWriter],
    run_log: RunLog,
    *,
    continue_on_error: bool = False,
    workers: int = WORKERS,
    stop: threading.Event | None = None,
    report: Callable[[Result], None] = lambda _result: None,
) -> Outcome:
    """Make the writes of `plan` and nothing else, each once, and read each back.

    `stores` are open, by their ids in the plan.
    A conflict ends one remote secret and the rest goes on; any other failure keeps further writes from starting, unless
    `continue_on_error`. When `stop` is set, writes under way are finished and the rest stays pending. A defect of this
    program does the same, and is in the outcome. `report` is called in this thread.
    """
    completed = complete(plan.adopted, stores, run_log)
    work = _Work(stores, run_log, stop or threading.Event(), stops_at_failure=not continue_on_error)
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
                # Whoever asks a second time does not wait for reports; threads cannot be ended in a write's middle.
                interrupted = True
                work.failed.set()
            elif isinstance(error, Exception):
                work.broke(error)
    results = tuple(work.results.get(write.target, Result(*write.target, State.PENDING)) for write in plan.writes)
    interrupted = interrupted or (stop is not None and stop.is_set())
    unaudited = (*completed.unaudited, *_unaudited(results, run_log))
    outcome = Outcome(run_log.journal.id, results, interrupted, work.defect, completed.unrecorded, unaudited)
    return _ended(outcome, run_log, _end(outcome))


def end_blocked(plan: Plan, stores: Mapping[str, SecretWriter], run_log: RunLog) -> Outcome:
    """End a run that cannot be resumed because another writer changed a secret; its writes are recorded first."""
    completed = complete(plan.adopted, stores, run_log)
    outcome = Outcome(run_log.journal.id, (), unrecorded=completed.unrecorded, unaudited=completed.unaudited)
    return _ended(outcome, run_log, "incomplete" if outcome.is_incomplete else "conflict")


def _unaudited(results: Iterable[Result], run_log: RunLog) -> Iterator[Adopted]:
    """The writes of this part of the run, where an earlier one had an audit file and this one has none."""
    for result in results:
        if run_log.lacks and result.version is not None:
            yield Adopted(result.store, result.name, result.version, is_recorded=True)


def _ended(outcome: Outcome, run_log: RunLog, state: str) -> Outcome:
    try:
        run_log.end(state)
    except OSError as error:
        # A run without an end can go on: what is done is told all the same.
        return replace(outcome, unrecorded=unrecorded(("", ""), error).reason)
    return outcome


def defective(target: Target) -> Result:
    """The failure of a step by a defect of this program, which may have come after the write."""
    return Result(*target, State.FAILED, code=DEFECT, reason="this program failed with an internal error", remedy=AGAIN)


def _end(outcome: Outcome) -> str:
    if outcome.interrupted:
        return "interrupted"
    if outcome.is_incomplete:
        return "incomplete"
    return "conflict" if outcome.has_differences else "complete"


class _Work:
    """Writes one remote secret at a time in each thread, and knows why no further one may start."""

    def __init__(
        self, stores: Mapping[str, SecretWriter], run_log: RunLog, stop: threading.Event, *, stops_at_failure: bool
    ) -> None:
        self._writer = RemoteWriter(stores, run_log)
        self._log = run_log
        self._stop = stop
        self._stops_at_failure = stops_at_failure
        self.failed = threading.Event()
        self.defect: Exception | None = None
        self.results: dict[Target, Result] = {}
        self.fresh: deque[Result] = deque()

    def take(self, todo: deque[Write]) -> None:
        """Make one write after another until none is left or none may start; for any number of threads."""
        while not self._stop.is_set() and not self.failed.is_set():
            try:
                write = todo.popleft()
            except IndexError:
                return
            self._do(write)

    def _do(self, write: Write) -> None:
        try:
            result = self._done(write)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are to finish theirs and the run to end
            self.broke(error)
            result = defective(write.target)
            with suppress(Exception):
                self._log.settled(result, maybe_stored=True)
        if result.state is State.FAILED and self._stops_at_failure:
            # Before this thread takes its next one, which would wait for a store that is gone once more.
            self.failed.set()
        self.results[write.target] = result
        self.fresh.append(result)

    def broke(self, error: Exception) -> None:
        """Start no further write after a defect; the first one is kept."""
        self.failed.set()
        self.defect = self.defect or error

    def _done(self, write: Write) -> Result:
        try:
            self._log.started(write)
            try:
                result, maybe_stored = self._writer.write(write), False
            except StoreError as error:
                result, maybe_stored = refusal(write, error), error.maybe_done
            self._log.settled(result, maybe_stored=maybe_stored)
        except IntentError as error:
            self.failed.set()
            result = unrecorded(write.target, error)
            # Nothing was sent, so that nothing stays open.
            with suppress(OSError):
                self._log.settled(result)
        except (AuditError, OSError) as error:
            # What cannot be noted must not go on; the next run finds out by comparing how far this one came.
            self.failed.set()
            result = unrecorded(write.target, error)
        return result
