"""Records each write in the run's journal, and with `--audit` in that file, before and after it; never a value."""

import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compiler.change.journal import FORMAT, Run, Stage, apply_line
from compiler.change.operations import Operation
from compiler.change.plan import Kind, Plan, RotationPhase, State, Target, WriteResult
from compiler.change.run_files import LineFile
from compiler.refusal import Refusal, system_reason
from compiler.stores.interface import RemoteSecret, Written


class AuditError(Refusal):
    """The audit file cannot be used. The message says why, and quotes nothing of its content."""

    def __init__(self, message: str) -> None:
        super().__init__("cannot run", message, "name another file with --audit")


class AuditLog(LineFile):
    """The audit file, opened before the first write: what cannot be audited does not start. Raises AuditError."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, readable=False)
        except OSError as error:
            raise AuditError(f"the audit file cannot be opened: {system_reason(error)}") from None
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self.close()
            raise AuditError("the audit file is not a regular file")

    def record(self, line: Mapping[str, object]) -> None:
        """Add a line, and wait until it is on the disk. Raises AuditError."""
        try:
            self._add(json.dumps(line))
        except OSError as error:
            raise AuditError(f"the audit file cannot be written: {system_reason(error)}") from None


class RunLog:
    """Records a run in its journal, and in the audit file if there is one.

    `run` is the state of the run, kept up to date with the journal. `who` has the caller's name by store; without an
    audit file it is empty. A run that `begins` gets a journal of its own with the whole plan in it.
    An announcement is on the disk when the call returns. The outcome of a write gets there with the next line that is
    waited for: if a crash loses it, the resumed run finds the version by comparing. Raises OSError and AuditError.
    """

    def __init__(
        self,
        run: Run,
        audit: AuditLog | None = None,
        who: Mapping[str, str] = MappingProxyType({}),
        *,
        begins: Plan | None = None,
    ) -> None:
        self.run = run
        self.audit = audit
        self.who = who
        self._file = LineFile(run.path, new=begins is not None)
        if begins is not None:
            try:
                self._announce(begins)
            except BaseException:
                self.close()
                raise

    def start(self, write: Operation) -> None:
        """Record that a write is about to be sent, or first the recovery that it needs."""
        self._record("step", write.target, state="started", **write.announcement())
        self._audit(Stage.WRITING, write.target)

    def record_recovery(self, target: Target, found: RemoteSecret) -> None:
        """Record that the store recovered a deleted secret as `found`."""
        made = found.attributes.created
        time, action = made.isoformat() if made is not None else None, self._action(target)
        self._record("step", target, state="recovered", version=found.version, made=time)
        self._audit(Stage.WRITTEN, target, found.version, action)

    def record_version(self, write: Operation, stored: Written) -> None:
        """Record the version that was written or deleted, and others that were deleted with it."""
        told: dict[str, Any] = {"before": write.before, "after": stored.version, "slipped": list(stored.slipped)}
        if stored.made is not None:
            told["made"] = stored.made.isoformat()
        is_first = self.run.entries[write.target].state != "written"
        self._record("step", write.target, wait=False, state="written", **told)
        # What was recovered and is as it should be has the line of its recovery.
        if is_first and (write.kind is Kind.DELETE or stored.version != write.before):
            self._audit(Stage.WRITTEN, write.target, stored.version)

    def record_found(self, target: Target, version: str | None) -> None:
        """Record a version that an earlier part of the run stored, and that the journal lacks."""
        self._record("step", target, state="written", after=version or "", adopted=True)
        self._audit(Stage.WRITTEN, target, version)

    def record_result(self, result: WriteResult, *, maybe_stored: bool = False) -> None:
        """Record the result for a remote secret."""
        target, state = (result.store, result.name), str(result.state)
        is_open = self.run.entries[target].state == "started"
        self._record("step", target, wait=False, state=state, code=result.code or None, maybe_stored=maybe_stored)
        if is_open:
            self._audit(Stage.UNKNOWN if maybe_stored else Stage.FAILED, target)

    def record_phase(self, phase: RotationPhase) -> None:
        """Record how far the rotation has come."""
        self._append("phase", phase=str(phase))

    def record_exclusions(self, stores: tuple[str, ...]) -> None:
        """Record which stores a person said to be other stores than the one that the undo changes."""
        self._append("not-the-same", wait=False, stores=list(stores))

    def record_servers(self, plan: Plan) -> None:
        """Record the servers of the stores, if a person accepted another server than before."""
        if any(served.is_accepted for served in plan.served.values()):
            self._append("servers", servers=_servers(plan))

    def _action(self, target: Target) -> str:
        """What is done to the remote secret, in the words of the audit file."""
        return self.run.entries[target].action

    def _before(self, target: Target) -> str | None:
        """The version that the write is based on."""
        entry = self.run.entries[target]
        return entry.before or entry.planned_before

    def _audit(self, stage: Stage, target: Target, version: str | None = None, action: str | None = None) -> None:
        if self.audit is None:
            return
        store, name = target
        self.audit.record(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "run": self.run.id,
                "state": str(stage),
                "who": self.who.get(store, ""),
                "action": action or self._action(target),
                "environment": self.run.environment,
                "store": self.run.destinations[store],
                "name": name,
                "properties": self.run.entries[target].properties,
                "before": self._before(target),
                "version": version,
            }
        )

    def end(self, state: str) -> None:
        """Record how the run ended: `complete`, `conflict` (cannot be resumed), `incomplete` or `interrupted`."""
        self._append("end", state=state)

    def close(self) -> None:
        self._file.close()

    def _announce(self, plan: Plan) -> None:
        self._append(
            "run",
            format=FORMAT,
            run=self.run.id,
            who=self.run.who,
            command=plan.command,
            environment=plan.environment,
            destinations=[{"store": store, "address": address} for store, address in plan.destinations.items()],
            sources=dict(plan.sources),
            identity=dict(self.run.identity),
            noWayBack=list(self.run.no_way_back),
        )
        # A partial plan counts as no plan, so only its last line waits for the disk.
        for write in plan.writes:
            self._append("plan", wait=False, **write.journal_fields())
        self._append("planned", writes=len(plan.writes), servers=_servers(plan))

    def _record(self, what: str, target: Target, *, wait: bool = True, **rest: Any) -> None:  # noqa: ANN401 - any JSON
        self._append(what, wait=wait, store=target[0], name=target[1], **rest)

    def _append(self, what: str, *, wait: bool = True, **rest: Any) -> None:  # noqa: ANN401 - any JSON
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"type": what, "time": time, **rest}
        self._file.append(line, wait=wait)
        apply_line(self.run, line)


def _servers(plan: Plan) -> list[dict[str, object]]:
    """The id of each store's server, and whether a person accepted it in place of another."""
    return [
        {"store": store, "cluster": served.cluster.id, "accepted": served.is_accepted}
        for store in (*plan.sources, *plan.destinations)
        if (served := plan.served.get(store)) is not None and served.cluster is not None
    ]


