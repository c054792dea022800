"""Carries out a change: plans it, begins or resumes its run under the lock, and makes, verifies and records each write.

Reading back compares the other properties too: a store, or this program, that turned `1.10` into `1.1` has changed a
secret that nobody asked to change.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from compiler.change.journal import Run, find_unfinished, new_id, new_run
from compiler.change.plan import End, Kind, Options, Outcome, Plan, State, Target, Write, WriteResult
from compiler.change.run_files import run_lock
from compiler.change.run_log import AuditError, AuditLog, RunLog, missing_lines, record_missing, unaudited, unrecorded
from compiler.live.read_many import WORKERS
from compiler.live.stores import LiveStores
from compiler.refusal import follows_interrupt
from compiler.stores.errors import Action, Code, ConflictError, StoreError, StoreLocation, UnverifiedError
from compiler.stores.interface import RemoteSecret, SecretWriter, StoreState, Written
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import numbered


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


def carry_out(change: Change, listener: Listener) -> Outcome:
    """Plan, and write where the command applies and the plan allows it.

    Raises what planning raises, and Refusal and OSError, before the first write.
    """
    if not change.options.applies and not change.options.asks:
        return _shown(change, _planned(change, None), listener)
    seen: Plan | None = None
    if change.options.asks:
        unfinished = find_unfinished(change.options.root, change.identity)
        seen = _planned(change, unfinished)
        outcome = _shown(change, seen, listener)
        # An unfinished run that is blocked or has nothing left to write is only ended, which needs no consent.
        if outcome.end is not End.SHOWN and unfinished is None:
            return outcome
        if outcome.end is End.SHOWN and not listener.agrees(seen):
            return Outcome(seen, End.DECLINED)
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


def _shown(change: Change, plan: Plan, listener: Listener) -> Outcome:
    listener.shows(plan)
    if _is_blocked(change, plan):
        return Outcome(plan, End.BLOCKED)
    return Outcome(plan, End.SHOWN if plan.writes else End.NOTHING)


def _is_blocked(change: Change, plan: Plan) -> bool:
    return plan.is_blocked and not change.options.continue_on_error


def _locked(change: Change, listener: Listener, seen: Plan | None) -> Outcome:
    options, run_id = change.options, change.run_id or new_id()
    with run_lock(options.root, f"{change.command}, run {run_id}", listener.waits) as rename:
        unfinished = find_unfinished(options.root, change.identity)
        if unfinished is not None:
            rename(f"{change.command}, run {unfinished.id}")
            listener.resumes(unfinished.id)
        plan = _planned(change, unfinished)
        if seen is None:
            listener.shows(plan)
        elif _shape(seen) != _shape(plan):
            listener.shows(plan)
            return Outcome(plan, End.CHANGED)

        def begin(audit: AuditLog | None, who: Mapping[str, str]) -> RunLog:
            if unfinished is not None:
                return RunLog(unfinished, audit, who, is_audited=unfinished.is_audited)
            return RunLog(new_run(options.root, run_id, plan, change.identity), audit, who, begins=plan)

        if _is_blocked(change, plan):
            if unfinished is None:
                return Outcome(plan, End.BLOCKED)
            with recording(plan, options, unfinished, begin) as run_log:
                return end_blocked(plan, run_log)
        if not plan.writes and unfinished is None:
            return Outcome(plan, End.NOTHING)
        with listener.applying(plan) as (stop, report), recording(plan, options, unfinished, begin) as run_log:
            return apply_plan(plan, run_log, continue_on_error=options.continue_on_error, stop=stop, report=report)


def _shape(plan: Plan) -> tuple[object, ...]:
    """What a person agreed to: the steps, and the versions that the writes are based on."""
    return plan.steps, tuple((write.target, write.before, write.deleted) for write in plan.writes)


@contextmanager
def recording(
    plan: Plan, options: Options, run: Run | None, begin: Callable[[AuditLog | None, Mapping[str, str]], RunLog]
) -> Iterator[RunLog]:
    """Opens the audit file and then the log, as a run that the file cannot record must not start.

    `run` is the one that is resumed or undone, if any. `begin` gets the audit file and the caller's name by store.
    """
    with ExitStack() as stack:
        audit = stack.enter_context(AuditLog(options.audit)) if options.audit is not None else None
        run_log = begin(audit, _callers_of(plan, run) if audit is not None else {})
        stack.callback(run_log.close)
        if run is not None:
            run_log.went_on(plan)
        yield run_log


def _callers_of(plan: Plan, run: Run | None) -> dict[str, str]:
    """The caller's name in each store that the audit file has lines of, which alone needs it."""
    missing = [each.target for each in missing_lines(run)] if run is not None else []
    targets = (*(write.target for write in plan.writes), *plan.stored, *missing)
    stores = dict.fromkeys(store for store, _ in targets)
    return {store: plan.who.get(store) or plan.stores[store].whoami().subject for store in stores}


