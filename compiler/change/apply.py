"""Carries out a change: plans it, begins or resumes its run under the lock, and makes, verifies and records each write.

Reading back compares the other properties too: a store, or this program, that turned `1.10` into `1.1` has changed a
secret that nobody asked to change.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

from compiler.change.journal import Run, find_unfinished, new_id, new_run
from compiler.change.plan import Kind, Options, Outcome, Plan, State, Target, Write, WriteResult
from compiler.change.run_files import run_lock
from compiler.change.run_log import (
    AGAIN,
    AuditError,
    AuditLog,
    IntentError,
    RunLog,
    missing_lines,
    record_missing,
    unaudited,
    unrecorded,
)
from compiler.live.stores import LiveStores
from compiler.refusal import follows_interrupt
from compiler.stores.errors import Action, Code, ConflictError, StoreError, StoreLocation, UnverifiedError
from compiler.stores.interface import RemoteSecret, SecretWriter, StoreState, VersionState, Written
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import numbered


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


def read_back(write: Write, version: str, look: Callable[[], WriteResult]) -> WriteResult:
    """What `look` finds of a write that is stored and recorded as `version`; a failure where it cannot look."""
    try:
        return look()
    except StoreError as error:
        # Whether it holds what it should is still unknown.
        reason = f"it cannot be read back: {error.reason}"
        return WriteResult(*write.target, State.FAILED, version, (), error.code, reason, error.remedy)


def is_as_meant(
    found: RemoteSecret,
    base: RemoteSecret | None,
    changes: Mapping[str, SecretValue],
    whole: SecretValue | None,
    comparer: Comparer,
) -> bool:
    """Whether `found` is `whole`, or the properties of `base` with `changes` and no other."""
    if whole is not None:
        return found.whole is not None and comparer.same(found.whole, whole)
    before: Mapping[str, SecretValue] = base.properties if base is not None else {}
    meant = {**before, **changes}
    return meant.keys() == found.properties.keys() and all(holds(found, *member, comparer) for member in meant.items())


def holds(found: RemoteSecret, key: str, value: SecretValue, comparer: Comparer) -> bool:
    """Whether the property `key` is there with this value: the same kind and, digit for digit, the same text."""
    return key in found.properties and comparer.same(found.properties[key], value)


def other_bytes(store: SecretWriter, name: str, version: str) -> UnverifiedError:
    """The error of a version that reads back differently from what was written."""
    reason = f"version {version} reads back with a different value than was written"
    remedy = "check that version by hand, and do not trust this address"
    return UnverifiedError(StoreLocation(store.address.absolute, name), Action.WRITE, reason, remedy, version=version)


_BY_HAND = "check it by hand, and do not trust this address"


def delete_versions(write: Write, store: SecretWriter, log: RunLog) -> WriteResult:
    """Delete the write's versions, and check that they are, and that what else there was can still be recovered.

    Raises AuditError, OSError, and StoreError if no version is known to be deleted.
    """
    newest = write.versions[-1]
    with log.writing(store, write, str(Kind.DELETE)) as line:
        store.delete_versions(write.name, write.versions)
        log.stored(line, write, Written(newest))
    return read_back(write, newest, lambda: _gone(write, store, log))


def recover_versions(write: Write, store: SecretWriter, log: RunLog) -> WriteResult:
    """Bring the write's versions back, and check that they and no others can be read. Raises as `delete_versions`."""
    newest = write.versions[-1]
    with log.writing(store, write, str(Kind.RECOVER)) as line:
        store.recover_versions(write.name, write.versions)
        log.stored(line, write, Written(newest))
    return read_back(write, newest, lambda: _back(write, store))


