"""The runs of a folder and a store's address in; which of its versions they wrote, and which their undos, out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.operations.runs.entries import Run


@dataclass(frozen=True, slots=True)
class RunHistory:
    """Both by remote name and version: `runs` is the run that wrote it, `again` the earlier version that it is again.

    An undo writes an earlier version's value as a new version.
    """

    again: dict[tuple[str, str], str] = field(default_factory=dict)
    runs: dict[tuple[str, str], str] = field(default_factory=dict)

    def original(self, name: str, version: str) -> str:
        """The version that `version` is again, or itself where no undo wrote it."""
        # An undo of an older run may have put back what the undo of a newer one did.
        for _ in range(len(self.again)):
            earlier = self.again.get((name, version))
            if earlier is None:
                break
            version = earlier
        return version


def history_of(runs: Iterable[Run], address: str) -> RunHistory:
    """What the runs that wrote to the store at `address` noted."""
    found = RunHistory()
    for run in runs:
        if run.address != address:
            continue
        for name, entry in run.entries.items():
            before = entry.before or entry.planned_before
            if entry.after is not None:
                found.runs[name, entry.after] = run.id
            if entry.undone_as is not None and before is not None:
                found.again[name, entry.undone_as] = before
    return found