def write_remote(write: Write, store: SecretWriter, log: RunLog) -> WriteResult:
    """Make one write and read it back.

    Raises AuditError, OSError, and StoreError where nothing is known to be stored.
    """
    action = "restore" if write.earlier is not None else str(write.kind)
    if write.recover and not write.versions:
        write, action = _recovered(write, store, log), str(Kind.UPDATE)
        if not write.changes and write.whole is None:
            log.note_version(write, Written(write.before or ""))
            return WriteResult(*write.target, State.KEPT, write.before)
    doubt = None
    with log.writing(store, write, action) as line:
        try:
            written = _stored(write, store)
        except UnverifiedError as error:
            # The store itself reports it as different: it exists all the same, and is recorded.
            written, doubt = Written(error.version or ""), error
        log.stored(line, write, written)
    if doubt is not None:
        return _unverified(write, written.version, doubt.reason, doubt.remedy)
    try:
        return _read_back(write, written, store, log)
    except StoreError as error:
        # Whether it holds what it should is still unknown.
        reason = f"it cannot be read back: {error.reason}"
        return WriteResult(*write.target, State.FAILED, written.version, (), error.code, reason, error.remedy)


def _stored(write: Write, store: SecretWriter) -> Written:
    if write.versions:
        change = store.recover_versions if write.recover else store.delete_versions
        change(write.name, write.versions)
        return Written(write.versions[-1])
    if write.kind is Kind.DELETE:
        store.soft_delete(write.name, write.before or "")
        return Written(write.before or "")
    if write.earlier is not None and write.base is not None:
        earlier = replace(write.earlier, attributes=write.stored_attributes or write.earlier.attributes)
        return store.restore(earlier, write.base)
    if write.whole is not None:
        return store.write_whole(write.name, write.whole, write.base, write.stored_attributes)
    return store.write(write.name, write.changes, write.base, write.stored_attributes)


def _recovered(write: Write, store: SecretWriter, log: RunLog) -> Write:
    """Recovers the deleted secret, and returns what is left to write."""
    place = StoreLocation(store.address.absolute, write.name)
    with log.writing(store, write, str(Kind.RECOVER)) as line:
        store.recover(write.name)
        try:
            base = store.read(write.name)
        except StoreError as error:
            # Not the error itself: it would deny that the secret is there again, and the run's undo would leave it so.
            reason = f"it is recovered, but {error.reason}"
            code = Code.UNFINISHED_WRITE
            raise StoreError(place, Action.READ, reason, error.remedy, code, version=write.deleted or "") from None
        if base.version == write.deleted:
            log.recovered(write.target, base.version, base.attributes.created)
        line(base.version)
    if write.deleted is not None and base.version != write.deleted:
        found = base.version
        reason = f"another writer changed it: version {write.deleted} was soft-deleted, the current version is {found}"
        raise ConflictError(place, Action.WRITE, reason, _NEW_PLAN, found=found)
    if write.expires is not None and (write.redates or base.attributes.expires is None):
        # Also where the value is there already, it lacks its date.
        return replace(write, base=base)
    comparer = Comparer()
    if write.whole is not None:
        same = base.whole is not None and comparer.same(base.whole, write.whole)
        return replace(write, base=base, whole=None if same else write.whole)
    changes = {key: value for key, value in write.changes.items() if not holds(base, key, value, comparer)}
    return replace(write, base=base, changes=changes)