class UndoLog(RunLog):
    """Records an undo, in the journal of the run that it undoes."""

    def _action(self, target: Target) -> str:
        return self.run.entries[target].undo_action

    def _before(self, target: Target) -> str | None:
        return self.run.entries[target].undo_before

    def start(self, write: Operation) -> None:
        self._record_undo(write.target, "started", before=write.before)
        self._audit(Stage.WRITING, write.target)

    def record_version(self, write: Operation, stored: Written) -> None:
        self._record_undo(write.target, "done", stored.version if write.kind is Kind.UPDATE else None)
        self._audit(Stage.WRITTEN, write.target, stored.version)

    def record_found(self, target: Target, version: str | None) -> None:
        entry = self.run.entries[target]
        before = entry.undo_before or entry.after or (entry.versions[-1] if entry.versions else None)
        self._record_undo(target, "done", version, before=before)
        self._audit(Stage.WRITTEN, target, version or before)

    def record_result(self, result: WriteResult, *, maybe_stored: bool = False) -> None:
        """A result that is not as before, or could not be read back, is left for the next undo to compare."""
        target = result.store, result.name
        if result.version is None:
            self._record_undo(target, "failed", maybe_stored=maybe_stored)
            self._audit(Stage.UNKNOWN if maybe_stored else Stage.FAILED, target)
        elif result.state in {State.UNVERIFIED, State.FAILED}:
            self._record_undo(target, "started")

    def _record_undo(
        self, target: Target, state: str, version: str | None = None, *, before: str | None = None, **rest: bool
    ) -> None:
        self._record("undo", target, state=state, version=version, before=before, **rest)

    def end(self, state: str) -> None:
        """Does nothing: the run has ended, whatever the result of its undo."""


def explain_failure(error: AuditError | OSError) -> str:
    """Why a step could not be recorded."""
    if isinstance(error, OSError):
        return f"the journal cannot be written: {error.strerror or 'is the disk full?'}"
    return str(error)
