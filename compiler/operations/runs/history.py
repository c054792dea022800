"""Tells which versions in the stores the runs of this project wrote, and which ones their undos restored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Kind
from compiler.operations.live.later import PastRun
from compiler.operations.runs.journal import runs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from compiler.operations.live.later import StoredVersion, WriterOf
    from compiler.operations.runs.entries import Run

# A version of a remote secret: the store's absolute address, the name and the version.
Version = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class RunHistory:
    """`runs` has the run that wrote each version, `again` the earlier version that an undo wrote again.

    An undo writes an earlier version's value as a new version. `retired` has the newest run that deleted a remote
    secret, by address and name, as far as it was not undone; `made` is when the store made a version of `runs`.
    """

    again: dict[Version, str] = field(default_factory=dict)
    runs: dict[Version, PastRun] = field(default_factory=dict)
    retired: dict[tuple[str, str], PastRun] = field(default_factory=dict)
    made: dict[Version, str] = field(default_factory=dict)

    def original(self, address: str, name: str, version: str) -> str:
        """The version whose value `version` restored, or itself where no undo wrote it."""
        # An undo of an older run may have put back what the undo of a newer one did.
        for _ in range(len(self.again)):
            earlier = self.again.get((address, name, version))
            if earlier is None:
                break
            version = earlier
        return version

    def writer_of(self, version: StoredVersion) -> PastRun | None:
        """The run that wrote a version that a store holds, None for any other writer."""
        key = (version.address, version.name, version.version)
        made, created = self.made.get(key), version.created
        # The number alone may be another's: a Vault counts anew, and another server may stand behind the address.
        is_other = made is not None and created is not None and created.isoformat() != made
        return None if is_other else self.runs.get(key)


def history_of(past: Iterable[Run]) -> RunHistory:
    """The history that the journals of `past` runs, newest first, tell."""
    found = RunHistory()
    for run in past:
        own = PastRun(run.id, run.command, run.environment)
        for (store, name), entry in run.entries.items():
            address = run.destinations.get(store, "")
            before = entry.before or entry.planned_before
            if entry.kind is Kind.DELETE:
                # It wrote no version.
                if entry.undo != "done" and (entry.after is not None or entry.maybe_stored):
                    found.retired.setdefault((address, name), own)
            elif entry.after is not None:
                # A Vault counts from 1 again after a secret's metadata was deleted: the newest of a number counts.
                version = (address, name, entry.after)
                if found.runs.setdefault(version, own) is own and entry.made is not None:
                    found.made[version] = entry.made
            if entry.undone_as is not None and before is not None:
                found.again.setdefault((address, name, entry.undone_as), before)
    return found


def writers(root: Path) -> WriterOf:
    """What knows the run of the project at `root` that wrote a version; journals are read once one is asked for."""
    found: list[RunHistory] = []

    def writer_of(version: StoredVersion) -> PastRun | None:
        if not found:
            found.append(history_of(runs(root)))
        return found[0].writer_of(version)

    return writer_of