def _read_back(write: Write, written: Written, store: SecretWriter, log: RunLog) -> WriteResult:
    if write.versions:
        return _recovered_versions(write, store) if write.recover else _deleted_versions(write, store, log)
    if write.kind is Kind.DELETE:
        return _deleted(write, written.version, store)
    found = store.read(write.name)
    if written.slipped:
        reason = f"another writer's version {', '.join(written.slipped)} came in between and was replaced by this one"
        return _conflict(write, written.version, written.slipped, reason, "compare the two versions by hand")
    if found.version != written.version:
        return _overtaken(write, written.version, found.version)
    if not is_as_meant(write, found):
        reason = f"version {written.version} reads back with a different value than was written"
        remedy = "check that version by hand, and do not trust this address"
        return _unverified(write, written.version, reason, remedy)
    return WriteResult(*write.target, State.DONE, written.version)


def is_as_meant(write: Write, found: RemoteSecret) -> bool:
    """Whether `found` is what the write was to store, with what else its base has and no other property."""
    if write.earlier is not None:
        return is_same(found, write.earlier.properties, write.earlier.whole)
    before: Mapping[str, SecretValue] = write.base.properties if write.base is not None else {}
    return is_same(found, {**before, **write.changes}, write.whole)


def is_same(found: RemoteSecret, properties: Mapping[str, SecretValue], whole: SecretValue | None) -> bool:
    """Whether `found` is `whole`, or has these properties alone."""
    comparer = Comparer()
    if whole is not None:
        return found.whole is not None and comparer.same(found.whole, whole)
    return found.properties.keys() == properties.keys() and all(
        holds(found, *member, comparer) for member in properties.items()
    )


def holds(found: RemoteSecret, key: str, value: SecretValue, comparer: Comparer) -> bool:
    """Whether the property `key` is there with this value: the same kind and, digit for digit, the same text."""
    return key in found.properties and comparer.same(found.properties[key], value)


def _deleted(write: Write, version: str, store: SecretWriter) -> WriteResult:
    found = store.describe(write.name)
    if found.state is not StoreState.PRESENT:
        return WriteResult(*write.target, State.DONE, version)
    if found.version not in {None, version}:
        # A Vault deletes one version, and not the one that another writer adds meanwhile.
        return _overtaken(write, version, str(found.version))
    return _unverified(write, version, "the store reported it as deleted, but it still exists")


def _deleted_versions(write: Write, store: SecretWriter, log: RunLog) -> WriteResult:
    """Whether the write's versions are deleted, and what else there was can still be recovered."""
    states, newest = store.version_states(write.name), write.versions[-1]
    left = [version for version in write.versions if states.get(version) is StoreState.PRESENT]
    if left:
        reason = f"the store reported it as deleted, but {numbered(left)} can still be read"
        return _unverified(write, newest, reason)
    later = tuple(version for version, state in states.items() if state is StoreState.PRESENT)
    if later:
        # Deleted by their numbers, so that a version that came in between stays.
        reason = f"another writer wrote {numbered(later)}, which stays; {numbered(write.versions)} were deleted"
        remedy = "find out who still uses it, then run the command again for a new plan"
        return _conflict(write, newest, later, reason, remedy)
    # A caller who deletes a whole secret might lack the permission to list its versions; other stores list each one.
    unseen = StoreState.DESTROYED if store.address.provider.deletes_by_version else StoreState.SOFT_DELETED
    if states and newest not in states and unseen is StoreState.SOFT_DELETED:
        covered = tuple(states)
        log.note_version(write, Written(newest, covered))
        reason = f"another writer's {numbered(covered)} came in between and was deleted too"
        return _conflict(write, newest, covered, reason, "undo this run")
    kept = (*write.versions, *write.others)
    lost = [version for version in kept if states.get(version, unseen) is not StoreState.SOFT_DELETED]
    if lost:
        reason = f"{numbered(lost)} cannot be recovered any more, and was only to be deleted"
        return _unverified(write, newest, reason)
    return WriteResult(*write.target, State.DONE, newest)


