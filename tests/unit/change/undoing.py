"""Runs by the journals that the engine's own log wrote of them, to plan the undo of, and stores with what they did."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, Self

from compiler.change.journal import Run, RunHistory, find_run
from compiler.change.operations import Delete, DeleteVersions, Operation, Put, RecoverVersions, Restore
from compiler.change.plan import Kind, Location, Plan, State, Step, WriteResult
from compiler.change.run_log import RunLog, UndoLog
from compiler.change.undo import plan_undo
from compiler.live.observation import PastRun
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.errors import StoreLocation
from compiler.stores.interface import Attributes, RemoteSecret, StoreState, Written
from tests import providers
from tests.memory_store import MemoryStore, secrets
from tests.unit.changes import begin_journal, plan_of, write_over

ID = "20250131-120000-4fa1c2"
PLACE = StoreLocation("https://memory", "a")
MEMORY = "https://memory"
DELETING = Step("jira", "KEY", Kind.DELETE, None, Location("azure", "a", "A"))
PROVIDERS = (providers.VAULT, providers.KEY_VAULT)
OLDER, NEWER = PastRun("older", "migrate", "prod"), PastRun("newer", "put", "staging")
EARLIER = RemoteSecret("a", "v1", {}, Attributes())
# What the engine has its log record of a write.
Call = Callable[[RunLog, Operation], None]


class Past(NamedTuple):
    """What a run planned for one remote secret, and what it and its undo recorded of that since."""

    planned: Operation
    calls: tuple[Call, ...] = ()

    def then(self, *calls: Call) -> Self:
        return self._replace(calls=(*self.calls, *calls))


def run_of(root: Path | None = None, *, command: str = "migrate", ended: str | None = None, **pasts: Past) -> Run:
    """The run of these remote secrets, by its journal, which stays in `root` where one is given."""
    if root is None:
        with TemporaryDirectory() as folder:
            return run_of(Path(folder), command=command, ended=ended, **pasts)
    found = [(at_name(past.planned, name), past.calls) for name, past in pasts.items()]
    with closing(begin_journal(root, ID, plan_of(*(write for write, _ in found), command=command), {})) as log:
        for write, calls in found:
            for call in calls:
                call(log, write)
        if ended is not None:
            log.end(ended)
    return find_run(root, ID)


def at_name(write: Operation, name: str) -> Operation:
    steps = tuple(replace(step, destination=replace(step.place, name=name)) for step in write.steps)
    return replace(write, name=name, steps=steps)


def setting(before: str | None, *steps: Step, recover: bool = False, deleted: str | None = None) -> Put:
    """A write that sets the values of `steps`, over the version `before` where there is one."""
    own = steps or (replace(DELETING, kind=Kind.UPDATE),)
    base = write_over(("azure", "a"), before).base
    return Put("azure", "a", own, secrets(A="new"), base=base, recover=recover, deleted=deleted)


def started(log: RunLog, write: Operation) -> None:
    """The write was announced, and never recorded."""
    log.start(write)


def wrote(version: str, *slipped: str, made: datetime | None = None, before: str | None = None) -> Call:
    """The write was stored as this version, over `before` where that is not what was planned."""

    def call(log: RunLog, write: Operation) -> None:
        write = replace(write, base=write_over(write.target, before).base) if before is not None else write
        started(log, write)
        log.record_version(write, Written(version, slipped, made))
        log.record_result(WriteResult(*write.target, State.DONE, version, slipped))

    return call


def undo_begun(log: RunLog, write: Operation) -> None:
    """The undo announced its write."""
    with closing(UndoLog(log.run)) as undo:
        undo.start(write_over(write.target, log.run.entries[write.target].after))


def undone(version: str | None = None) -> Call:
    """The undo has ended, with this version where it wrote one."""

    def call(log: RunLog, write: Operation) -> None:
        undo_begun(log, write)
        restored = Restore(*write.target, base=EARLIER, earlier=EARLIER)
        with closing(UndoLog(log.run)) as undo:
            undo.record_version(restored if version is not None else Delete(*write.target), Written(version or ""))

    return call


def updated(before: str = "v1", after: str = "v2", *slipped: str, made: datetime | None = None) -> Past:
    return Past(setting(before), (wrote(after, *slipped, made=made),))


def created(*, recover: bool = False) -> Past:
    return Past(setting(None, recover=recover), (wrote("v1"),))


def begun(before: str | None, planned: str | None = None) -> Past:
    """A write over `before` that was announced, and never recorded; where it is another version than was `planned`."""

    def start(log: RunLog, write: Operation) -> None:
        started(log, replace(write, base=write_over(write.target, before).base))

    return Past(setting(planned or before), (start,))


def plan_for(run: Run, store: MemoryStore, history: RunHistory | None = None) -> Plan:
    return plan_undo(run, {"azure": store}, history)


def only(run: Run, store: MemoryStore, history: RunHistory | None = None) -> tuple[Step, Operation | None]:
    """The only step of an undo and the write that it comes to, if any."""
    found = plan_for(run, store, history)
    (step,), write = found.steps, next(iter(found.writes), None)
    return step, write


def kinds(run: Run, store: MemoryStore) -> list[Kind]:
    return [step.kind for step in plan_for(run, store).steps]


def two_versions() -> MemoryStore:
    store = MemoryStore()
    store.seed("a", A="old")
    store.seed("a", A="new")
    return store


def three(provider: Provider) -> MemoryStore:
    store = MemoryStore(StoreAddress(provider, "https://memory"))
    for value in ("1", "2", "3"):
        store.seed("a", A=value)
    return store


def deletion(store: MemoryStore) -> DeleteVersions:
    """The deletion of all versions of `a` that can be read."""
    states = store.version_states("a")
    readable = tuple(version for version, state in states.items() if state is StoreState.PRESENT)
    others = tuple(version for version in states if version not in readable)
    return DeleteVersions("azure", "a", (DELETING,), base=store.versions["a"][-1], versions=readable, others=others)


def recovery(*versions: str) -> Operation:
    return RecoverVersions("azure", "a", (DELETING,), versions=versions)


def deleting(*versions: str, made: dict[str, datetime] | None = None) -> Past:
    """A deletion that the run planned, and has not begun."""
    return Past(DeleteVersions("azure", "a", (DELETING,), versions=versions, made=made or {}))


def deleted(*versions: str, slipped: tuple[str, ...] = (), made: dict[str, datetime] | None = None) -> Past:
    return deleting(*versions, made=made).then(wrote(versions[-1], *slipped))


def deleting_run(past: Past, ended: str | None = None) -> Run:
    return run_of(command="retire", ended=ended, a=past)
