"""Defines what a command that writes to stores plans and reports: keys, writes, notes, outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.live.stores import LiveStores, ServerFacts
from compiler.model.environment import Environment, Store
from compiler.model.store import Place
from compiler.stores.interface import RemoteSecret, SecretWriter
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import command_line, repeat_option

if TYPE_CHECKING:
    from compiler.change.operations import Operation


class Kind(StrEnum):
    """What is to be done with one key; the kinds in WRITING change the store."""

    CREATE = "create"  # the destination has no such remote secret
    UPDATE = "update"  # it has one, and this key is added to it or replaced in it
    RECOVER = "recover"  # it is soft-deleted: it is recovered, and then the key is set where it differs
    REMOVE = "remove"  # a new version lacks the property
    DELETE = "delete"  # the remote secret is soft-deleted, never purged
    KEEP = "keep"  # the destination is as it should be already
    CONFLICT = "conflict"  # it holds another value for the key
    REFUSE = "refuse"  # it cannot be read, or the value cannot be written there as it is
    MISSING = "missing"  # the environment uses the key and the source does not hold it


class RotationPhase(StrEnum):
    """How far a rotation has come."""

    WRITTEN = "written"  # the new value is in every place, beside the run's id
    SYNCED = "synced"  # the cluster has it
    RESTARTED = "restarted"  # every pod that had to restart has restarted
    CLOSED = "closed"  # a person said that the old value is revoked


WRITING = frozenset({Kind.CREATE, Kind.UPDATE, Kind.RECOVER, Kind.REMOVE, Kind.DELETE})


class OnConflict(StrEnum):
    """What a conflict does: stops the whole plan, skips the key, or overwrites it."""

    FAIL = "fail"
    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class Options:
    """How a command writes; most fields are the options of the same names."""

    only: tuple[str, ...] = ()  # ids of secrets; empty for all
    all_properties: bool = False
    on_conflict: OnConflict = OnConflict.FAIL
    recover: bool = False
    stringify: bool = False
    words: tuple[str, ...] = ()  # the command line without --only and --apply, for the help of a refusal
    applies: bool = False
    root: Path = Path()  # the project's folder
    stores: LiveStores = field(default_factory=lambda: LiveStores({}), compare=False)
    asks: bool = False  # a person decides after seeing the plan
    continue_on_error: bool = False
    audit: Path | None = None
    environments: Callable[[], Sequence[Environment]] = tuple  # reads all of the project; it may raise Refusal
    not_the_same: tuple[str, ...] = ()  # stores that a person knows to be others than the one that is deleted in
    expires: timedelta | datetime | None = None  # a date, or how long after the write it lies

    def again(self, *more: str, only: Sequence[str] | None = None) -> str:
        """The same command line with the option `more`, in place of its own; `only` replaces the secrets it was for."""
        chosen = repeat_option("--only", self.only if only is None else only)
        words = list(self.words)
        if more and more[0] in words:
            at = words.index(more[0])
            del words[at : at + len(more)]
        return command_line(*words, *chosen, *more, *(["--apply"] if self.applies else []))


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a store of the environment; a property of None means the whole value."""

    store: str
    name: str
    property: str | None

    def __str__(self) -> str:
        return f"{self.store}:{self.name}" + (f"#{self.property}" if self.property is not None else "")


def location_of(store: Store, place: Place | None) -> Location | None:
    """The location of `place` in `store`; None without a place."""
    return Location(store.id, place.remote_key, place.property) if place is not None else None


# A remote secret of a run: the id of its store and its name there.
Target = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Aged:
    """A key with a limit in a new version, and since when it has had its value."""

    place: Location
    days: int
    since: datetime | None  # when it has its value; None where that is not known
    is_tagged: bool = True  # the tag `value-since` of the new version is about it, too


@dataclass(frozen=True, slots=True)
class Step:
    """One key of the plan: where it comes from and goes, and what is to be done with it."""

    secret: str
    key: str
    kind: Kind
    source: Location | None  # None where the value comes from a person, a file or an earlier version
    destination: Location | None
    reason: str = ""  # why it is of its kind
    remedy: str = ""
    more: tuple[str, ...] = ()  # other remedies: one of them has to be chosen
    # Only while it is planned: what it would write, and the remote secret that the value comes from.
    value: SecretValue | None = field(default=None, repr=False, compare=False)
    origin: RemoteSecret | None = field(default=None, repr=False, compare=False)

    @property
    def is_change(self) -> bool:
        """Whether it has a value to set, or takes a property away."""
        return self.value is not None or self.kind is Kind.REMOVE

    @property
    def remedies(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.remedy, *self.more)))

    @property
    def place(self) -> Location:
        """The destination, for a step that is known to have one."""
        if self.destination is None:
            raise AssertionError(self.key)
        return self.destination

    @property
    def target(self) -> Target | None:
        """The remote secret that the step is about, None if it has no destination."""
        return (self.destination.store, self.destination.name) if self.destination is not None else None

    def refuse(self, reason: str, remedy: str) -> Step:
        return replace(self, kind=Kind.REFUSE, reason=reason, remedy=remedy, value=None)