def _recovered_versions(write: Write, store: SecretWriter) -> WriteResult:
    """Whether the write's versions and no others can be read."""
    states, newest = store.version_states(write.name), write.versions[-1]
    left = [version for version in write.versions if states.get(version) is not StoreState.PRESENT]
    if left:
        reason = f"the store reported it as recovered, but {numbered(left)} cannot be read"
        return _unverified(write, newest, reason)
    readable = (version for version, state in states.items() if state is StoreState.PRESENT)
    others = tuple(version for version in readable if version not in write.versions)
    if others:
        reason = f"another writer wrote or recovered {numbered(others)} meanwhile"
        return _conflict(write, newest, others, reason, "compare the versions by hand")
    return WriteResult(*write.target, State.DONE, newest)


def _overtaken(write: Write, version: str, found: str) -> WriteResult:
    reason = f"another writer wrote version {found} right after version {version}"
    return _conflict(write, version, (found,), reason, _NEW_PLAN)


def _conflict(write: Write, version: str, others: tuple[str, ...], reason: str, remedy: str) -> WriteResult:
    return WriteResult(*write.target, State.CONFLICT, version, others, "conflict", reason, remedy)


def _unverified(
    write: Write, version: str, reason: str, remedy: str = "check it by hand, and do not trust this address"
) -> WriteResult:
    return WriteResult(*write.target, State.UNVERIFIED, version, (), UnverifiedError.code, reason, remedy)


def refusal(write: Write, error: StoreError) -> WriteResult:
    """The result of a write that the store refused or did not answer."""
    state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
    found = (error.found,) if isinstance(error, ConflictError) and error.found is not None else ()
    return WriteResult(*write.target, state, None, found, error.code, error.reason, error.remedy)


_AGAIN = "run the same command again to resume the run"
_NEW_PLAN = "run the command again for a new plan"
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
    reason = record_missing(plan, run_log)
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
    return _ended(Outcome(plan, End.APPLIED, run_log.run.id, results, interrupted, work.defect, reason), run_log)


def end_blocked(plan: Plan, run_log: RunLog) -> Outcome:
    """End a run that cannot be resumed because another writer changed a secret; its writes are recorded first.

    The outcome is of that run only where it still lacks something.
    """
    outcome = _ended(Outcome(plan, End.BLOCKED, run_log.run.id, unrecorded=record_missing(plan, run_log)), run_log)
    return outcome if outcome.is_incomplete else Outcome(plan, End.BLOCKED)


def _ended(outcome: Outcome, run_log: RunLog) -> Outcome:
    outcome = replace(outcome, unaudited=unaudited(run_log.run, lacks_file=run_log.lacks_file))
    state = "conflict" if outcome.has_differences or outcome.end is End.BLOCKED else "complete"
    if outcome.is_incomplete:
        state = "interrupted" if outcome.interrupted else "incomplete"
    try:
        run_log.end(state)
    except OSError as error:
        # A run without an end can go on: what is done is told all the same.
        return replace(outcome, unrecorded=unrecorded(error))
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

    def take(self, todo: deque[Write]) -> None:
        """Make one write after another until all are made or the run has to stop; several threads may call it."""
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
            # It may have come after the write.
            reason = "this program failed with an internal error"
            result = WriteResult(*write.target, State.FAILED, code="defect", reason=reason, remedy=_AGAIN)
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

    def _done(self, write: Write) -> WriteResult:
        try:
            self._log.start(write)
            try:
                result, maybe_stored = write_remote(write, self._stores[write.store], self._log), False
            except StoreError as error:
                result, maybe_stored = refusal(write, error), error.maybe_done
            self._log.settled(result, maybe_stored=maybe_stored)
        except (AuditError, OSError) as error:
            # What cannot be noted must not go on; the next run finds out by comparing how far this one came.
            self.failed.set()
            reason = unrecorded(error)
            result = WriteResult(*write.target, State.FAILED, code="unrecorded", reason=reason, remedy=_AGAIN)
            if isinstance(error, AuditError) and error.is_before:
                # Nothing was sent, so that nothing stays open.
                with suppress(OSError):
                    self._log.settled(result)
        return result
