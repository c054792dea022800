"""Defines what a run does with one remote secret: put, restore, delete, delete versions or recover versions.

Each operation knows the access that it needs, what it sends, how it is read back and its line in the journal.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from compiler.change.plan import WRITING, Aged, Kind, Location, Note, NoteKind, Plan, State, Step, Target, WriteResult
from compiler.live.observation import WORKERS, ask_many, is_of_store, kv_line, lasting_command
from compiler.stores.errors import Action, Code, ConflictError, StoreError, StoreLocation, UnverifiedError
from compiler.stores.interface import (
    VALIDITY_DAYS,
    VALUE_SINCE,
    Attributes,
    Changes,
    Content,
    RemoteSecret,
    SecretReader,
    SecretWriter,
    StoreState,
    Use,
    Written,
    with_changes,
)
from compiler.stores.secret_value import Comparer, SecretValue
from compiler.text.wording import name_versions

_NEW_PLAN = "run the command again for a new plan"
# Replaces the outcome of the write that was recorded first.
Record = Callable[[Written], None]


@dataclass(frozen=True, slots=True, eq=False)
class Operation(ABC):
    """One write to one remote secret of a store."""

    store: str  # its id
    name: str
    steps: tuple[Step, ...] = ()  # the keys that it writes
    base: RemoteSecret | None = field(default=None, kw_only=True)  # what was read there; None if it does not exist
    KIND: ClassVar[Kind] = Kind.UPDATE
    USES: ClassVar[frozenset[Use]] = frozenset({Use.UPDATE})

    @property
    def target(self) -> Target:
        return self.store, self.name

    @property
    def kind(self) -> Kind:
        """What is done to the remote secret as a whole."""
        return self.KIND

    @property
    def before(self) -> str | None:
        """The version that it replaces or deletes."""
        return self.base.version if self.base is not None else None

    def uses(self) -> frozenset[Use]:
        """The access that the write needs."""
        return self.USES

    def prepare(self, _store: SecretWriter, _on_recovery: Callable[[RemoteSecret], None]) -> "Operation":
        """Make the secret ready, and return the operation that is left to do; `on_recovery` gets a recovered secret."""
        return self

    @abstractmethod
    def send(self, store: SecretWriter) -> Written:
        """Change the store. Raises StoreError."""

    @abstractmethod
    def verify(self, store: SecretWriter, written: Written, record: Record) -> WriteResult:
        """Read back whether the store has what was written. Raises StoreError."""

    def removed_properties(self) -> Callable[[str | None], bool] | None:
        """A test for the properties that are gone after the write; None if no property goes."""
        return None

    def announcement(self) -> dict[str, Any]:
        """The fields of the journal's line right before the write is sent."""
        return {"before": self.before}

    def journal_fields(self) -> dict[str, Any]:
        """The fields of the write's line in the journal's plan."""
        had = self.base.attributes.tags.get(VALUE_SINCE) if self.base is not None else None
        return {
            "store": self.store,
            "name": self.name,
            "kind": str(self.kind),
            "before": self.before,
            "recover": False,
            "deleted": None,
            "versions": [],
            # A Vault has one tag for all versions: an undo needs the one that is replaced.
            **({"since": had} if had is not None else {}),
            "keys": [
                {
                    "secret": step.secret,
                    "key": step.key,
                    "kind": str(step.kind),
                    "source": str(step.source) if step.source is not None else None,
                    "property": step.destination.property if step.destination is not None else None,
                }
                for step in self.steps
            ],
        }

    def report_done(self, version: str) -> WriteResult:
        return WriteResult(*self.target, State.DONE, version)

    def report_refusal(self, error: StoreError) -> WriteResult:
        """The result if the store refused the write or did not answer."""
        state = State.CONFLICT if isinstance(error, ConflictError) else State.FAILED
        found = (error.found,) if isinstance(error, ConflictError) and error.found is not None else ()
        return WriteResult(*self.target, state, None, found, error.code, error.reason, error.remedy)

    def report_conflict(self, version: str, others: tuple[str, ...], reason: str, remedy: str) -> WriteResult:
        return WriteResult(*self.target, State.CONFLICT, version, others, "conflict", reason, remedy)

    def report_overtaken(self, version: str, found: str) -> WriteResult:
        reason = f"another writer wrote version {found} right after version {version}"
        return self.report_conflict(version, (found,), reason, _NEW_PLAN)

    def report_unverified(
        self, version: str, reason: str, remedy: str = "check it by hand, and do not trust this address"
    ) -> WriteResult:
        return WriteResult(*self.target, State.UNVERIFIED, version, (), UnverifiedError.code, reason, remedy)


