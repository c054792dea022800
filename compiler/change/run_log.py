"""Records each write in the journal and the audit file: one line before it and one after it, never a value.

A write is announced in both before it is sent. A line that could not be written after it is added by a later part of
the run, or by its undo, once that has a file for it. A journal is a plain file: that a version was written is said in
the audit file only where the store knows it.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from compiler.change.journal import FORMAT, RESTORE, Run, apply_line
from compiler.change.plan import Kind, MissingLine, Plan, RotationPhase, State, Target, Write, WriteResult
from compiler.change.run_files import LineFile
from compiler.refusal import Refusal, system_reason
from compiler.stores.errors import DisabledError, NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import VALUE_SINCE, SecretWriter, Written


class AuditError(Refusal):
    """The audit file cannot be used. The message says why, without anything of its content.

    It `is_before` a write where its first line could not be written: nothing was sent.
    """

    def __init__(self, message: str, *, is_before: bool = False) -> None:
        super().__init__("cannot run", message, "name another file with --audit")
        self.is_before = is_before


class Stage(StrEnum):
    """How far a write is."""

    WRITING = "writing"  # about to be sent: the line is on the disk before the request leaves
    WRITTEN = "written"  # stored as `version`
    FAILED = "failed"  # not stored
    UNKNOWN = "unknown"  # sent, and its outcome cannot be told: the reply was lost, or nobody waited for it


class AuditLog(LineFile):
    """The audit file. Opened before the first write: what cannot be audited is not started. Raises AuditError."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, readable=False)
        except OSError as error:
            raise AuditError(f"the audit file cannot be opened: {system_reason(error)}") from None
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            self.close()
            raise AuditError("the audit file is not a regular file")

    def record(self, line: Mapping[str, object]) -> None:
        """Add one line and wait until it is on the disk. Raises AuditError."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            self._add(json.dumps({"time": time, **line}))
        except OSError as error:
            message = f"the audit file cannot be written: {system_reason(error)}"
            raise AuditError(message, is_before=line["state"] == Stage.WRITING) from None


class RunLog:
    """Records a run in its journal, whose state `run` follows, and in the audit file where there is one.

    `who` has the caller's name by store; without an audit file it is empty. `is_audited` says that an earlier part of
    the run had such a file: lines that cannot be added now are missing from it. A run that `begins` gets a journal of
    its own with the whole plan in it.

    An announcement is on the disk when the call returns. The outcome of a write reaches it with the next line that is
    waited for: where a crash loses it, the resumed run finds the version by comparing, as it does when the crash comes
    before the line. Raises OSError.
    """

    def __init__(
        self,
        run: Run,
        audit: AuditLog | None = None,
        who: Mapping[str, str] = MappingProxyType({}),
        *,
        begins: Plan | None = None,
        is_audited: bool = False,
    ) -> None:
        self.run = run
        self.audit = audit
        self.who = who
        self.is_audited = is_audited
        self._file = LineFile(run.path, new=begins is not None)
        if begins is not None:
            try:
                self._announce(begins)
            except BaseException:
                self.close()
                raise

    @property
    def lacks_file(self) -> bool:
        """Whether this part of the run has no audit file, and an earlier one had."""
        return self.is_audited and self.audit is None

    @property
    def needs_lines(self) -> bool:
        """Whether the outcome of a write that starts now belongs in an audit file."""
        return self.is_audited or self.audit is not None

    def start(self, write: Write) -> None:
        """A write is about to be sent, after recovering what is deleted where it does that."""
        # A resumed run may find deleted what it planned to create.
        recovers: dict[str, Any] = {"deleted": write.deleted} if write.recover and write.deleted is not None else {}
        self._record("step", write.target, state="started", before=write.before, owes=self.needs_lines, **recovers)

    @contextmanager
    def writing(self, store: SecretWriter, write: Write, action: str) -> Iterator[Callable[[str | None], None]]:
        """Surrounds `write` with its lines in the audit file: one before it, and one with its outcome.

        `action` is create, update, recover, restore or delete. What it yields records that the write made or deleted a
        version; it raises AuditError, and so does entering: then nothing may be sent.
        """
        line = partial(self.record_in_audit, store, write.target, action, write.properties, write.before)
        is_written = False

        def written(version: str | None) -> None:
            nonlocal is_written
            is_written = True
            line(Stage.WRITTEN, version)

        line(Stage.WRITING)
        try:
            yield written
        except BaseException as error:
            if not is_written:
                is_refused = isinstance(error, StoreError) and not error.maybe_done
                # A line that cannot be added must not hide the cause: the line before it says that the outcome is
                # unknown.
                with suppress(AuditError):
                    line(Stage.FAILED if is_refused else Stage.UNKNOWN)
            raise

    def record_in_audit(
        self,
        store: SecretWriter,
        target: Target,
        action: str,
        properties: Sequence[str],
        before: str | None,
        stage: Stage,
        version: str | None = None,
    ) -> None:
        """Add a line to the audit file, where there is one. Raises AuditError."""
        if self.audit is not None:
            line = {
                "run": self.run.id,
                "state": str(stage),
                "who": self.who.get(target[0], ""),
                "action": action,
                "environment": self.run.environment,
                "store": store.address.absolute,
                "name": target[1],
                "properties": list(properties),
                "before": before,
                "version": version,
            }
            self.audit.record(line)

    def stored(self, audit: Callable[[str | None], None], write: Write, written: Written) -> None:
        """Record in both files what the write stored; `audit` adds its line there. Raises AuditError."""
        is_pending = self.needs_lines
        try:
            # Before the journal: a resumed run finds a version that is in neither, and records it in both.
            audit(written.version)
            is_pending = self.lacks_file
        finally:
            self._note(write, written, audit_pending=is_pending)

    def note_version(self, write: Write, stored: Written) -> None:
        """Record in the journal alone which version holds what was to be written, or what else was deleted with it."""
        self._note(write, stored, audit_pending=self.lacks_file)

    def _note(self, write: Write, stored: Written, *, audit_pending: bool) -> None:
        self._record(
            "step",
            write.target,
            wait=False,
            state="written",
            before=write.before,
            after=stored.version,
            slipped=list(stored.slipped),
            owes=audit_pending,
            **({"made": stored.made.isoformat()} if stored.made is not None else {}),
        )

    def find(self, target: Target, version: str | None) -> None:
        """The store shows that an earlier part of the run stored this version, which the journal lacks."""
        self._record("step", target, state="written", after=version or "", adopted=True, owes=self.needs_lines)

    def recovered(self, target: Target, version: str, made: datetime | None) -> None:
        """The store answered that a deleted secret is there again, as this version, which it made at that time."""
        time = made.isoformat() if made is not None else None
        self._record("step", target, state="recovered", version=version, made=time)

    def settled(self, result: WriteResult, *, maybe_stored: bool = False) -> None:
        """The result for a remote secret."""
        target, state = (result.store, result.name), str(result.state)
        self._record("step", target, wait=False, state=state, code=result.code or None, maybe_stored=maybe_stored)

    def audited(self, line: MissingLine) -> None:
        """The audit file now has a line that it lacked."""
        if line.is_undo:
            version = line.version if line.action == RESTORE else None
            self.undo(line.target, "done", version, before=line.before)
        else:
            self._record("audit", line.target)

    def undo(
        self,
        target: Target,
        state: str,
        version: str | None = None,
        *,
        before: str | None = None,
        audit_pending: bool = False,
    ) -> None:
        """An undo is `started` and will replace or delete `before`, or is `done` and wrote `version`, if it wrote one.

        With `audit_pending`, the audit file still needs its outcome.
        """
        self._record("undo", target, state=state, version=version, before=before, owes=audit_pending)

    def reached(self, phase: RotationPhase) -> None:
        """The rotation came so far."""
        self._append("phase", phase=str(phase))

    def excluded(self, stores: tuple[str, ...]) -> None:
        """What a person said in an undo: that these stores are other ones than that which is undone in."""
        self._append("not-the-same", wait=False, stores=list(stores))

    def went_on(self, plan: Plan) -> None:
        """The run goes on, or is undone, on another server than before, as it was accepted."""
        if any(served.is_accepted for served in plan.served.values()):
            self._append("servers", servers=_servers(plan))

    def end(self, state: str) -> None:
        """`complete`, `conflict` (nothing is left to resume), `incomplete` or `interrupted`."""
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
        )
        # A partial plan counts as none, so its lines go to the disk with the last one.
        for write in plan.writes:
            self._append("plan", wait=False, **_planned(write, plan))
        self._append("planned", writes=len(plan.writes), servers=_servers(plan))

    def _record(self, what: str, target: Target, *, wait: bool = True, **rest: Any) -> None:  # noqa: ANN401 - any JSON
        self._append(what, wait=wait, store=target[0], name=target[1], **rest)

    def _append(self, what: str, *, wait: bool = True, **rest: Any) -> None:  # noqa: ANN401 - any JSON
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"type": what, "time": time, **rest}
        self._file.append(line, wait=wait)
        apply_line(self.run, line)


def _planned(write: Write, plan: Plan) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "store": write.store,
        "name": write.name,
        "kind": str(write.kind),
        "before": write.before,
        "recover": write.recover,
        "deleted": write.deleted,
        "versions": list(write.versions),
    }
    if write.made:
        fields["made"] = {version: time.isoformat() for version, time in write.made.items()}
    had = write.base.attributes.tags.get(VALUE_SINCE) if write.base is not None else None
    # A Vault writes all tags together, and then says of one by hand from which version it counts.
    if had is not None and (write.since is not None or plan.tags):
        fields["since"] = had
    fields["keys"] = [
        {
            "secret": step.secret,
            "key": step.key,
            "kind": str(step.kind),
            "source": str(step.source) if step.source is not None else None,
            "property": step.destination.property if step.destination is not None else None,
        }
        for step in write.steps
    ]
    return fields


def _servers(plan: Plan) -> list[dict[str, object]]:
    """Who the servers of the plan's stores said that they are, and whether that was accepted in place of another."""
    return [
        {"store": store, "cluster": served.cluster.id, "accepted": served.is_accepted}
        for store in (*plan.sources, *plan.destinations)
        if (served := plan.served.get(store)) is not None and served.cluster is not None
    ]


