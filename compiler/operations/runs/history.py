"""Tells which versions in the stores the runs of this project wrote, and which ones their undos restored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from compiler.operations.change.plan import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.operations.runs.entries import Run

# A version of a remote secret: the store's absolute address, the name and the version.
Version = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run, with the command and the environment that undo it."""

    id: str
    command: str
    environment: str


@dataclass(frozen=True, slots=True)
class RunHistory:
    """`runs` has the run that wrote each version, `again` the earlier version that an undo wrote again.

    An undo writes an earlier version's value as a new version. `retired` has the newest run that deleted a remote
    secret, by address and name, as far as it was not undone.
    """

    again: dict[Version, str] = field(default_factory=dict)
    runs: dict[Version, PastRun] = field(default_factory=dict)
    retired: dict[tuple[str, str], PastRun] = field(default_factory=dict)

    def original(self, address: str, name: str, version: str) -> str:
        """The version whose value `version` restored, or itself where no undo wrote it."""
        # An undo of an older run may have put back what the undo of a newer one did.
        for _ in range(len(self.again)):
            earlier = self.again.get((address, name, version))
            if earlier is None:
                break
            version = earlier
        return version


def history_of(runs: Iterable[Run]) -> RunHistory:
    """The history that the journals of `runs`, newest first, tell."""
    found = RunHistory()
    for run in runs:
        past = PastRun(run.id, run.command, run.environment)
        for (store, name), entry in run.entries.items():
            address = run.destinations.get(store, "")
            before = entry.before or entry.planned_before
            if entry.kind is Kind.DELETE:
                # It wrote no version.
                if entry.undo != "done" and (entry.after is not None or entry.maybe_stored):
                    found.retired.setdefault((address, name), past)
            elif entry.after is not None:
                # A Vault counts from 1 again after a secret's metadata was deleted: the newest of a number counts.
                found.runs.setdefault((address, name, entry.after), past)
            if entry.undone_as is not None and before is not None:
                found.again.setdefault((address, name, entry.undone_as), before)
    return found
