"""A plan of changed keys in; its writes done one by one, each read back and audited, and what became of each out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from compiler.operations.change.read_back import is_as_meant, other_bytes, stored
from compiler.operations.runs.audit import Audited, AuditEntry, AuditError, IntentError
from compiler.stores.errors import ConflictError, StoreError, UnfinishedWriteError
from compiler.stores.interface import Written
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.operations.put.set_keys import ChangePlan, RemoteChange
    from compiler.operations.runs.audit import AuditLog
    from compiler.stores.errors import UnverifiedError

_OTHER_FILE = "name another file with --audit, and run the same command again: it compares first"
# A second run compares, finds the value there and writes nothing that it could note.
_BY_HAND = "make room, and note that version by hand: no later run adds its line"


class State(StrEnum):
    """What became of one remote secret."""

    WRITTEN = "written"
    SLIPPED = "slipped"  # written, and a version of another writer is below it
    UNVERIFIED = "unverified"  # written, and the store said or showed something else than was sent
    UNNOTED = "unnoted"  # written, and the audit file could not be told
    CONFLICT = "conflict"  # not written: somebody else wrote since it was read
    FAILED = "failed"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What became of one write; `reason` and `remedy` say more where it is not simply written."""

    remote: RemoteChange
    state: State
    version: str | None = None
    reason: str = ""
    remedy: str = ""

    @property
    def is_stored(self) -> bool:
        return self.state in {State.WRITTEN, State.SLIPPED, State.UNVERIFIED, State.UNNOTED}


def write_keys(plan: ChangePlan, environment: str, action: str, audit: AuditLog | None, run: str) -> Iterator[Outcome]:
    """Go through the plan's writes, doing each when it is asked for; a failure ends them, a conflict does not.

    Each write is a compare-and-set against what the plan read, and is read back. `run` names all of them in the audit
    file; a write that cannot be announced there is not done, and one that could not be noted afterwards is the last.
    """
    comparer = Comparer()
    for remote in plan.writes:
        store = remote.writer.address.absolute
        before = remote.base.version if remote.base is not None else None
        names = tuple(remote.properties)
        entry = AuditEntry(run, plan.who[store], action, environment, store, remote.name, names, before)
        try:
            with Audited(audit, entry) as line:
                written, doubt = _stored(remote)
                line.written(written.version)
        except ConflictError as error:
            yield Outcome(remote, State.CONFLICT, None, error.reason, error.remedy)
        except StoreError as error:
            yield Outcome(remote, State.FAILED, None, error.reason, error.remedy)
            return
        except IntentError as error:
            yield Outcome(remote, State.FAILED, None, str(error), _OTHER_FILE)
            return
        except AuditError as error:
            yield Outcome(
                remote, State.UNNOTED, written.version, f"the write was done but not noted: {error}", _BY_HAND
            )
            return
        else:
            yield _verified(remote, written, comparer) if doubt is None else _doubtful(remote, doubt)


def _stored(remote: RemoteChange) -> tuple[Written, UnverifiedError | UnfinishedWriteError | None]:
    try:
        return stored(partial(_write, remote))
    except UnfinishedWriteError as error:
        # No journal brings another run back to it: what is stored is told now.
        return Written(error.version), error


def _write(remote: RemoteChange) -> Written:
    whole = remote.values.get(None)
    if whole is not None:
        return remote.writer.write_whole(remote.name, whole, remote.base)
    return remote.writer.write(remote.name, remote.properties, remote.base)


def _doubtful(remote: RemoteChange, doubt: UnverifiedError | UnfinishedWriteError) -> Outcome:
    return Outcome(remote, State.UNVERIFIED, doubt.version, doubt.reason, doubt.remedy)


def _verified(remote: RemoteChange, written: Written, comparer: Comparer) -> Outcome:
    try:
        found = remote.writer.read_version(remote.name, written.version)
    except StoreError as error:
        return Outcome(remote, State.UNVERIFIED, written.version, f"reading back: {error.reason}", error.remedy)
    if not is_as_meant(found, remote.base, remote.properties, remote.values.get(None), comparer):
        return _doubtful(remote, other_bytes(remote.writer, remote.name, written.version))
    if written.slipped:
        reason = f"another writer's version {', '.join(written.slipped)} is now below this one"
        return Outcome(remote, State.SLIPPED, written.version, reason, "look whether that version's keys are wanted")
    return Outcome(remote, State.WRITTEN, written.version)
