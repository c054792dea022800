"""Asks both stores whether a switch changes any value: the new one as the cluster will, the present one if it answers.

Values are compared by a keyed hash under a random key of this run. What differs is named by key, never by value.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.operations.live.lasting import end_before
from compiler.operations.live.later import version_of
from compiler.operations.live.read_many import WORKERS
from compiler.operations.verify.references import references_of
from compiler.operations.verify.verify import verify
from compiler.stores.values.secret import Comparer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from compiler.operations.cutover.trial import Switch
    from compiler.operations.live.later import StoredVersion
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.verify.references import Reference
    from compiler.operations.verify.verify import KeyStatus, Verification
    from compiler.stores.interface import RemoteSecret

# How the present store says that it does not hold a key, as opposed to not answering for it.
_NOT_HELD = frozenset(
    {"missing-secret", "soft-deleted-secret", "disabled-secret", "missing-property", "not-json", "invalid-reference"}
)


class Likeness(StrEnum):
    """How the value of a key in the new store is to that in the present one."""

    EQUAL = "equal"
    DIFFERENT = "different"
    ONLY_THERE = "only-there"  # the present store does not hold it
    MISSING = "missing"  # the new store does not give it, which is among its own findings
    UNKNOWN = "unknown"  # the present store did not answer for it


@dataclass(frozen=True, slots=True)
class Compared:
    """One key of a switch, why it could not be compared where `likeness` is UNKNOWN, and what mends that.

    `versions` are those of the new store and of the present one where they hold different values.
    `is_deleted` where it is ONLY_THERE as the present store has it deleted, and can recover it.
    """

    switch: Switch
    key: str
    likeness: Likeness
    why: str = ""
    is_deleted: bool = False
    versions: tuple[StoredVersion, StoredVersion] | None = None
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """A version in the new store that deletes itself, at `ends`, before the one that serves the switch's secret now."""

    switch: Switch
    name: str
    version: str
    ends: datetime


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the new stores hold, as `verify` finds it, each key compared, and what does not stay there.

    `written` is when the present store last got a value of each switch, as far as it says.
    """

    found: Verification
    keys: tuple[Compared, ...]
    endings: tuple[Ending, ...] = ()
    written: Mapping[Switch, datetime] = field(default_factory=dict)

    def of(self, switch: Switch) -> tuple[Compared, ...]:
        return tuple(each for each in self.keys if each.switch is switch)


def compared(switches: Sequence[Switch], stores: LiveStores, workers: int = WORKERS) -> Comparison:
    """Reads each remote secret of both sides once. Neither store is changed."""
    there = [_references(each, is_destination=True) for each in switches]
    here = [_references(each, is_destination=False) for each in switches]
    found = verify(_flat(there), stores, workers=workers)
    present = verify(_flat(here), stores, workers=workers)
    comparer = Comparer()
    statuses = {id(status.reference): status for status in present.keys}
    keys: list[Compared] = []
    endings: dict[Ending, None] = {}
    written: dict[Switch, datetime] = {}
    for switch, new, old in zip(switches, there, here, strict=True):
        by_key = {reference.key: reference for reference in old}
        for reference in new:
            status = statuses.get(id(by_key.get(reference.key)))
            judged = _judged(switch, reference, status, found, present, comparer)
            remote = found.origins.get(reference)
            serving = present.origins.get(status.reference) if status is not None else None
            if judged.likeness is Likeness.DIFFERENT and remote is not None and serving is not None:
                judged = replace(judged, versions=_versions(switch, remote, serving, stores))
            keys.append(judged)
            date = (serving.attributes.created or serving.attributes.updated) if serving is not None else None
            if date is not None:
                written[switch] = max(date, written.get(switch, date))
            if remote is None:
                continue
            if (ends := end_before(switch.destination, remote, switch.source, serving)) is not None:
                endings[Ending(switch, remote.name, remote.version, ends)] = None
    return Comparison(found, tuple(keys), tuple(endings), written)


def _versions(
    switch: Switch, there: RemoteSecret, here: RemoteSecret, stores: LiveStores
) -> tuple[StoredVersion, StoredVersion]:
    new, old = switch.destination, switch.source
    return version_of(new.id, stores.address(new), there), version_of(old.id, stores.address(old), here)


def _references(switch: Switch, *, is_destination: bool) -> tuple[Reference, ...]:
    store = switch.destination if is_destination else switch.source
    return references_of(switch.environment, (switch.secret,), store)[0]


def _flat(groups: Iterable[tuple[Reference, ...]]) -> tuple[Reference, ...]:
    return tuple(reference for group in groups for reference in group)


def _judged(
    switch: Switch,
    reference: Reference,
    status: KeyStatus | None,
    found: Verification,
    present: Verification,
    comparer: Comparer,
) -> Compared:
    new = found.values.get(reference)
    old = present.values.get(status.reference) if status is not None else None
    if new is None:
        return Compared(switch, reference.key, Likeness.MISSING)
    if old is not None:
        likeness = Likeness.EQUAL if comparer.same(new, old) else Likeness.DIFFERENT
        return Compared(switch, reference.key, likeness)
    if status is not None and _NOT_HELD & set(status.rules):
        is_deleted = "soft-deleted-secret" in status.rules
        return Compared(switch, reference.key, Likeness.ONLY_THERE, is_deleted=is_deleted)
    if status is None or not status.found:
        return Compared(switch, reference.key, Likeness.UNKNOWN, f"{switch.source.id} does not give it")
    why = status.found[0]
    return Compared(switch, reference.key, Likeness.UNKNOWN, why.message, mend=why.help)