@dataclass(frozen=True, slots=True, eq=False)
class NewVersion(Operation):
    """A write that makes a new version."""

    content: Changes = field(default_factory=dict)  # what it sets and removes
    attributes: Attributes | None = None  # to store with the value; None if the value comes alone
    since: str | None = None  # the tag `value-since` to set
    aged: tuple[Aged, ...] = ()  # its keys with a limit
    expires: datetime | None = None  # the expiry date to set; None to keep its own
    validity_days: int = 0  # the days from the write to `expires`
    redates: bool = False  # `expires` was asked for: set it even if the value is there

    @property
    def stored_attributes(self) -> Attributes | None:
        """The attributes to store with the value; None if they are those of `base`."""
        if self.since is None and self.expires is None:
            return self.attributes
        kept = self.attributes or (self.base.attributes if self.base is not None else Attributes())
        tags = dict(kept.tags) if self.since is None else {**kept.tags, VALUE_SINCE: _distinct(self.since, self.base)}
        if self.expires is None:
            return replace(kept, tags=tags)
        if VALIDITY_DAYS in tags:
            tags[VALIDITY_DAYS] = str(self.validity_days)
        return replace(kept, tags=tags, expires=self.expires)

    def uses(self) -> frozenset[Use]:
        has = self.base.attributes.tags if self.base is not None else {}
        wanted = self.stored_attributes
        return frozenset({Use.UPDATE, *((Use.TAG,) if wanted is not None and wanted.tags != has else ())})

    @property
    @abstractmethod
    def expected_content(self) -> Content:
        """The whole content that the new version should have."""

    def verify(self, store: SecretWriter, written: Written, _record: Record) -> WriteResult:
        found = store.read(self.name)
        if written.slipped:
            names = ", ".join(written.slipped)
            reason = f"another writer's version {names} came in between and was replaced by this one"
            return self.report_conflict(written.version, written.slipped, reason, "compare the two versions by hand")
        if found.version != written.version:
            return self.report_overtaken(written.version, found.version)
        if not is_same(found, self.expected_content):
            reason = f"version {written.version} reads back with a different value than was written"
            remedy = "check that version by hand, and do not trust this address"
            return self.report_unverified(written.version, reason, remedy)
        return self.report_done(written.version)


