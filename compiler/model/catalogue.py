"""Defines the catalogue: the secrets that exist, their keys and variants, and where each provider keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.model.document import Document, Node

# The characters of Base64's alphabet for URLs: no application needs to escape them.
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

# What is printed where the catalogue says nothing: the Secret goes with its ExternalSecret, and stays as it is when a
# remote secret is no longer in the store.
OWNER, RETAIN = "Owner", "Retain"
# The types of Kubernetes itself; pods pull images with those of the former.
PULL_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
_KUBERNETES_TYPES = ("tls", "basic-auth", "ssh-auth", "service-account-token")
SECRET_TYPES = ("Opaque", *PULL_TYPES, *(f"kubernetes.io/{name}" for name in _KUBERNETES_TYPES))
ORPHAN, DELETE = "Orphan", "Delete"

# The name of what stands for all keys of an entry with `extract: true` that lists none; no key can have it.
ALL_KEYS = "*"

# The issuer of a value that is ours to choose.
SELF = "self"


class KeyRemote(NamedTuple):
    """The place that a key names; the parts it leaves out come from the entry and from the key's name."""

    name: str | None = None
    property: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a key's value may live, and how it is replaced; what is unset is not known."""

    rotate_days: int | None = None  # how often a new value is wished for
    max_age_days: int | None = None  # after how long the issuer ends one
    overlap: str | None = None  # how an old value is accepted beside the new one: `two-keys`, `previous`, `none`
    previous_key: str | None = None  # the key that keeps the old value meanwhile
    revoke: str | None = None  # how an old value is ended: `disable-first`, `at-once`
    issuer: str | None = None  # an https link to where a new value is made, or `self`
    owner: str | None = None
    rotate_with: tuple[str, ...] = ()  # keys of the entry that are made together with this one
    length: int = 48  # of a generated value, in characters of `alphabet`
    alphabet: str = URL_SAFE

    @property
    def issuer_link(self) -> str | None:
        """The link to where a new value is made, None for a value of our own and where it is not known."""
        return self.issuer if self.issuer != SELF else None

    @property
    def limit_days(self) -> int | None:
        """The age in days at which a new value is due: the smaller of the wish and the issuer's limit."""
        return min((days for days in (self.rotate_days, self.max_age_days) if days is not None), default=None)


UNLIMITED = Lifetime()


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueKey:
    """One key of an entry."""

    name: str
    description: str
    variants: tuple[str, ...]
    lifetime: Lifetime
    remote: Mapping[str, KeyRemote]
    node: Node
    # The key whose value this one has; None for a value of its own, and where `from` leads nowhere.
    origin: Origin | None = None

    @property
    def is_taken(self) -> bool:
        """Whether its value is another key's: its place, its variants and its dates are that one's."""
        return "from" in self.node.children

    @property
    def source(self) -> tuple[str, str] | None:
        """The entry and the key that `from` names, None without it."""
        written = self.node.text("from") if self.is_taken else None
        if written is None:
            return None
        entry, _, name = written.partition("/")
        return entry, name

    @property
    def value_key(self) -> CatalogueKey:
        """The key that has the value: itself, or the one that it is taken from."""
        return self.origin.key if self.origin is not None else self

    def holder(self, own: Entry) -> Entry:
        """The entry that has the value: `own`, which is the key's, or the one that it is taken from."""
        return self.origin.entry if self.origin is not None else own


class Origin(NamedTuple):
    """The key at the end of a chain of `from`, and its entry: what they say of the value holds for all its readers."""

    entry: Entry
    key: CatalogueKey


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One secret of the catalogue."""

    id: str
    description: str
    target: str
    remote: Mapping[str, str]  # the remote secret's name by provider, without a store's prefix
    sync_wave: int
    # What an environment gets that names none; None without a `use:` line: then it gets all.
    default_variants: tuple[str, ...] | None
    mounted_by: tuple[str, ...]
    keys: Mapping[str, CatalogueKey]
    variants: tuple[str, ...]
    node: Node
    external_secret: str = ""  # the ExternalSecret's name
    type: str | None = None  # the Secret's; None where none is printed
    # The text of each key of the Secret; empty where its keys are those that are fetched.
    template: Mapping[str, str] = field(default_factory=dict)
    creation_policy: str = OWNER
    deletion_policy: str = RETAIN
    # Every property of the remote secret is fetched; `keys` has those that must be there.
    extract: bool = False
    # What stands for all its keys where every property is fetched and none is listed.
    every_key: CatalogueKey | None = None
    # It lies behind the log-in that guards a store: a failed move could lock out whoever repairs it.
    guards: bool = False

    @property
    def source_keys(self) -> Mapping[str, CatalogueKey]:
        """What is fetched, by name: `keys`, or what stands for all by the name ALL_KEYS."""
        return self.keys if self.every_key is None else {ALL_KEYS: self.every_key}

    @property
    def target_nodes(self) -> Mapping[str, Node]:
        """The keys that the Secret may have, by name, each where the catalogue writes it."""
        return self.node.members_at("template", "data") or {name: key.node for name, key in self.keys.items()}

    @property
    def skips_missing(self) -> bool:
        """Whether the operator leaves out what a store does not have, and says Ready all the same."""
        return self.deletion_policy != RETAIN

    def keys_of(
        self, variants: tuple[str, ...], of_origins: Mapping[str, tuple[str, ...]] | None = None
    ) -> tuple[CatalogueKey, ...]:
        """The keys in no variant and those of `variants`, in the catalogue's order.

        A key that takes its value from another is there with that one: `of_origins` has the variants in use of the
        entries that hold such values; without them, it is there.
        """
        own = frozenset(variants)
        return tuple(key for key in self.source_keys.values() if _is_in(key, own, of_origins))


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """All entries by id, in the order of the file."""

    entries: Mapping[str, Entry]
    document: Document
    # For each entry that takes values from others, the entries that hold them.
    origins: Mapping[str, tuple[Entry, ...]]


def _is_in(key: CatalogueKey, own: frozenset[str], of_origins: Mapping[str, tuple[str, ...]] | None) -> bool:
    if key.origin is None:
        return not key.variants or not own.isdisjoint(key.variants)
    return of_origins is None or _is_in(key.origin.key, frozenset(of_origins[key.origin.entry.id]), None)
