"""Defines what a command that writes to stores plans and reports: keys, writes, losses, outcome.

Vault keeps a number of versions of each secret, and may delete each after a time. Key Vault keeps all: it is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from compiler.live.read_many import WORKERS, ask_many, is_of_store, kv_line, lasting_command
from compiler.live.stores import LiveStores, Served
from compiler.model.environment import Environment, Store
from compiler.model.store import Place
from compiler.stores.errors import StoreError
from compiler.stores.interface import VALIDITY_DAYS, VALUE_SINCE, Attributes, RemoteSecret, SecretReader, SecretWriter
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import command_line, repeated


class Kind(StrEnum):
    """What is to be done with one key; those of WRITING change the store."""

    CREATE = "create"  # the destination has no such remote secret
    UPDATE = "update"  # it has one, and this key is added to it or replaced in it
    RECOVER = "recover"  # it is soft-deleted: it is recovered, and then the key is set where it differs
    DELETE = "delete"  # the remote secret is soft-deleted, never purged
    KEEP = "keep"  # the destination is as it should be already
    CONFLICT = "conflict"  # it holds another value for the key
    REFUSE = "refuse"  # it cannot be read, or the value cannot be written there as it is
    MISSING = "missing"  # the environment uses the key and the source does not hold it


class RotationPhase(StrEnum):
    """How far a rotation came."""

    WRITTEN = "written"  # the new value is in every place, beside the run's id
    SYNCED = "synced"  # the cluster has it
    RESTARTED = "restarted"  # every pod that had to restart has restarted
    CLOSED = "closed"  # a person said that the old value is revoked


WRITING = frozenset({Kind.CREATE, Kind.UPDATE, Kind.RECOVER, Kind.DELETE})


class OnConflict(StrEnum):
    """What a conflict does: stops the whole plan, skips the key, or overwrites it."""

    FAIL = "fail"
    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class Options:
    """How a command writes: from the project at `root`, through `stores`, only where it `applies`.

    `only` are ids of secrets, empty for all; the rest are the commands' options of the same names.
    `words` are the command line without `--only` and `--apply`, for the help of a refusal; empty where none is known.
    Where it `asks`, a person decides after seeing the plan. `environments` reads all of the project, for an undo that
    would take something away; it may raise Refusal. `not_the_same` are stores of others that a person knows to be other
    ones than that which is deleted in. `expires` is a date, or how long after the write it lies.
    """

    only: tuple[str, ...] = ()
    all_properties: bool = False
    on_conflict: OnConflict = OnConflict.FAIL
    recover: bool = False
    stringify: bool = False
    words: tuple[str, ...] = ()
    applies: bool = False
    root: Path = Path()
    stores: LiveStores = field(default_factory=lambda: LiveStores({}), compare=False)
    asks: bool = False
    continue_on_error: bool = False
    audit: Path | None = None
    environments: Callable[[], Sequence[Environment]] = tuple
    not_the_same: tuple[str, ...] = ()
    expires: timedelta | datetime | None = None

    def again(self, *more: str, only: Sequence[str] | None = None) -> str:
        """The same command line with `more` options, for the secrets `only` where others than before."""
        chosen = repeated("--only", self.only if only is None else only)
        return command_line(*self.words, *chosen, *more, *(["--apply"] if self.applies else []))


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a store of the environment; a property of None means the whole value."""

    store: str
    name: str
    property: str | None

    def __str__(self) -> str:
        return f"{self.store}:{self.name}" + (f"#{self.property}" if self.property is not None else "")


def location_of(store: Store, place: Place | None) -> Location | None:
    """The place of a key in `store`; None for none."""
    return Location(store.id, place.remote_key, place.property) if place is not None else None