@dataclass(frozen=True, slots=True, eq=False)
class Put(NewVersion):
    """Sets or removes properties, or sets the whole value; a soft-deleted remote secret is recovered first."""

    recover: bool = False  # it is soft-deleted; `base` is read after the recovery
    deleted: str | None = None  # the soft-deleted version, if the store says which
    has_history: bool = False  # the name had versions, none of which can be read

    @property
    def kind(self) -> Kind:
        if self.recover:
            return Kind.RECOVER
        if any(step.kind is Kind.REMOVE for step in self.steps):
            return Kind.REMOVE
        return Kind.CREATE if self.base is None else Kind.UPDATE

    @property
    def is_new(self) -> bool:
        """Whether the store has never had a secret of this name, as far as is known."""
        return self.base is None and not self.recover and not self.has_history

    @property
    def expected_content(self) -> Content:
        return self.content if isinstance(self.content, SecretValue) else with_changes(self.base, self.content)

    def uses(self) -> frozenset[Use]:
        own = NewVersion.uses(self)
        if self.recover:
            return own | {Use.RECOVER}
        return own - {Use.UPDATE} | {Use.CREATE} if self.is_new else own

    def prepare(self, store: SecretWriter, on_recovery: Callable[[RemoteSecret], None]) -> "Put":
        if not self.recover:
            return self
        place = StoreLocation(store.address.absolute, self.name)
        store.recover(self.name)
        try:
            base = store.read(self.name)
        except StoreError as error:
            # Not the error itself: it would hide the recovery, and the undo of the run would not revert it.
            reason = f"it is recovered, but {error.reason}"
            code = Code.UNFINISHED_WRITE
            raise StoreError(place, Action.READ, reason, error.remedy, code, version=self.deleted or "") from None
        on_recovery(base)
        if self.deleted is not None and base.version != self.deleted:
            found = base.version
            reason = f"another writer changed it: version {self.deleted} was soft-deleted, the current version is"
            raise ConflictError(place, Action.WRITE, f"{reason} {found}", _NEW_PLAN, found=found)
        left = replace(self, base=base, recover=False)
        if self.expires is not None and (self.redates or base.attributes.expires is None):
            # The value may be there already, but without its date.
            return left
        if isinstance(self.content, SecretValue):
            return replace(left, content={}) if is_same(base, self.content) else left
        comparer = Comparer()
        content = {
            key: value
            for key, value in self.content.items()
            if value is not None and not holds(base, key, value, comparer)
        }
        return replace(left, content=content)

    @property
    def is_kept(self) -> bool:
        """Whether there is nothing to write: the recovered secret is as it should be."""
        return not isinstance(self.content, SecretValue) and not self.content

    def send(self, store: SecretWriter) -> Written:
        if self.is_kept:
            return Written(self.before or "")
        return store.write(self.name, self.content, self.base, self.stored_attributes)

    def verify(self, store: SecretWriter, written: Written, record: Record) -> WriteResult:
        if self.is_kept:
            return WriteResult(*self.target, State.KEPT, written.version)
        return NewVersion.verify(self, store, written, record)

    def announcement(self) -> dict[str, Any]:
        # A resumed run may find deleted what it planned to create.
        recovers = {"deleted": self.deleted} if self.recover and self.deleted is not None else {}
        return {"before": self.before, **recovers}

    def journal_fields(self) -> dict[str, Any]:
        return {**NewVersion.journal_fields(self), "recover": self.recover, "deleted": self.deleted}


@dataclass(frozen=True, slots=True, eq=False)
class Restore(NewVersion):
    """Writes the content of an earlier version as a new version."""

    base: RemoteSecret = field(kw_only=True)
    earlier: RemoteSecret = field(kw_only=True)
    former_since: str | None = None  # its tag `value-since`, in a store with one set of tags for all versions

    def send(self, store: SecretWriter) -> Written:
        earlier = replace(self.earlier, attributes=self.stored_attributes or self.earlier.attributes)
        return store.restore(earlier, self.base)

    @property
    def as_it_was(self) -> RemoteSecret:
        """The earlier version with the tag that it had."""
        since = {VALUE_SINCE: self.former_since} if self.former_since is not None else {}
        tags = {**self.earlier.attributes.tags, **since}
        return replace(self.earlier, attributes=replace(self.earlier.attributes, tags=tags))

    @property
    def expected_content(self) -> Content:
        return self.earlier.content

    def removed_properties(self) -> Callable[[str | None], bool] | None:
        base = self.base.properties if self.base is not None else {}
        gone = base.keys() - self.earlier.properties.keys()
        return gone.__contains__ if gone else None


@dataclass(frozen=True, slots=True, eq=False)
class Delete(Operation):
    """Soft-deletes a remote secret, in a Vault its newest version."""

    KIND = Kind.DELETE
    USES = frozenset({Use.DELETE})

    def send(self, store: SecretWriter) -> Written:
        store.soft_delete(self.name, self.before or "")
        return Written(self.before or "")

    def verify(self, store: SecretWriter, written: Written, _record: Record) -> WriteResult:
        found = store.describe(self.name)
        if found.state is not StoreState.PRESENT:
            return self.report_done(written.version)
        if found.version not in {None, written.version}:
            # A Vault deletes one version, and not the one that another writer adds meanwhile.
            return self.report_overtaken(written.version, str(found.version))
        return self.report_unverified(written.version, "the store reported it as deleted, but it still exists")

    def removed_properties(self) -> Callable[[str | None], bool] | None:
        return lambda _property: True


