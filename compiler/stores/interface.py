"""Defines what every store adapter offers: SecretReader reads, SecretWriter writes, and the data that they exchange.

A provider's client is imported only when one of its stores is opened.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol, cast

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.pacing import Clock, Limiter, Quotas, Retrier, RetryPolicy, ignore
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import install_line

# What a remote secret holds: values by their properties, or its whole value.
Content = Mapping[str, SecretValue] | SecretValue
# What a write sets in it; None takes a property away.
Changes = Mapping[str, SecretValue | None] | SecretValue


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a store keeps beside a value; times are aware."""

    enabled: bool = True
    # The store serves an expired or not yet valid secret all the same: whoever reads it judges both dates.
    expires: datetime | None = None
    not_before: datetime | None = None
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)  # Key Vault's tags or Vault's custom_metadata
    created: datetime | None = None
    updated: datetime | None = None
    managed: bool = False
    is_recoverable: bool = True  # False in a vault without soft delete, where a delete would destroy the secret

    def past_expires(self, now: datetime) -> datetime | None:
        """The expiry date, where it is past."""
        return self.expires if self.expires is not None and self.expires <= now else None

    def not_before_ahead(self, now: datetime) -> datetime | None:
        """The activation date, where it lies ahead."""
        return self.not_before if self.not_before is not None and self.not_before > now else None


@dataclass(frozen=True, slots=True)
class RemoteSecret:
    """One version of one remote secret, as read in one request."""

    name: str
    version: str
    # The top level of the JSON object; one that is no string has another `kind` and the raw JSON token.
    properties: Mapping[str, SecretValue]
    attributes: Attributes
    whole: SecretValue | None = None  # the entire stored text: Key Vault has it always, Vault never
    is_object: bool = True  # False: the text is no JSON object, and `properties` is empty

    @property
    def content(self) -> Content:
        """All that it holds."""
        return self.whole if self.whole is not None else self.properties


# The tag that this program writes beside a value: since when the oldest value with a limit is the same, in ISO 8601.
# It only reads HashiCorp's `renew-date`, YYYY-MM-DD.
VALUE_SINCE: Final = "value-since"
# The date of a copy whose age is not known, or the start of it.
UNKNOWN_SINCE: Final = "unknown"
# What follows the date in a Vault, where a tag is of all versions: the first version that it is about.
FROM_VERSION: Final = " from version "
RENEW_DATE: Final = "renew-date"
# A tag of Azure's own functions that rotate a secret: for how many days a new version is valid.
VALIDITY_DAYS: Final = "ValidityPeriodDays"


def since_text(*dates: datetime | None) -> str:
    """The tag `value-since` for the oldest of `dates`; None is an unknown age."""
    known = [date for date in dates if date is not None]
    return min(known).astimezone(UTC).isoformat(timespec="seconds") if len(known) == len(dates) else UNKNOWN_SINCE


def with_changes(base: RemoteSecret | None, changes: Mapping[str, SecretValue | None]) -> dict[str, SecretValue]:
    """Return the properties of `base`, if there is one, after `changes`."""
    merged = {**(base.properties if base is not None else {}), **changes}
    return {name: value for name, value in merged.items() if value is not None}


class StoreState(StrEnum):
    """How a remote secret is, or one version of it, without its value."""

    ABSENT = "absent"
    PRESENT = "present"
    DISABLED = "disabled"
    SOFT_DELETED = "soft-deleted"  # it can be recovered
    DESTROYED = "destroyed"  # Vault: the version is destroyed for good, or the newest one of a name that has history