# A remote secret of a run: the id of its store and its name there.
Target = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Aged:
    """A key with a limit in `days` that a new version has, and `since` when it has its value; None where not known.

    `is_tagged` where the tag `value-since` of the new version is about it, too.
    """

    place: Location
    days: int
    since: datetime | None
    is_tagged: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One key of the plan: where it comes from and goes, and what is to be done with it.

    `reason` says why it is of its kind and `remedy` what to do, where there is more to say; `more` are other ways, of
    which one has to be chosen. `source` is None where the value comes from a person, a file or an earlier version.
    While it is planned, `value` is what it would write and `origin` the remote secret that the value comes from.
    """

    secret: str
    key: str
    kind: Kind
    source: Location | None
    destination: Location | None
    reason: str = ""
    remedy: str = ""
    more: tuple[str, ...] = ()
    value: SecretValue | None = field(default=None, repr=False, compare=False)
    origin: RemoteSecret | None = field(default=None, repr=False, compare=False)

    @property
    def remedies(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.remedy, *self.more)))

    @property
    def place(self) -> Location:
        """Where it goes, of a step that has a place there."""
        if self.destination is None:
            raise AssertionError(self.key)
        return self.destination

    @property
    def target(self) -> Target | None:
        """The remote secret that it is about, None where it has no place there."""
        return (self.destination.store, self.destination.name) if self.destination is not None else None

    def refused(self, reason: str, remedy: str) -> Step:
        return replace(self, kind=Kind.REFUSE, reason=reason, remedy=remedy, value=None)


@dataclass(frozen=True, slots=True, eq=False)
class Write:
    """One remote secret of the store `store` with all keys to set in it; `whole` where it is one value instead.

    `base` is what was read there, None when it is absent. With `recover` it is soft-deleted and read after recovery;
    `deleted` is then the version that was, where the store tells. An undo has neither `changes` nor `whole`: `earlier`
    is the version to write once more, and without it the secret is soft-deleted.
    A retirement deletes `versions`, all that can be read, oldest first, and its undo, with `recover`, brings exactly
    them back; `others` are the versions that are deleted already, and stay so. `made` has when the store made each of
    `versions`, where its number alone does not tell it from another's. `since` is the tag `value-since` that the new
    version gets, and `aged` the keys that it has with a limit.
    `expires` is the date that the new version gets, so many `validity_days` after the write; None where it keeps its
    own. It `redates` where that date is asked for, whatever the value is.
    """

    store: str
    name: str
    steps: tuple[Step, ...]
    changes: Mapping[str, SecretValue]
    whole: SecretValue | None = None
    base: RemoteSecret | None = None
    attributes: Attributes | None = None
    recover: bool = False
    deleted: str | None = None
    earlier: RemoteSecret | None = None
    versions: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    made: Mapping[str, datetime] = field(default_factory=dict)
    since: str | None = None
    aged: tuple[Aged, ...] = ()
    expires: datetime | None = None
    validity_days: int = 0
    redates: bool = False

    @property
    def target(self) -> Target:
        return self.store, self.name

    @property
    def kept(self) -> Attributes | None:
        """What goes along with the value from where it comes from; None where it comes alone."""
        return self.earlier.attributes if self.earlier is not None else self.attributes

    @property
    def stored_attributes(self) -> Attributes | None:
        """What the new version gets beside its value; None where that is what `base` has."""
        kept = self.kept
        if self.since is None and self.expires is None:
            return kept
        kept = kept or (self.base.attributes if self.base is not None else Attributes())
        tags = dict(kept.tags) if self.since is None else {**kept.tags, VALUE_SINCE: _distinct(self.since, self.base)}
        if self.expires is None:
            return replace(kept, tags=tags)
        if VALIDITY_DAYS in tags:
            tags[VALIDITY_DAYS] = str(self.validity_days)
        return replace(kept, tags=tags, expires=self.expires)

    @property
    def before(self) -> str | None:
        if self.versions:
            return self.versions[-1]
        return self.base.version if self.base is not None else None

    @property
    def properties(self) -> tuple[str, ...]:
        """Those that are set; of an undo and of a retirement those that the steps name."""
        places = (step.destination for step in self.steps)
        return tuple(self.changes) or tuple(place.property for place in places if place is not None and place.property)

    @property
    def kind(self) -> Kind:
        """What is done to the remote secret as a whole."""
        if self.recover:
            return Kind.RECOVER
        if self.earlier is None and self.whole is None and not self.changes:
            return Kind.DELETE
        return Kind.CREATE if self.base is None else Kind.UPDATE


def _distinct(since: str, base: RemoteSecret | None) -> str:
    """The tag `since`, a second older or with "again" where `base` has the very same.

    Nothing else in a Key Vault shows that the tag came with the new version, and is about what comes back with it.
    """
    if base is None or base.attributes.tags.get(VALUE_SINCE) != since:
        return since
    try:
        return (datetime.fromisoformat(since) - timedelta(seconds=1)).isoformat(timespec="seconds")
    except ValueError:
        return f"{since} again"


@dataclass(frozen=True, slots=True)
class MissingLine:
    """The outcome of a stored write that the audit file lacks; `action` and `before` are as it has them."""

    store: str
    name: str
    version: str
    properties: tuple[str, ...] = ()
    action: str = "update"
    before: str | None = None
    is_undo: bool = False

    @property
    def target(self) -> Target:
        return self.store, self.name


class NoteKind(StrEnum):
    """What to know about a secret that is copied, or of what a write costs; it does not stop the plan."""

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
    """A fact about a remote secret, the source's unless the kind says otherwise; `date` is the date in question.

    `place` names a property only of an overdue key; `remedy` is the command that changes what the new version keeps. A
    loss has the `versions` that the store drops, as it `keeps` so many, and the command that keeps them, run before; or
    for how many seconds the written version `lives`.
    """

    kind: NoteKind
    secret: str
    place: Location
    date: datetime | None = None
    remedy: str = ""
    versions: tuple[str, ...] = ()
    keeps: int | None = None
    lives: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All steps in the order of the environment, and the writes that they amount to.

    `stores` are those that it writes to, open, and `sources` the absolute addresses of the others, by their ids. A
    command gives a draft, whose steps have values and no writes yet. `extras` are properties of the source that no key
    of the catalogue names, `skipped` secrets with nothing to move and the reason, `left_out` remote secrets that a
    resumed run does not cover, `unsettled` those that the run may or may not have recovered, `unread`
    those that an undo refuses only because they could not be read. `stored` are the versions that the stores show to be
    the run's, or its undo's, and that its journal lacks; None where a deletion or a recovery made none. `losses` is
    what the writes cost earlier versions of the destinations, `who` the caller as each destination knows it, `served`
    which server stands for each store. `tags` go beside each value that is written over another.
    """

    command: str
    environment: str
    stores: Mapping[str, SecretWriter] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    steps: tuple[Step, ...] = ()
    writes: tuple[Write, ...] = ()
    extras: tuple[Location, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    left_out: tuple[Target, ...] = ()
    unsettled: tuple[Target, ...] = ()
    unread: tuple[Target, ...] = ()
    stored: Mapping[Target, str | None] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    losses: tuple[Note, ...] = ()
    who: Mapping[str, str] = field(default_factory=dict)
    served: Mapping[str, Served] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def destinations(self) -> dict[str, str]:
        """The absolute addresses of the stores that it writes to, by their ids."""
        return {store_id: store.address.absolute for store_id, store in self.stores.items()}

    @property
    def said(self) -> tuple[str, ...]:
        """A sentence for each address that a variable stands for."""
        named = (self.served.get(store) for store in (*self.sources, *self.destinations))
        return tuple(dict.fromkeys(each.said for each in named if each is not None and each.said))

    @property
    def is_clean(self) -> bool:
        """Whether every key is there already or will be."""
        return not any(step.kind in {Kind.CONFLICT, Kind.REFUSE, Kind.MISSING} for step in self.steps)

    @property
    def stopping_kinds(self) -> frozenset[Kind]:
        """The kinds of steps that keep it from being written."""
        is_skipped = self.options.on_conflict is OnConflict.SKIP
        return frozenset({Kind.REFUSE, Kind.MISSING, *(() if is_skipped else (Kind.CONFLICT,))})

    @property
    def is_blocked(self) -> bool:
        """Whether nothing may be written, unless the caller goes on in spite of errors."""
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
    """The result for one remote secret; `version` is the one that holds the keys now, `slipped` are other writers'."""

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
    """How a command ended and, where a write was started, what became of its `run`; "" where none was.

    Of a blocked command that is the run which it was to resume, and which lacks something still. `defect` is an error
    of this program that ended the run before its end; `unrecorded` says why the journal lacks its end or a stored
    write. `unaudited` are stored writes that the audit file still lacks, though it was to have them.
    """

    plan: Plan
    end: End
    run: str = ""
    results: tuple[WriteResult, ...] = ()
    interrupted: bool = False
    defect: Exception | None = None
    unrecorded: str = ""
    unaudited: tuple[MissingLine, ...] = ()

    def count(self, *states: State) -> int:
        return sum(result.state in states for result in self.results)

    @property
    def is_incomplete(self) -> bool:
        """Whether running the same command again can do more."""
        is_cut_short = self.interrupted or self.defect is not None or bool(self.unrecorded or self.unaudited)
        return is_cut_short or self.count(State.FAILED, State.PENDING) > 0

    @property
    def has_differences(self) -> bool:
        return self.count(State.CONFLICT, State.UNVERIFIED) > 0


def refuse_targets(plan: Plan, why: Mapping[Target, tuple[str, str]]) -> Plan:
    """`plan` without the writes of the remote secrets in `why`, which has the reason and the remedy of each."""

    def kept(step: Step) -> Step:
        if step.kind not in WRITING or step.target is None or step.target not in why:
            return step
        return step.refused(*why[step.target])

    return replace(
        plan,
        steps=tuple(map(kept, plan.steps)),
        writes=tuple(write for write in plan.writes if write.target not in why),
        losses=tuple(loss for loss in plan.losses if (loss.place.store, loss.place.name) not in why),
    )


def losses_of(
    writes: Iterable[Write], stores: Mapping[str, SecretWriter], new: Collection[Target] = (), workers: int = WORKERS
) -> tuple[Note, ...]:
    """The losses of `writes`, in their order, without those that drop no readable version.

    `new` are the remote secrets that are not there yet, not even deleted. Raises the StoreError of a store that no
    longer answers at all. Any other refusal becomes an unknown loss, and does not stop the plan.
    """
    asked = [write for write in writes if stores[write.store].address.provider.drops_versions]
    if not asked:
        return ()
    # The stores in which the metadata of a new name may not be read: there is nothing of it to lose.
    denied: set[str] = set()

    def losses(write: Write) -> tuple[Note, ...]:
        return tuple(_losses(write, stores[write.store], denied, is_new=write.target in new))

    return tuple(loss for found in ask_many(losses, asked, workers) for loss in found)


def _losses(write: Write, store: SecretReader, denied: set[str], *, is_new: bool) -> Iterator[Note]:
    place, secret = Location(*write.target, None), write.steps[0].secret if write.steps else ""
    if is_new and write.store in denied:
        return
    try:
        dropped = store.dropped_by_write(write.name)
    except StoreError as error:
        if is_of_store(error):
            raise
        if is_new:
            denied.add(write.store)
        else:
            yield Note(NoteKind.LOSS_UNKNOWN, secret, place, remedy=f"{error.reason}; {error.remedy}")
        return
    if dropped is None:
        return
    if dropped.versions:
        # A recovered secret is written over, too.
        replaced = write.deleted if write.recover else write.before
        kind = NoteKind.DROPS_WAY_BACK if replaced in dropped.versions else NoteKind.DROPS_VERSIONS
        # Twice as many as the larger of the secret's and the mount's limits.
        remedy = kv_line(store.address, ("metadata", "put"), f"-max-versions={2 * dropped.keeps}", write.name)
        yield Note(kind, secret, place, None, remedy, dropped.versions, dropped.keeps)
    if dropped.lives is not None:
        remedy = lasting_command(store.address, write.name, dropped.limits)
        ends = datetime.now(UTC) + timedelta(seconds=dropped.lives)
        yield Note(NoteKind.DELETES_ITSELF, secret, place, ends, remedy, lives=dropped.lives)