@dataclass(frozen=True, slots=True, eq=False)
class OfVersions(Operation):
    """A deletion or a recovery of the versions that it names."""

    versions: tuple[str, ...] = field(kw_only=True)  # oldest first

    @property
    def before(self) -> str | None:
        return self.versions[-1]


@dataclass(frozen=True, slots=True, eq=False)
class DeleteVersions(OfVersions):
    """Soft-deletes all readable versions of a remote secret."""

    others: tuple[str, ...] = ()  # versions that are deleted already
    made: Mapping[str, datetime] = field(default_factory=dict)  # when a Vault made each of `versions`
    KIND = Kind.DELETE
    USES = frozenset({Use.DELETE_VERSIONS})

    def send(self, store: SecretWriter) -> Written:
        store.delete_versions(self.name, self.versions)
        return Written(self.versions[-1])

    def verify(self, store: SecretWriter, written: Written, record: Record) -> WriteResult:
        """Check that the versions are deleted, and that all versions can still be recovered."""
        states, newest = store.version_states(self.name), written.version
        left = [version for version in self.versions if states.get(version) is StoreState.PRESENT]
        if left:
            reason = f"the store reported it as deleted, but {name_versions(left)} can still be read"
            return self.report_unverified(newest, reason)
        later = tuple(version for version, state in states.items() if state is StoreState.PRESENT)
        if later:
            # Deleted by their numbers, so that a version that came in between stays.
            reason = (
                f"another writer wrote {name_versions(later)}, which stays; {name_versions(self.versions)} were deleted"
            )
            remedy = "find out who still uses it, then run the command again for a new plan"
            return self.report_conflict(newest, later, reason, remedy)
        # A caller who deletes a whole secret might lack the permission to list its versions; other stores list each.
        unseen = StoreState.DESTROYED if store.address.provider.deletes_by_version else StoreState.SOFT_DELETED
        if states and newest not in states and unseen is StoreState.SOFT_DELETED:
            covered = tuple(states)
            record(Written(newest, covered))
            reason = f"another writer's {name_versions(covered)} came in between and was deleted too"
            return self.report_conflict(newest, covered, reason, "undo this run")
        kept = (*self.versions, *self.others)
        lost = [version for version in kept if states.get(version, unseen) is not StoreState.SOFT_DELETED]
        if lost:
            reason = f"{name_versions(lost)} cannot be recovered any more, and was only to be deleted"
            return self.report_unverified(newest, reason)
        return self.report_done(newest)

    def journal_fields(self) -> dict[str, Any]:
        made = {version: time.isoformat() for version, time in self.made.items()}
        versions = {"versions": list(self.versions), **({"made": made} if made else {})}
        return {**Operation.journal_fields(self), **versions}


@dataclass(frozen=True, slots=True, eq=False)
class RecoverVersions(OfVersions):
    """Recovers exactly the versions that a run deleted."""

    KIND = Kind.RECOVER
    USES = frozenset({Use.RECOVER_VERSIONS})

    def send(self, store: SecretWriter) -> Written:
        store.recover_versions(self.name, self.versions)
        return Written(self.versions[-1])

    def verify(self, store: SecretWriter, written: Written, _record: Record) -> WriteResult:
        """Check that these versions can be read, and no others."""
        states = store.version_states(self.name)
        left = [version for version in self.versions if states.get(version) is not StoreState.PRESENT]
        if left:
            reason = f"the store reported it as recovered, but {name_versions(left)} cannot be read"
            return self.report_unverified(written.version, reason)
        readable = (version for version, state in states.items() if state is StoreState.PRESENT)
        others = tuple(version for version in readable if version not in self.versions)
        if others:
            reason = f"another writer wrote or recovered {name_versions(others)} meanwhile"
            return self.report_conflict(written.version, others, reason, "compare the versions by hand")
        return self.report_done(written.version)