class NoteKind(StrEnum):
    """What to know about a copied secret, or about what a write costs; no note stops the plan."""

    EXPIRES = "expires-left-behind"
    NOT_BEFORE = "not-before-left-behind"
    CONTENT_TYPE = "content-type-left-behind"
    TAGS = "tags-left-behind"
    AGE = "age-left-behind"  # where the destination's tags may not be written, or are too many
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    KEEPS_EXPIRES = "keeps-past-expires"  # of the destination's, which is there already
    KEEPS_NOT_BEFORE = "keeps-not-before-ahead"
    OVERDUE = "overdue"  # the limit of a key of the destination ends before the nearest date that its store allows
    ACCESS_UNKNOWN = "access-unknown"  # the store does not say whether the caller may make the write
    DROPS_VERSIONS = "drops-versions"  # the store drops earlier versions
    DROPS_WAY_BACK = "drops-way-back"  # also the version that the write replaces: it cannot be undone
    LOSS_UNKNOWN = "drops-unknown"  # the store does not say what it drops
    DELETES_ITSELF = "deletes-itself"  # the version that is written, after a time


@dataclass(frozen=True, slots=True)
class Note:
    """A fact about a remote secret: the source's, unless the kind says otherwise."""

    kind: NoteKind
    secret: str
    place: Location  # with a property only of an overdue key
    date: datetime | None = None  # the date in question
    remedy: str = ""  # a command that changes what the new version keeps, or one that keeps what the store drops
    versions: tuple[str, ...] = ()  # those that the store drops
    keeps: int | None = None  # as it keeps so many
    lives: int | None = None  # for how many seconds the written version lives


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All steps in the order of the environment, and the writes that they add up to; a draft has no writes yet."""

    command: str
    environment: str
    stores: Mapping[str, SecretWriter] = field(default_factory=dict)  # those that it writes to, open, by their ids
    sources: Mapping[str, str] = field(default_factory=dict)  # the absolute addresses of the others
    options: Options = field(default_factory=Options)
    steps: tuple[Step, ...] = ()
    writes: tuple[Operation, ...] = ()
    extras: tuple[Location, ...] = ()  # properties of the source that no key of the catalogue names
    skipped: tuple[tuple[str, str], ...] = ()  # secrets with nothing to move, and the reason
    unread: tuple[Target, ...] = ()  # those that an undo refuses only because they could not be read
    # Versions that the run, or its undo, wrote and that its journal does not list; None where it deleted.
    stored: Mapping[Target, str | None] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    losses: tuple[Note, ...] = ()  # what the writes cost earlier versions of the destinations
    who: Mapping[str, str] = field(default_factory=dict)  # the caller as each destination knows it
    served: Mapping[str, ServerFacts] = field(default_factory=dict)  # which server stands for each store
    in_order: bool = False  # its writes are made one after another
    unserved: tuple[str, ...] = ()  # sentences on values that the environment reads from another store

    @property
    def destinations(self) -> dict[str, str]:
        """The absolute addresses of the stores to write to, by id."""
        return {store_id: store.address.absolute for store_id, store in self.stores.items()}

    @property
    def store_notes(self) -> tuple[str, ...]:
        """Sentences on each address that comes from a variable, and on values that nothing reads in their store."""
        named = (self.served.get(store) for store in (*self.sources, *self.destinations))
        said = dict.fromkeys(each.said for each in named if each is not None and each.said)
        return (*said, *self.unserved)

    @property
    def is_clean(self) -> bool:
        """Whether every key is in the destination already, or will be."""
        return not any(step.kind in {Kind.CONFLICT, Kind.REFUSE, Kind.MISSING} for step in self.steps)

    @property
    def stopping_kinds(self) -> frozenset[Kind]:
        """The kinds of steps that stop the whole plan."""
        is_skipped = self.options.on_conflict is OnConflict.SKIP
        return frozenset({Kind.REFUSE, Kind.MISSING, *(() if is_skipped else (Kind.CONFLICT,))})

    @property
    def is_blocked(self) -> bool:
        """Whether a step stops the plan, so that only `continue_on_error` writes the rest."""
        stopping = self.stopping_kinds
        return any(step.kind in stopping for step in self.steps)


class State(StrEnum):
    """What became of one write."""

    DONE = "done"
    KEPT = "kept"  # it is as it should be already
    CONFLICT = "conflict"
    FAILED = "failed"
    UNVERIFIED = "unverified"  # reading back showed other bytes than were sent
    PENDING = "pending"  # not begun


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result for one remote secret.

    `version` is the version that has the keys now; `slipped` are versions of other writers that came in between.
    """

    store: str
    name: str
    state: State
    version: str | None = None
    slipped: tuple[str, ...] = ()
    code: str = ""
    reason: str = ""
    remedy: str = ""


class End(StrEnum):
    """How a writing command ended."""

    SHOWN = "shown"  # nobody said --apply
    BLOCKED = "blocked"  # the plan has what stops it
    NOTHING = "nothing"  # there is nothing to write
    UNDONE = "undone"  # there is nothing left to undo
    STUCK = "stuck"  # what is left to undo cannot be
    DECLINED = "declined"  # a person said no
    CHANGED = "changed"  # the stores changed while a person was asked
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and, if it wrote, the results of its run."""

    plan: Plan
    end: End
    run: str = ""  # empty where none was started; of a blocked command the run that it was to resume, if unfinished
    results: tuple[WriteResult, ...] = ()
    interrupted: bool = False
    defect: Exception | None = None  # an error of this program that ended the run before its end
    unrecorded: str = ""  # why the journal lacks a stored write or the end, or the audit file lacks lines

    def count(self, *states: State) -> int:
        return sum(result.state in states for result in self.results)

    @property
    def is_incomplete(self) -> bool:
        """Whether running the same command again can do more."""
        is_cut_short = self.interrupted or self.defect is not None or bool(self.unrecorded)
        return is_cut_short or self.count(State.FAILED, State.PENDING) > 0

    @property
    def has_differences(self) -> bool:
        return self.count(State.CONFLICT, State.UNVERIFIED) > 0
