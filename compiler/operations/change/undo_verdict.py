"""Defines how one remote secret of a run is undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.operations.change.plan import Adopted, Kind
    from compiler.stores.interface import RemoteSecret


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """How one remote secret is undone: `current` is what it holds now, `earlier` what it is to hold again.

    `versions` are those to bring back. `owed` is the write of an earlier undo that the audit file lacks.
    """

    kind: Kind
    reason: str = ""
    remedy: str = ""
    current: RemoteSecret | None = None
    earlier: RemoteSecret | None = None
    owed: Adopted | None = None
    versions: tuple[str, ...] = ()