def _gone(write: Write, store: SecretWriter, log: RunLog) -> WriteResult:
    states, newest = store.version_states(write.name), write.versions[-1]
    left = [version for version in write.versions if states.get(version) is VersionState.READABLE]
    if left:
        return _unverified(write, f"the store reported it as deleted, but {numbered(left)} can still be read")
    later = tuple(version for version, state in states.items() if state is VersionState.READABLE)
    if later:
        # Deleted by their numbers, so that a version that came in between stays.
        reason = f"another writer wrote {numbered(later)}, which stays; {numbered(write.versions)} were deleted"
        remedy = "find out who still uses it, then run the command again for a new plan"
        return WriteResult(*write.target, State.CONFLICT, newest, later, "conflict", reason, remedy)
    # A caller who deletes a whole secret might lack the permission to list its versions; other stores list each one.
    unseen = VersionState.DESTROYED if store.address.provider.deletes_by_version else VersionState.DELETED
    if states and newest not in states and unseen is VersionState.DELETED:
        covered = tuple(states)
        log.note_version(write, Written(newest, covered))
        reason = f"another writer's {numbered(covered)} came in between and was deleted too"
        return WriteResult(*write.target, State.CONFLICT, newest, covered, "conflict", reason, "undo this run")
    kept = (*write.versions, *write.others)
    lost = [version for version in kept if states.get(version, unseen) is not VersionState.DELETED]
    if lost:
        return _unverified(write, f"{numbered(lost)} cannot be recovered any more, and was only to be deleted")
    return WriteResult(*write.target, State.DONE, newest)


def _back(write: Write, store: SecretWriter) -> WriteResult:
    states, newest = store.version_states(write.name), write.versions[-1]
    left = [version for version in write.versions if states.get(version) is not VersionState.READABLE]
    if left:
        return _unverified(write, f"the store reported it as recovered, but {numbered(left)} cannot be read")
    others = tuple(_readable(states.items(), write))
    if others:
        reason = f"another writer wrote or recovered {numbered(others)} meanwhile"
        return WriteResult(
            *write.target, State.CONFLICT, newest, others, "conflict", reason, "compare the versions by hand"
        )
    return WriteResult(*write.target, State.DONE, newest)


def _readable(states: Iterable[tuple[str, VersionState]], write: Write) -> Iterable[str]:
    return (version for version, state in states if state is VersionState.READABLE and version not in write.versions)


def _unverified(write: Write, reason: str) -> WriteResult:
    return WriteResult(*write.target, State.UNVERIFIED, write.versions[-1], (), "unverified", reason, _BY_HAND)


_NEW_PLAN = "run the command again for a new plan"


def write_remote(write: Write, store: SecretWriter, log: RunLog) -> WriteResult:
    """Make one write and read it back.

    Raises AuditError, OSError, and StoreError where nothing is known to be stored.
    """
    if write.versions:
        return (recover_versions if write.recover else delete_versions)(write, store, log)
    if write.kind is Kind.DELETE:
        return _deleted(write, store, log)
    action = "restore" if write.earlier is not None else str(Kind.CREATE if write.kind is Kind.CREATE else Kind.UPDATE)
    if write.recover:
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
        return _doubtful(write, doubt)
    return read_back(write, written.version, lambda: _verified(write, written, store))


def _stored(write: Write, store: SecretWriter) -> Written:
    if write.earlier is not None and write.base is not None:
        earlier = replace(write.earlier, attributes=write.stored_attributes or write.earlier.attributes)
        return store.restore(earlier, write.base)
    if write.whole is not None:
        return store.write_whole(write.name, write.whole, write.base, write.stored_attributes)
    return store.write(write.name, write.changes, write.base, write.stored_attributes)


def _deleted(write: Write, store: SecretWriter, log: RunLog) -> WriteResult:
    version = write.before or ""
    with log.writing(store, write, str(Kind.DELETE)) as line:
        store.soft_delete(write.name, version)
        log.stored(line, write, Written(version))
    return read_back(write, version, lambda: _is_gone(write, version, store))


def _recovered(write: Write, store: SecretWriter, log: RunLog) -> Write:
    """Recovers the deleted secret, and returns what is left to write."""
    with log.writing(store, write, str(Kind.RECOVER)) as line:
        store.recover(write.name)
        try:
            base = store.read(write.name)
        except StoreError as error:
            raise _unread(write, store, error) from None
        if base.version == write.deleted:
            log.recovered(write.target, base.version, base.attributes.created)
        line(base.version)
    if write.deleted is not None and base.version != write.deleted:
        raise _recovered_by_another(write, store, base.version)
    if write.expires is not None and (write.redates or base.attributes.expires is None):
        # Also where the value is there already, it lacks its date.
        return replace(write, base=base)
    comparer = Comparer()
    if write.whole is not None:
        same = base.whole is not None and comparer.same(base.whole, write.whole)
        return replace(write, base=base, whole=None if same else write.whole)
    changes = {key: value for key, value in write.changes.items() if not holds(base, key, value, comparer)}
    return replace(write, base=base, changes=changes)


