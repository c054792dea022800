"""Deletes the versions of a retirement, or brings them back, and looks at the state of each version afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.store_address import Provider
from compiler.operations.change.plan import Kind, Result, State
from compiler.operations.change.read_back import read_back
from compiler.stores.interface import VersionState, Written
from compiler.text.wording import numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from compiler.operations.change.plan import Write
    from compiler.operations.runs.run_log import RunLog
    from compiler.stores.interface import SecretWriter

_BY_HAND = "check it by hand, and do not trust this address"


def delete_versions(write: Write, store: SecretWriter, log: RunLog) -> Result:
    """Delete the write's versions, and check that they are, and that what else there was can still be recovered.

    Raises AuditError, OSError, and StoreError where none is known to be deleted.
    """
    _send(write, store, log, Kind.DELETE, lambda: store.delete_versions(write.name, write.versions))
    return read_back(write, write.versions[-1], lambda: _gone(write, store, log))


def recover_versions(write: Write, store: SecretWriter, log: RunLog) -> Result:
    """Bring the write's versions back, and check that they and no others can be read. Raises as `delete_versions`."""
    _send(write, store, log, Kind.RECOVER, lambda: store.recover_versions(write.name, write.versions))
    return read_back(write, write.versions[-1], lambda: _back(write, store))


def _send(write: Write, store: SecretWriter, log: RunLog, action: Kind, send: Callable[[], None]) -> None:
    newest = write.versions[-1]
    with log.writing(store, write.target, write.properties, newest, str(action)) as line:
        send()
        owes = log.owes
        try:
            line.written(newest)
            owes = log.lacks
        finally:
            log.written(write, Written(newest), owes=owes)


def _gone(write: Write, store: SecretWriter, log: RunLog) -> Result:
    states, newest = store.version_states(write.name), write.versions[-1]
    left = [version for version in write.versions if states.get(version) is VersionState.READABLE]
    if left:
        return _unverified(write, f"the store reported it as deleted, but {numbered(left)} can still be read")
    later = tuple(version for version, state in states.items() if state is VersionState.READABLE)
    if later:
        # Deleted by their numbers, so that a version that came in between stays.
        reason = f"another writer wrote {numbered(later)}, which stays; {numbered(write.versions)} were deleted"
        remedy = "find out who still uses it, then run the command again for a new plan"
        return Result(*write.target, State.CONFLICT, newest, later, "conflict", reason, remedy)
    # Whoever may delete in a Key Vault need not see what is deleted; a Vault lists its versions.
    unseen = VersionState.DESTROYED if store.address.provider is Provider.VAULT else VersionState.DELETED
    if states and newest not in states and unseen is VersionState.DELETED:
        covered = tuple(states)
        log.written(write, Written(newest, covered), owes=log.lacks)
        reason = f"another writer's {numbered(covered)} came in between and was deleted too"
        return Result(*write.target, State.CONFLICT, newest, covered, "conflict", reason, "undo this run")
    kept = (*write.versions, *write.others)
    lost = [version for version in kept if states.get(version, unseen) is not VersionState.DELETED]
    if lost:
        return _unverified(write, f"{numbered(lost)} cannot be recovered any more, and was only to be deleted")
    return Result(*write.target, State.DONE, newest)


def _back(write: Write, store: SecretWriter) -> Result:
    states, newest = store.version_states(write.name), write.versions[-1]
    left = [version for version in write.versions if states.get(version) is not VersionState.READABLE]
    if left:
        return _unverified(write, f"the store reported it as recovered, but {numbered(left)} cannot be read")
    others = tuple(_readable(states.items(), write))
    if others:
        reason = f"another writer wrote or recovered {numbered(others)} meanwhile"
        return Result(*write.target, State.CONFLICT, newest, others, "conflict", reason, "compare the versions by hand")
    return Result(*write.target, State.DONE, newest)


def _readable(states: Iterable[tuple[str, VersionState]], write: Write) -> Iterable[str]:
    return (version for version, state in states if state is VersionState.READABLE and version not in write.versions)


def _unverified(write: Write, reason: str) -> Result:
    return Result(*write.target, State.UNVERIFIED, write.versions[-1], (), "unverified", reason, _BY_HAND)