@dataclass(frozen=True, slots=True)
class SecretState:
    """What is known of a name without its value. `version` is the newest one, of a deleted secret too where told."""

    name: str
    state: StoreState
    version: str | None = None
    attributes: Attributes = field(default_factory=Attributes)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a store says that it holds at one place, without a value."""

    # By the names of remote secrets: what is kept beside them, as far as a list tells.
    secrets: Mapping[str, Attributes]
    # Where to go on: folders of a Vault, the next page of a Key Vault.
    more: tuple[str, ...] = ()


class Use(StrEnum):
    """What is done with one remote secret, for the access that it takes."""

    LIST = "list"  # it is named in a list, with the names of its properties where the store tells them without values
    READ = "read"
    AGE = "age"  # it is found out when a value was written, by versions and their dates
    CREATE = "create"  # the name has no version yet
    UPDATE = "update"  # a version is written over those that the store knows
    TAG = "tag"  # tags are written beside a value
    DELETE = "delete"  # softly, the newest version
    RECOVER = "recover"
    DELETE_VERSIONS = "delete-versions"
    RECOVER_VERSIONS = "recover-versions"


class Role(StrEnum):
    """Who uses a store, and what for."""

    OPERATOR = "operator"  # External Secrets Operator, in the cluster
    READER = "reader"
    WRITER = "writer"
    RETIRER = "retirer"
    IMPORTER = "importer"  # reads names alone


class VersionStates(dict[str, StoreState]):
    """The state of each version that a store knows of a name, oldest first.

    `made` has when it made those whose number alone does not tell them from others': a Vault's.
    """

    def __init__(
        self, states: Mapping[str, StoreState] | None = None, made: Mapping[str, datetime] | None = None
    ) -> None:
        super().__init__(states or {})
        self.made = made or {}


@dataclass(frozen=True, slots=True)
class Written:
    """A write that was stored as `version`."""

    version: str
    # Versions of other writers between what was read and this one: never on Vault, whose compare-and-set refuses the
    # write; on Key Vault they are found afterwards, already covered by this version.
    slipped: tuple[str, ...] = ()
    # When the store made it, where its number alone does not tell it from another's: in a Vault.
    made: datetime | None = None


class Limit(StrEnum):
    """Where `delete_version_after` is set."""

    NAME = "name"  # in the metadata of the secret
    MOUNT = "mount"


@dataclass(frozen=True, slots=True)
class Dropped:
    """The readable versions that the next write makes the store drop for good, oldest first."""

    versions: tuple[str, ...]
    keeps: int  # how many versions the store keeps of the secret
    lives: int | None = None  # seconds after which the new version deletes itself, None where it stays
    limits: tuple[Limit, ...] = ()  # where `lives` is set


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a write would be refused, found before anything is sent. `code` is that of the error it would raise."""

    code: str
    name: str
    reason: str
    remedy: str
    property: str | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the store says the caller is."""

    subject: str  # for audit lines
    method: str  # of the log-in
    expires: datetime | None = None  # when the log-in ends
    source: str = ""  # where its credential comes from: a variable, a file, one of several; never a value


@dataclass(frozen=True, slots=True)
class Cluster:
    """Who a Vault says it is, without a log-in: another id proves another Vault, the same id proves nothing."""

    id: str
    name: str
    has_namespaces: bool | None = None  # None where it does not say

    def __str__(self) -> str:
        return f'"{self.name}" ({self.id})' if self.name else self.id


class SecretReader(Protocol):
    """Looks into one store, from any number of threads. Every method raises a StoreError that names the place."""

    @property
    def address(self) -> StoreAddress: ...

    def read(self, name: str) -> RemoteSecret:
        """Return the newest version, in one request."""

    def read_version(self, name: str, version: str) -> RemoteSecret:
        """Return one earlier version; VersionGoneError or DisabledError when it can no longer be read."""

    def describe(self, name: str) -> SecretState:
        """Return the state of a name without asking for its value; absent and deleted are states, not errors."""

    def version_states(self, name: str) -> VersionStates:
        """The state of each version that the store knows of a name, oldest first; none for an absent one.

        A store that deletes and recovers a secret whole (Key Vault) gives the newest version, which stands for all.
        Raises ForbiddenError where the caller may not ask.
        """

    def list_versions(self, name: str) -> Mapping[str, Attributes] | None:
        """What each version has beside its value, oldest first; those of one second have no order.

        None where that takes another right than reading does: a Vault counts its versions from 1, and each has its date
        when it is read.
        """

    def list_names(self, at: str = "") -> Listing:
        """What lies in the store, in one request: at its beginning, or `at` one of the places of a Listing's `more`."""

    def property_names(self, name: str) -> tuple[str, ...] | None:
        """The names of a remote secret's properties without its value; None where only the value tells them.

        NotFoundError and SoftDeletedError where no version can be read.
        """

    def other_engines(self) -> tuple[str, ...]:
        """What else the server holds beside this store, in words, as far as the caller may see it."""

    def losses_of_write(self, name: str) -> Dropped | None:
        """What the next write of `name` makes the store drop, now or later; None for nothing. Raises ForbiddenError."""

    def whoami(self) -> Identity: ...

    def now(self) -> datetime:
        """Return the time by the server's clock as it last said, by this machine's where it does not say."""

    def cluster(self) -> Cluster | None:
        """Who the server says it is, asked once and without a log-in; None where it does not: no Key Vault does.

        Raises a StoreError, other-cluster, where the address expects another one.
        """

    def close(self) -> None:
        """Free connections; a second call does nothing."""


