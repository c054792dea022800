"""Rebuilds the state of a run from its journal: each remote secret as it was planned, and how far it came."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from compiler.operations.change.plan import Kind
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from compiler.operations.change.plan import Target
    from compiler.stores.interface import RemoteSecret

_CLUSTER_ID = regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_RESUMABLE = frozenset({None, "incomplete", "interrupted"})


@dataclass(frozen=True, slots=True)
class RecordedKey:
    """A key of the catalogue that a write sets; no property means the whole value."""

    secret: str
    key: str
    property: str | None


@dataclass(slots=True)
class RunEntry:
    """The state of one remote secret in a run: as planned, and how far it came."""

    kind: Kind
    planned_before: str | None
    recover: bool
    keys: tuple[RecordedKey, ...] = ()
    before: str | None = None
    after: str | None = None
    state: str = "planned"
    maybe_stored: bool = False
    undo: str | None = None
    deleted: str | None = None  # with `recover`, the version that was soft-deleted
    recovered: bool = False  # the run sent its recovery and the store answered
    recovered_made: str | None = None  # when the store made that version
    undone_as: str | None = None  # the version by which an undo put back what stood there before
    made: str | None = None  # when the store made the version `after`, where its number does not tell it from others
    slipped: tuple[str, ...] = ()
    owes: bool = False  # the audit file has no line yet that says how the write ended
    undo_owes: bool = False  # the same of the undo's write
    undo_before: str | None = None  # the version that the undo replaced or deleted
    versions: tuple[str, ...] = ()  # those that a retirement deletes, oldest first
    versions_made: Mapping[str, str] = field(default_factory=dict)  # when the store made them

    @property
    def properties(self) -> tuple[str, ...]:
        """Of the remote secret; none where it is one value."""
        return tuple(key.property for key in self.keys if key.property is not None)

    def made_at_other_times(self, made: Mapping[str, datetime]) -> tuple[str, ...]:
        """The versions to delete whose numbers others have now: the store made those at other times.

        A Vault counts from 1 again after a secret's metadata was deleted, and another server may answer at the address.
        """
        known = self.versions_made
        return tuple(
            each for each in self.versions if each in known and each in made and made[each].isoformat() != known[each]
        )

    def has_recovered(self, found: RemoteSecret) -> bool:
        """Whether `found` is what the run recovered and has not written yet.

        One that it announced may have been recovered by somebody else, who needs it.
        """
        made = found.attributes.created
        is_own = (self.deleted, self.recovered_made) == (found.version, made.isoformat() if made is not None else None)
        return self.recover and self.recovered and self.after is None and is_own


@dataclass(slots=True)
class Run:
    """The state of a run, read from its journal. `identity` is what a command must ask for to resume it.

    `destinations` are the absolute addresses by the stores' ids, `entries` the remote secrets by store and name,
    `clusters` what the servers of its stores, sources too, said that they are; a run of an older release has none.
    """

    id: str
    path: Path
    command: str
    environment: str
    destinations: Mapping[str, str]
    identity: Mapping[str, Any]
    entries: dict[Target, RunEntry] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)
    is_planned: bool = False
    is_audited: bool = False  # it was begun with an audit file, or went on with one
    ended: str | None = None

    @property
    def is_resumable(self) -> bool:
        """Whether the plan is whole, something may be left of it, and nothing of it was undone."""
        undone = any(entry.undo for entry in self.entries.values())
        return self.is_planned and self.ended in _RESUMABLE and not undone


def take(run: Run, line: Mapping[str, Any], only: str | None = None) -> None:
    """Apply one line of a journal to the state of its run. Raises LookupError, TypeError and ValueError.

    `only` is the store of every line of a journal of the first format, whose lines name none.
    """
    what = line["type"]
    for server in line.get("servers", ()):
        # The last one counts: it was accepted. Journals of earlier releases have none.
        run.clusters[str(server["store"])] = _id(server["cluster"])
    if what == "planned":
        run.is_planned = len(run.entries) == line["writes"]
    elif what == "end":
        run.ended = _text(line["state"])
    elif what in {"plan", "undo", "audit", "step"}:
        target = (only or str(line["store"]), str(line["name"]))
        if what == "plan":
            run.entries[target] = _planned(line)
        elif what == "undo":
            _take_undo(run.entries[target], line)
        elif what == "audit":
            run.entries[target].owes = False
        else:
            # A resumed run goes on after its end.
            run.ended = None
            run.is_audited = run.is_audited or line.get("owes") is True
            _take_step(run.entries[target], line)


def _planned(line: Mapping[str, Any]) -> RunEntry:
    keys = tuple(RecordedKey(str(key["secret"]), str(key["key"]), _text(key.get("property"))) for key in line["keys"])
    before, recover = _text(line["before"]), line["recover"] is True
    versions = tuple(map(str, line.get("versions", ())))
    made = {str(version): str(time) for version, time in dict(line.get("made") or {}).items()}
    kind, deleted = Kind(line["kind"]), _text(line.get("deleted"))
    return RunEntry(kind, before, recover, keys, deleted=deleted, versions=versions, versions_made=made)


def _take_undo(entry: RunEntry, line: Mapping[str, Any]) -> None:
    entry.undo = _text(line["state"])
    entry.undone_as = _text(line.get("version")) or entry.undone_as
    entry.undo_before = _text(line.get("before")) or entry.undo_before
    entry.undo_owes = line.get("owes", entry.undo_owes) is True


def _take_step(entry: RunEntry, line: Mapping[str, Any]) -> None:
    if line["state"] == "recovered":
        # The write that was announced with it is still to come.
        entry.recovered, entry.recovered_made = True, _text(line.get("made"))
        return
    entry.state = str(line["state"])
    if entry.state == "started" and (deleted := _text(line.get("deleted"))) is not None:
        entry.recover, entry.recovered, entry.deleted = True, False, deleted
    entry.maybe_stored = entry.state == "started" or bool(line.get("maybe_stored"))
    if entry.state == "started" or ("before" in line and entry.before is None):
        entry.before = _text(line.get("before"))
    entry.after = _text(line.get("after", entry.after))
    entry.made = _text(line.get("made", entry.made))
    entry.slipped = tuple(map(str, line.get("slipped", entry.slipped)))
    # The audit file needs no outcome of a write that was not stored.
    entry.owes = line.get("owes", entry.owes) is True and (entry.maybe_stored or entry.after is not None)


def _id(found: object) -> str:
    if isinstance(found, str) and _CLUSTER_ID.fullmatch(found):
        return found
    raise ValueError


def _text(found: object) -> str | None:
    # The folder may have come with somebody else's project: what is no version must not pass for one.
    if found is None or isinstance(found, str):
        return found
    raise TypeError