def _distinct(since: str, base: RemoteSecret | None) -> str:
    """The tag `since`, made different from the tag of `base`: a second older, or with "again".

    In a Key Vault only a changed tag shows that the tag belongs to the new version.
    """
    if base is None or base.attributes.tags.get(VALUE_SINCE) != since:
        return since
    try:
        return (datetime.fromisoformat(since) - timedelta(seconds=1)).isoformat(timespec="seconds")
    except ValueError:
        return f"{since} again"


def is_same(found: RemoteSecret, content: Content) -> bool:
    """Whether `found` has exactly this content: the whole value, or these properties and no others."""
    comparer = Comparer()
    if isinstance(content, SecretValue):
        return found.whole is not None and comparer.same(found.whole, content)
    return found.properties.keys() == content.keys() and all(
        holds(found, *member, comparer) for member in content.items()
    )


def holds(found: RemoteSecret, key: str, value: SecretValue, comparer: Comparer) -> bool:
    """Whether the property `key` has this value: the same JSON type and the same text."""
    return key in found.properties and comparer.same(found.properties[key], value)


def losses_of(
    writes: Iterable[Operation], stores: Mapping[str, SecretWriter], workers: int = WORKERS
) -> tuple[Note, ...]:
    """Notes on the earlier versions that are lost through `writes`, in the order of the writes.

    A Vault keeps a limited number of versions of each secret, and may delete each after a time. A Key Vault keeps all,
    and is not asked.
    Raises the StoreError of a store that no longer answers at all. Any other refusal becomes an unknown loss, and does
    not stop the plan.
    """
    new = [write for write in writes if isinstance(write, NewVersion)]
    asked = [write for write in new if stores[write.store].address.provider.drops_versions]
    if not asked:
        return ()
    # The stores in which the metadata of a new name may not be read: there is nothing of it to lose.
    denied: set[str] = set()

    def losses(write: NewVersion) -> tuple[Note, ...]:
        return tuple(_losses(write, stores[write.store], denied))

    return tuple(loss for found in ask_many(losses, asked, workers) for loss in found)


def _losses(write: NewVersion, store: SecretReader, denied: set[str]) -> Iterator[Note]:
    """Notes on the versions that `write` loses. A store in `denied` forbids the metadata of new names: skip those."""
    place, secret = Location(*write.target, None), write.steps[0].secret if write.steps else ""
    is_new = isinstance(write, Put) and write.is_new
    if is_new and write.store in denied:
        return
    try:
        dropped = store.losses_of_write(write.name)
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
        replaced = write.deleted if isinstance(write, Put) and write.recover else write.before
        kind = NoteKind.DROPS_WAY_BACK if replaced in dropped.versions else NoteKind.DROPS_VERSIONS
        # Twice as many as the larger of the secret's and the mount's limits.
        remedy = kv_line(store.address, ("metadata", "put"), f"-max-versions={2 * dropped.keeps}", write.name)
        yield Note(kind, secret, place, None, remedy, dropped.versions, dropped.keeps)
    if dropped.lives is not None:
        remedy = lasting_command(store.address, write.name, dropped.limits)
        ends = datetime.now(UTC) + timedelta(seconds=dropped.lives)
        yield Note(NoteKind.DELETES_ITSELF, secret, place, ends, remedy, lives=dropped.lives)


def refuse_targets(plan: Plan, why: Mapping[Target, tuple[str, str]]) -> Plan:
    """`plan` without the writes to the remote secrets in `why`, which has the reason and the remedy of each."""

    def refuse(step: Step) -> Step:
        if step.kind not in WRITING or step.target is None or step.target not in why:
            return step
        return step.refuse(*why[step.target])

    return replace(
        plan,
        steps=tuple(map(refuse, plan.steps)),
        writes=tuple(write for write in plan.writes if write.target not in why),
        losses=tuple(loss for loss in plan.losses if (loss.place.store, loss.place.name) not in why),
    )