class UndoLog(RunLog):
    """Records an undo, in the journal of the run that it undoes."""

    def start(self, write: Write) -> None:
        self.undo(write.target, "started", before=write.before, audit_pending=self.needs_lines)

    def _note(self, write: Write, stored: Written, *, audit_pending: bool) -> None:
        version = stored.version if write.earlier is not None else None
        self.undo(write.target, "done", version, audit_pending=audit_pending)

    def find(self, target: Target, version: str | None) -> None:
        entry = self.run.entries[target]
        before = entry.undo_before or entry.after or (entry.versions[-1] if entry.versions else None)
        is_pending = self.needs_lines or entry.undo_audit_pending
        self.undo(target, "done", version, before=before, audit_pending=is_pending)

    def settled(self, result: WriteResult, *, maybe_stored: bool = False) -> None:
        """What is not as before, or could not be read back, is left for the next undo to compare."""
        del maybe_stored
        is_written = result.version is not None
        if result.state is State.UNVERIFIED or (result.state is State.FAILED and is_written):
            self.undo((result.store, result.name), "started")

    def end(self, state: str) -> None:
        """Does nothing: the run has ended, whatever the result of its undo."""


def unrecorded(error: AuditError | OSError) -> str:
    """Why a step could not be recorded."""
    if isinstance(error, OSError):
        return f"the journal cannot be written: {error.strerror or 'is the disk full?'}"
    return str(error)


