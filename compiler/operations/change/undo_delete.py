"""Judges the undo of a retirement: exactly what the run deleted is brought back, if nobody wrote since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.change.plan import Adopted, Kind
from compiler.operations.change.undo_verdict import Verdict
from compiler.operations.runs.complete_audit import owed_by_undo
from compiler.stores.errors import StoreError
from compiler.stores.interface import VersionState
from compiler.text.wording import numbered

if TYPE_CHECKING:
    from compiler.operations.change.plan import Target
    from compiler.operations.live.version_states import States
    from compiler.operations.runs.entries import RunEntry

_LOST = VersionState.DESTROYED
_BY_HAND = "compare the versions and keep the right one by hand"


def judge_recovery(entry: RunEntry, target: Target, states: States) -> Verdict:
    """How the deletion of `entry` is undone, by the states of the versions that the store has now."""
    if entry.undo == "done":
        return Verdict(Kind.KEEP, "it is already undone", owed=owed_by_undo(target, entry, None))
    if isinstance(states, StoreError):
        return Verdict(Kind.REFUSE, states.reason, states.remedy)
    if others := entry.made_at_other_times(states.made):
        reason = f"{numbered(others)} is not what the run deleted: it was made at another time"
        return Verdict(Kind.REFUSE, reason, "check which server answers at that address, then compare by hand")
    # In a Key Vault a version that came in between was deleted with the others, and comes back with them.
    own = (*entry.versions, *entry.slipped)
    foreign = [version for version in states if version not in own and states[version] is VersionState.READABLE]
    if foreign:
        reason = f"another writer wrote {numbered(foreign)} since the run deleted {numbered(entry.versions)}"
        return Verdict(Kind.REFUSE, reason, _BY_HAND)
    back = tuple(version for version in own if states.get(version, _LOST) is not _LOST)
    if own[-1] not in back:
        reason = f"{numbered(own[-1:])} was destroyed or purged since, and cannot be brought back"
        return Verdict(Kind.REFUSE, reason, "restore it from a backup")
    if all(states[version] is VersionState.READABLE for version in back):
        return _readable_again(entry, target)
    lost = [] if entry.slipped else [version for version in own if version not in back]
    reason = f"{numbered(back)} can be read again" + (f"; {numbered(lost)} cannot: destroyed since" if lost else "")
    return Verdict(Kind.RECOVER, reason, versions=back)


def doubt_of_deletion(entry: RunEntry, states: States, settle: str) -> Verdict | None:
    """Judges a deletion that was begun and never recorded; None where the store shows that it did not come about."""
    if isinstance(states, StoreError):
        return Verdict(Kind.REFUSE, states.reason, states.remedy)
    if any(states.get(version) is VersionState.READABLE for version in entry.versions):
        return None
    reason = f"the run was stopped while it deleted {numbered(entry.versions)}: it may have been done by another"
    return Verdict(Kind.REFUSE, reason, settle)


def _readable_again(entry: RunEntry, target: Target) -> Verdict:
    if entry.undo != "started":
        return Verdict(Kind.KEEP, "another writer recovered it already")
    # That undo was stopped before it could note it.
    newest = entry.undo_before or entry.versions[-1]
    action = str(Kind.RECOVER)
    owed = Adopted(*target, newest, entry.properties, action, newest, is_undo=True)
    return Verdict(Kind.KEEP, "it is already undone", owed=owed)
