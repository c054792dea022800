"""Records each write in the run's journal, before and after it, and derives the audit file from that; never a value.

A write is announced in the journal before it is sent. At the end of a run its outcomes are added to the audit file; a
later part of the run, or its undo, adds those of a run that was killed. A journal is a plain file: that a version was
written is said in the audit file only where the store knows it.
"""

import json
import os
import stat
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compiler.change.journal import FORMAT, AuditLine, Run, RunEntry, Stage, apply_line
from compiler.change.operations import Operation
from compiler.change.plan import Kind, Plan, RotationPhase, State, Target, WriteResult
from compiler.change.run_files import LineFile
from compiler.refusal import Refusal, system_reason
from compiler.stores.errors import DisabledError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import RemoteSecret, SecretReader, SecretWriter, Written


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

    def record(self, lines: Iterable[Mapping[str, object]]) -> None:
        """Add all lines or none, and wait until they are on the disk. Raises AuditError."""
        try:
            self._add("\n".join(map(json.dumps, lines)))
        except OSError as error:
            raise AuditError(f"the audit file cannot be written: {system_reason(error)}") from None


class RunLog:
    """Records a run in its journal and, at its end, in the audit file if there is one.

    `run` is the state of the run, kept up to date with the journal. `who` has the caller's name by store; without an
    audit file it is empty. A run that `begins` gets a journal of its own with the whole plan in it.
    An announcement is on the disk when the call returns. The outcome of a write gets there with the next line that is
    waited for: if a crash loses it, the resumed run finds the version by comparing. Raises OSError.
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
        # From earlier parts of the run: how many audit lines are owed, and the writes without a recorded outcome.
        self._owed_before = len(run.owed)
        self._unsettled = [target for target, entry in run.entries.items() if self._is_open(entry)]
        self._is_audited = audit is not None or self._was_audited
        self._file = LineFile(run.path, new=begins is not None)
        if begins is not None:
            try:
                self._announce(begins)
            except BaseException:
                self.close()
                raise

    @property
    def _was_audited(self) -> bool:
        """Whether an earlier part of the run had an audit file: then this part's writes belong there too."""
        return self.run.is_audited

    def _is_open(self, entry: RunEntry) -> bool:
        """Whether a request was announced and its outcome was not recorded."""
        return entry.state == "started"

    def start(self, write: Operation) -> None:
        """Record that a write is about to be sent, or first the recovery that it needs."""
        self._record("step", write.target, state="started", **write.announcement())

    def record_recovery(self, target: Target, found: RemoteSecret) -> None:
        """Record that the store recovered a deleted secret as `found`."""
        made = found.attributes.created
        time = made.isoformat() if made is not None else None
        self._record("step", target, state="recovered", version=found.version, made=time)

    def record_version(self, write: Operation, stored: Written) -> None:
        """Record the version that was written or deleted, and others that were deleted with it."""
        told: dict[str, Any] = {"before": write.before, "after": stored.version, "slipped": list(stored.slipped)}
        if stored.made is not None:
            told["made"] = stored.made.isoformat()
        self._record("step", write.target, wait=False, state="written", **told)

    def record_found(self, target: Target, version: str | None) -> None:
        """Record a version that an earlier part of the run stored, and that the journal lacks."""
        self._record("step", target, state="written", after=version or "", adopted=True)

    def record_result(self, result: WriteResult, *, maybe_stored: bool = False) -> None:
        """Record the result for a remote secret."""
        target, state = (result.store, result.name), str(result.state)
        self._record("step", target, wait=False, state=state, code=result.code or None, maybe_stored=maybe_stored)

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

    def write_audit(self, plan: Plan) -> str:
        """Add the missing lines to the audit file, if there is one; returns why that failed, or an empty string.

        A write counts as unknown if its store does not have the version. It is left for the next command if the store
        does not answer.
        """
        try:
            for target in self._unsettled:
                # An earlier part began it, and it was neither found in the store nor written again.
                if self._is_audited and self._is_open(self.run.entries[target]):
                    self.record_result(WriteResult(*target, State.FAILED), maybe_stored=True)
            if self.audit is not None and self.run.owed:
                self._audit(self.audit, plan)
        except (AuditError, OSError) as error:
            return explain_failure(error)
        return ""

    def _audit(self, audit: AuditLog, plan: Plan) -> None:
        lines = dict[Target, list[dict[str, object]]]()
        unproven = set[Target]()
        for number, each in enumerate(self.run.owed):
            # A write of this part is proven; one that was found is, if the store showed its version.
            is_proven = number >= self._owed_before and plan.stored.get(each.target, each.version) == each.version
            try:
                line = self._audit_line(each, plan.stores[each.store], is_proven=is_proven)
            except StoreError:
                unproven.add(each.target)
            else:
                lines.setdefault(each.target, []).append(line)
        added = {target: own for target, own in lines.items() if target not in unproven}
        if added:
            audit.record(line for own in added.values() for line in own)
            self._append("audited", targets=list(added))

    def _audit_line(self, each: AuditLine, store: SecretWriter, *, is_proven: bool) -> dict[str, object]:
        is_unknown = each.state is Stage.WRITTEN and not is_proven and not _is_known(each, store)
        return {
            "time": each.time,
            "run": self.run.id,
            "state": str(Stage.UNKNOWN if is_unknown else each.state),
            "who": self.who.get(each.store, ""),
            "action": each.action,
            "environment": self.run.environment,
            "store": store.address.absolute,
            "name": each.name,
            "properties": each.properties,
            "before": each.before,
            "version": None if is_unknown else each.version,
        }

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
        audited = {"owes": True} if self._is_audited else {}
        self._append(what, wait=wait, store=target[0], name=target[1], **rest, **audited)

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

    @property
    def _was_audited(self) -> bool:
        return any(entry.is_undo_audited for entry in self.run.entries.values())

    def _is_open(self, entry: RunEntry) -> bool:
        return entry.is_undoing

    def start(self, write: Operation) -> None:
        self._record_undo(write.target, "started", before=write.before)

    def record_version(self, write: Operation, stored: Written) -> None:
        self._record_undo(write.target, "done", stored.version if write.kind is Kind.UPDATE else None)

    def record_found(self, target: Target, version: str | None) -> None:
        entry = self.run.entries[target]
        before = entry.undo_before or entry.after or (entry.versions[-1] if entry.versions else None)
        self._record_undo(target, "done", version, before=before)

    def record_result(self, result: WriteResult, *, maybe_stored: bool = False) -> None:
        """A result that is not as before, or could not be read back, is left for the next undo to compare."""
        if result.version is None:
            self._record_undo((result.store, result.name), "failed", maybe_stored=maybe_stored)
        elif result.state in {State.UNVERIFIED, State.FAILED}:
            self._record_undo((result.store, result.name), "started")

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


def _is_known(each: AuditLine, store: SecretReader) -> bool:
    """Whether the store has this version, or has deleted it. Raises StoreError if it does not say."""
    version = each.version or ""
    try:
        store.read_version(each.name, version)
    except DisabledError:
        return True
    except (VersionGoneError, SoftDeletedError, NotFoundError):
        return version in store.version_states(each.name)
    return True
