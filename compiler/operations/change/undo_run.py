"""Undoes a run: checks that it belongs to the command, plans, locks the project and applies."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.change.access import refuse_denied
from compiler.operations.change.apply import apply_plan
from compiler.operations.change.in_use import spared
from compiler.operations.change.own_places import kept_to_own
from compiler.operations.change.plan import Kind
from compiler.operations.change.run import End, Ended, Planned, callers_of, expect_servers
from compiler.operations.change.undo import plan_undo, undo_command
from compiler.operations.live.names import store_named
from compiler.operations.runs.audit import AuditLog
from compiler.operations.runs.history import history_of
from compiler.operations.runs.journal import Journal, JournalError, find_run, runs
from compiler.operations.runs.lock import RunLock
from compiler.operations.runs.run_log import UndoLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.environment import Environment
    from compiler.operations.change.plan import Plan
    from compiler.operations.change.run import Listener, Setting
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.runs.entries import Run, RunEntry
    from compiler.stores.interface import SecretWriter


def undo_run(command: str, run_id: str, environment: Environment, setting: Setting, listener: Listener) -> Ended:
    """Undo what the run of `command` wrote, or only show the plan.

    Whatever can be undone is, even where the rest cannot; what an environment reads now is not taken away, and what is
    no remote secret of the catalogue is not touched. Raises JournalError for a run of another command or environment or
    without keys, Refusal where what the environments read is not known, and what opening, reading and writing stores
    raises before the first write.
    """
    run = _own(find_run(setting.root, run_id), command, environment.name)
    expect_servers(run, setting.stores)
    writers = _opened(run, environment, setting.stores)
    if not setting.applies:
        plan = _planned(run, writers, environment, setting)
        listener.shows(plan)
        return Ended(plan, End.SHOWN if plan.writes else _unwritten(plan))
    with RunLock(setting.root, f"{command}, undo of run {run.id}", listener.waits):
        # Read again under the lock: until here, another command could have resumed it.
        run = _own(find_run(setting.root, run.id), command, environment.name)
        plan = _planned(run, writers, environment, setting)
        listener.shows(plan)
        if not plan.writes and not plan.adopted:
            return Ended(plan, _unwritten(plan))
        with listener.applying(plan) as applying, ExitStack() as stack:
            log = stack.enter_context(AuditLog(setting.audit)) if setting.audit is not None else None
            journal = Journal(run.path, new=False)
            stack.callback(journal.close)
            if setting.not_the_same:
                journal.excluded(setting.not_the_same)
            journal.went_on(plan)
            run_log = UndoLog(journal, run.environment, log, callers_of(Planned(plan, writers), log))
            outcome = apply_plan(
                plan, writers, run_log, continue_on_error=True, stop=applying.stop, report=applying.report
            )
    return Ended(plan, End.APPLIED, outcome)


def _planned(run: Run, writers: Mapping[str, SecretWriter], environment: Environment, setting: Setting) -> Plan:
    own = {store_id: store_named(environment, store_id) for store_id in run.destinations}
    plan = kept_to_own(plan_undo(run, writers, history_of(runs(setting.root))), environment, own)
    plan = replace(plan, served=setting.stores.served(environment.name))
    every = lambda: (environment, *setting.environments())  # noqa: E731 - read only where something would go
    return refuse_denied(spared(plan, own, every, setting.stores, setting.not_the_same), writers)


def _unwritten(plan: Plan) -> End:
    """How an undo without a write ends."""
    return End.UNDONE if plan.is_clean else End.STUCK


def _own(run: Run, command: str, environment: str) -> Run:
    if run.command != command or run.environment != environment:
        what = f"`{run.command} {run.environment}`"
        raise JournalError(
            f"the run {run.id} belongs to {what}", f"run {undo_command(run.command, run.environment, run.id)}"
        )
    if not all(_is_told(run, store, entry) for (store, _), entry in run.entries.items()):
        raise JournalError(f"the journal of the run {run.id} does not tell what it wrote", "remove it: it is forged")
    return run


def _is_told(run: Run, store: str, entry: RunEntry) -> bool:
    """Whether an undo can be judged and shown, which it is by its keys. No run has written a line of another form."""
    return store in run.destinations and bool(entry.keys) and (entry.kind is not Kind.DELETE or bool(entry.versions))


def _opened(run: Run, environment: Environment, stores: LiveStores) -> dict[str, SecretWriter]:
    writers: dict[str, SecretWriter] = {}
    for store_id, address in run.destinations.items():
        store = store_named(environment, store_id)
        writers[store_id] = stores.open(store)
        if writers[store_id].address.absolute != address:
            raise JournalError(
                f'the store "{store.id}" has another address than in the run',
                # Not "set it back": the journal may be forged, and whatever listens there would be sent a token.
                f"the run names {address}: if you know that it was there, set it back",
            )
    return writers