def missing_lines(run: Run) -> tuple[MissingLine, ...]:
    """What the audit file lacks of the writes of a run and of its undo, as far as the journal knows their versions."""
    found = list[MissingLine]()
    for target, entry in run.entries.items():
        recovered = entry.deleted if entry.recovered else None
        if entry.audit_pending and (version := entry.after or recovered) is not None:
            action = entry.kind
            if entry.recover:
                action = Kind.RECOVER if version == entry.deleted else Kind.UPDATE
            before = entry.before or entry.planned_before
            found.append(MissingLine(*target, version, entry.properties, str(action), before))
        made = entry.undone_as or entry.undo_before
        if entry.undo_audit_pending and entry.undo == "done" and made is not None:
            undoing = Kind.RECOVER if entry.kind is Kind.DELETE else Kind.DELETE
            action_ = RESTORE if entry.undone_as is not None else str(undoing)
            found.append(MissingLine(*target, made, entry.properties, action_, entry.undo_before, is_undo=True))
    return tuple(found)


def unaudited(run: Run, *, lacks_file: bool = False) -> tuple[MissingLine, ...]:
    """The versions that a run, or its undo, stored and that the audit file lacks, though it was to have them.

    Where the run `lacks_file` now, so are those that it recovered and has not written.
    """
    missing = missing_lines(run)
    return tuple(each for each in missing if lacks_file or each.is_undo or run.entries[each.target].after is not None)


def record_missing(plan: Plan, run_log: RunLog) -> str:
    """Record what earlier parts of the run stored: in the journal what `plan` found, in the audit file what it lacks.

    The audit file may have the line before a write already. A version of the journal that its store does not know, or
    no longer, is noted as of an outcome that cannot be told; while the store does not answer, its line stays missing.
    Returns why the journal could not be written, empty where it could.
    """
    reason = ""
    for target, version in plan.stored.items():
        try:
            run_log.find(target, version)
        except OSError as error:
            reason = reason or unrecorded(error)
    for each in missing_lines(run_log.run) if run_log.audit is not None else ():
        store = plan.stores[each.store]
        line = partial(run_log.record_in_audit, store, each.target, each.action, each.properties, each.before)
        try:
            # The store has just shown the version that the plan found, and no other one.
            if plan.stored.get(each.target) == each.version or _is_known(each, store):
                line(Stage.WRITTEN, each.version)
            else:
                line(Stage.UNKNOWN)
        except (AuditError, StoreError):
            continue
        try:
            run_log.audited(each)
        except OSError as error:
            reason = reason or unrecorded(error)
    return reason


def _is_known(each: MissingLine, store: SecretWriter) -> bool:
    """Whether the store has, or has deleted, the version. Raises StoreError where it does not tell."""
    try:
        store.read_version(each.name, each.version)
    except DisabledError:
        return True
    except (VersionGoneError, SoftDeletedError, NotFoundError):
        return each.version in store.version_states(each.name)
    return True