def _verified(write: Write, written: Written, store: SecretWriter) -> WriteResult:
    found, target = store.read(write.name), write.target
    if written.slipped:
        reason = f"another writer's version {', '.join(written.slipped)} came in between and was replaced by this one"
        remedy = "compare the two versions by hand"
        return WriteResult(*target, State.CONFLICT, written.version, written.slipped, "conflict", reason, remedy)
    if found.version != written.version:
        return _overtaken(write, written.version, found.version)
    if not _is_as_meant(write, found):
        return _doubtful(write, other_bytes(store, write.name, written.version))
    return WriteResult(*target, State.DONE, written.version)


def _is_as_meant(write: Write, found: RemoteSecret) -> bool:
    if write.earlier is not None:
        return is_as_meant(found, None, write.earlier.properties, write.earlier.whole, Comparer())
    return is_as_meant(found, write.base, write.changes, write.whole, Comparer())


def _is_gone(write: Write, version: str, store: SecretWriter) -> WriteResult:
    found = store.describe(write.name)
    if found.state is not StoreState.PRESENT:
        return WriteResult(*write.target, State.DONE, version)
    if found.version not in {None, version}:
        # A Vault deletes one version, and not the one that another writer adds meanwhile.
        return _overtaken(write, version, str(found.version))
    reason = "the store reported it as deleted, but it still exists"
    remedy = "check it by hand, and do not trust this address"
    return WriteResult(*write.target, State.UNVERIFIED, version, (), "unverified", reason, remedy)


def _overtaken(write: Write, version: str, found: str) -> WriteResult:
    reason = f"another writer wrote version {found} right after version {version}"
    return WriteResult(*write.target, State.CONFLICT, version, (found,), "conflict", reason, _NEW_PLAN)


def _doubtful(write: Write, doubt: UnverifiedError) -> WriteResult:
    return WriteResult(*write.target, State.UNVERIFIED, doubt.version, (), doubt.code, doubt.reason, doubt.remedy)


def refusal(write: Write, error: StoreError) -> WriteResult:
    """The result of a write that the store refused or did not answer."""
    state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
    found = (error.found,) if isinstance(error, ConflictError) and error.found is not None else ()
    return WriteResult(*write.target, state, None, found, error.code, error.reason, error.remedy)


def _unread(write: Write, store: SecretWriter, error: StoreError) -> StoreError:
    """Not the error itself: it would deny that the secret is there again, and the run's undo would leave it there."""
    place, reason = StoreLocation(store.address.absolute, write.name), f"it is recovered, but {error.reason}"
    return StoreError(place, Action.READ, reason, error.remedy, Code.UNFINISHED_WRITE, version=write.deleted or "")


def _recovered_by_another(write: Write, store: SecretWriter, found: str) -> ConflictError:
    place = StoreLocation(store.address.absolute, write.name)
    reason = f"another writer changed it: version {write.deleted} was soft-deleted, the current version is {found}"
    return ConflictError(place, Action.WRITE, reason, _NEW_PLAN, expected=write.deleted, found=found)


WORKERS = 16
DEFECT = "defect"
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
    run = run_log.run
    lacking = unaudited(run, lacks_file=run_log.lacks_file)
    outcome = Outcome(run.id, results, interrupted, work.defect, reason, lacking)
    return _ended(outcome, run_log, _end(outcome))


def end_blocked(plan: Plan, run_log: RunLog) -> Outcome:
    """End a run that cannot be resumed because another writer changed a secret; its writes are recorded first."""
    reason, run = record_missing(plan, run_log), run_log.run
    outcome = Outcome(run.id, (), unrecorded=reason, unaudited=unaudited(run, lacks_file=run_log.lacks_file))
    return _ended(outcome, run_log, "incomplete" if outcome.is_incomplete else "conflict")


def _ended(outcome: Outcome, run_log: RunLog, state: str) -> Outcome:
    try:
        run_log.end(state)
    except OSError as error:
        # A run without an end can go on: what is done is told all the same.
        return replace(outcome, unrecorded=unrecorded(("", ""), error).reason)
    return outcome


def defective(target: Target) -> WriteResult:
    """The failure of a step by a defect of this program, which may have come after the write."""
    return WriteResult(
        *target, State.FAILED, code=DEFECT, reason="this program failed with an internal error", remedy=AGAIN
    )


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

    def _done(self, write: Write) -> WriteResult:
        try:
            self._log.start(write)
            try:
                result, maybe_stored = write_remote(write, self._stores[write.store], self._log), False
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