class SecretWriter(SecretReader, Protocol):
    """Changes one store. Nothing here destroys: there is no purge, and a delete can be recovered.

    `base` is what the caller read and decided upon; None means that the name must be absent. Where the newest version
    is another one, ConflictError is raised: on Vault by the store itself, on Key Vault by a last read before the write.
    A reply that is lost is settled by reading back, so that one call makes at most one version.
    """

    def expect(self, uses: Mapping[str, Collection[Use]]) -> None:
        """Take note of what the caller may go on to do, by names: the help of a refusal then has all that it takes."""

    def check_access(self, uses: Mapping[str, Collection[Use]]) -> tuple[Problem, ...] | None:
        """The names of `uses` that the caller lacks access for; None where the store, as a Key Vault, does not say."""

    def excess_access(self, uses: Mapping[str, Collection[Use]]) -> str | None:
        """What the caller may do with these names beyond `uses`; empty for nothing, None where it does not say."""

    def check(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> tuple[Problem, ...]:
        """Return why `write` with the same arguments would be refused, without any request."""

    def write(
        self, name: str, content: Changes, base: RemoteSecret | None, attributes: Attributes | None = None
    ) -> Written:
        """Sets the properties in `content` and keeps every other one of `base` and its bytes, or sets the whole value.

        A property whose value is None is taken away.

        The new version carries `attributes`, or those of `base` when None. A base that is no JSON object is a
        StoreError, malformed-document; a store of documents (Vault) refuses a whole value.
        """

    def restore(self, earlier: RemoteSecret, base: RemoteSecret) -> Written:
        """Write `earlier`, a version of the same secret, once more as its newest version: same bytes and attributes."""

    def soft_delete(self, name: str, version: str) -> None:
        """Deletes so that `recover` can bring it back; done where it is deleted. ConflictError for a newer version."""

    def check_deletion(self, base: RemoteSecret) -> tuple[Problem, ...]:
        """Return why `delete_versions` of `base` would be refused, without any request."""

    def delete_versions(self, name: str, versions: Sequence[str]) -> None:
        """Deletes these versions, oldest first, so that `recover_versions` can bring back exactly them.

        They are all that can be read: where others can be, or some of these no longer, it is a ConflictError. Where all
        of them are deleted already, it is done.
        """

    def recover_versions(self, name: str, versions: Sequence[str]) -> None:
        """Brings these deleted versions back, and no other; done where they can be read already.

        Raises ConflictError where another version can be read, and VersionGoneError for one that is lost for good.
        """

    def recover(self, name: str) -> SecretState:
        """Bring a soft-deleted secret back and wait until it can be read and written."""


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """How an adapter works; timeouts are in seconds."""

    quotas: Quotas | None = None  # None: the provider's own limits
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Clock = field(default_factory=Clock)
    chance: Callable[[], float] = random.random
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    # called once, before a log-in, with who the server says it is
    on_contact: Callable[[Cluster | None], None] = ignore
    # Called with a sentence about what an operation has waited for during `silent` seconds, once a reason.
    on_wait: Callable[[str], None] = ignore
    silent: float = 5.0

    def retrier(self, store: str, quotas: Quotas) -> Retrier:
        """What sends the requests to the store at that address; `quotas` are its provider's."""
        limiter = Limiter(quotas if self.quotas is None else self.quotas, self.clock)
        return Retrier(limiter, self.clock, self.retry, self.chance, store, self.on_wait, self.silent)


def open_store(address: StoreAddress, environ: Mapping[str, str], options: StoreOptions | None = None) -> SecretWriter:
    """Returns the adapter of the address' provider; nothing is sent before its first use. Close it after use.

    Every adapter has a constructor of these three arguments. Raises a StoreError: missing-dependency where the
    provider's client is not installed, tls-failure or invalid-name for an address that must not be used.
    """
    provider = address.provider
    try:
        module = provider.load("store")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("compiler"):
            raise
    else:
        return cast("SecretWriter", getattr(module, provider.adapter)(address, environ, options or StoreOptions()))
    place, package = StoreLocation(address.absolute), missing.partition(".")[0]
    reason, remedy = f'the Python package "{package}" is not installed', f"run: {install_line(provider.extra)}"
    raise StoreError(place, Action.CONNECT, reason, remedy, Code.MISSING_DEPENDENCY)
