"""Defines the catalogue of secrets, and an environment after its layers are merged and its secrets resolved.

An entry of the catalogue has keys, variants, and where each provider keeps them. An environment is what rules judge and
commands act on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compiler.model.document import Document, Node
    from compiler.model.provider import Provider
    from compiler.model.store import Place, StoreIdentity

# The characters of Base64's alphabet for URLs: no application needs to escape them.
URL_SAFE = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

# What is printed where the catalogue says nothing: the Secret goes with its ExternalSecret, and stays as it is when a
# remote secret is no longer in the store.
OWNER, RETAIN = "Owner", "Retain"
# Pods pull images with Secrets of these types.
PULL_TYPES = ("kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg")
ORPHAN, DELETE = "Orphan", "Delete"


class _EveryKey(str):
    """A name that is printed as `*` and equals itself alone: a property of a remote secret may be called `*`."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    __hash__ = object.__hash__


# The name of what stands for all keys of an entry with `extract: true` that lists none; no key can have it.
ALL_KEYS: Final = _EveryKey("*")

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
    def has_overlap(self) -> bool:
        """Whether an old value goes on working beside the new one."""
        return self.overlap != "none"

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


# The member of `naming:` that names the Kubernetes Secret; the others are the providers.
TARGET: Final = "target"
# Stands for the id of the new secret: the only part of a pattern that differs between secrets.
OWN_ID: Final = "secret"
PLACEHOLDERS: Final = ("name", "namespace", OWN_ID)
# A placeholder, or a brace that belongs to none.
PLACEHOLDER = re.compile(r"\{([^{}]*)\}|[{}]")


def placeholders(pattern: str) -> tuple[str, ...]:
    """The names in braces, in order."""
    return tuple(part[1] for part in PLACEHOLDER.finditer(pattern) if part[1] is not None)


def fill_pattern(pattern: str, meanings: Mapping[str, str]) -> str:
    """`pattern`, which has no faults, with each placeholder replaced by its meaning."""
    return PLACEHOLDER.sub(lambda part: meanings[part[1]], pattern)


# Notes the `store:` from before a switch: the store, and the secrets where the line has others too.
MARK = re.compile(r"  # before: (\S+)(?: for ([^#\n]*))?$")
KEY = "moves"
# In a step: every secret that no other step names.
REST = "all"


# The maps of texts that an environment and each of its secrets may have, as messages call one of a map.
METADATA: Final = {
    "labels": "label",
    "annotations": "annotation",
    "secretLabels": "Secret's label",
    "secretAnnotations": "Secret's annotation",
}
# The values of `fetch`: one read for each key, which is the default, or one for each secret.
PER_KEY, BUNDLE = "perKey", "bundle"
# In a values file, that of an entry with `extract: true`.
EXTRACT = "extract"


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """A store as an environment names it."""

    id: str
    provider: Provider
    name: str
    kind: str
    prefix: str
    address: str | None  # as written
    mount: str  # empty where the provider has none
    vault_namespace: str | None
    rendered: bool
    node: Node  # the merged mapping it came from
    reachable_at: str | None = None  # where live commands reach a Vault instead; not in values
    cluster_id: str | None = None  # what its server says it is; not in values
    requires_expiry: bool = False  # it refuses a secret without an expiry date
    longest_validity: int | None = None  # in days from now, as `shortest_validity`; None where any date may be
    shortest_validity: int | None = None
    environment: str = ""  # its name

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """The settings that are addresses, each with its text as written."""
        written = ((self.provider.address, self.address), ("reachableAt", self.reachable_at))
        return tuple((setting, text) for setting, text in written if text)

    @property
    def identity(self) -> StoreIdentity:
        """Which store it is, as its environment writes it."""
        identity = self.provider.identity(self.address, self.mount, self.vault_namespace)
        return identity if self.cluster_id is None else identity._replace(ids=frozenset({self.cluster_id}))


class ClusterPin(NamedTuple):
    """The cluster that an environment runs in, as its `cluster:` says."""

    id: str  # the UID of its namespace kube-system
    environment: str
    where: str  # file, line and column of the id


def cluster_pin(environment: str, root: Node) -> ClusterPin | None:
    """The pin in the merged tree of an environment; None where it has none."""
    node = root.get("cluster", "id")
    text = root.text("cluster", "id")
    return ClusterPin(text, environment, node.span.where) if node is not None and text is not None else None


def is_template_field(key: str) -> bool:
    """Whether `.KEY` names a fetched key in a template."""
    return key.isascii() and key.isidentifier()


def pass_text(key: str) -> str:
    """The text of a template that is the value of a fetched key as it is."""
    return f"{{{{ .{key} }}}}" if is_template_field(key) else f'{{{{ index . "{key}" }}}}'


class SecretKey(NamedTuple):
    """A key that a secret has in this environment; its place is None where the catalogue has none for the provider."""

    key: CatalogueKey
    place: Place | None


@dataclass(frozen=True, slots=True, eq=False)
class Secret:
    """A secret that an environment has."""

    id: str
    entry: Entry
    store: Store | None  # None where its id is unknown
    store_node: Node | None  # the node that decided
    namespace: str | None  # None where it is missing or invalid (a rule says so), as `refresh`
    refresh: int | None  # in seconds
    refresh_node: Node | None
    fetch: str
    remote: str | None  # its own remote name in that store, prefix included
    labels: Mapping[str, str]  # the ExternalSecret's
    annotations: Mapping[str, str]
    secret_labels: Mapping[str, str]  # the Secret's, beside `labels`
    secret_annotations: Mapping[str, str]
    variants: tuple[str, ...]  # in use and known
    keys: tuple[SecretKey, ...]  # those that are fetched, or ALL_KEYS
    node: Node  # its merged mapping in the environment

    @property
    def takes_all(self) -> bool:
        """Whether the Kubernetes Secret has every property of the remote secret: only the store knows them all."""
        return self.fetch == EXTRACT and not self.entry.template

    @property
    def uses_all(self) -> bool:
        """Whether what the Kubernetes Secret holds may depend on every property of the remote secret.

        So it is where it `takes_all`, and where a text of its template goes through all that is fetched, or may do so.
        """
        return self.takes_all or (self.fetch != PER_KEY and _may_read_all(self.entry.template))

    @property
    def template(self) -> Mapping[str, str]:
        """The text of each key of the Kubernetes Secret; empty where it has the fetched keys.

        A bundle fetches every property, so its template names those that pass.
        """
        if self.entry.template or self.fetch != BUNDLE:
            return self.entry.template
        return {item.key.name: pass_text(item.key.name) for item in self.keys}

    @property
    def target_keys(self) -> tuple[str, ...]:
        """The keys of the Kubernetes Secret; of one that `takes_all`, those that must be there."""
        return tuple(self.entry.template) or tuple(item.key.name for item in self.keys if item.key.name != ALL_KEYS)

    def source_key(self, made: str) -> SecretKey | None:
        """The fetched key whose value a key of the Kubernetes Secret has as it is; None for any other text."""
        text = self.entry.template.get(made)
        names = (item for item in self.keys if item.key.name == made or self.entry.template)
        return next((item for item in names if text in (None, pass_text(item.key.name))), None)


def _may_read_all(template: Mapping[str, str]) -> bool:
    if not template:
        return False
    from compiler.text.go_template import read_template  # noqa: PLC0415 - few entries have a template

    return any(read_template(text).may_read_all for text in template.values())


def lacks_base(layers: Sequence[Document]) -> bool:
    """Whether an environment of these layers needs the base, and there is none; of a damaged one it is not known."""
    needed = "extends", "namespace", "externalSecretsOperator"
    return len(layers) == 1 and not layers[0].damaged and layers[0].root.children.keys().isdisjoint(needed)


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """An environment, resolved as far as its input allows."""

    name: str
    root: Node
    layers: tuple[Document, ...]  # the documents that made it, lowest first, itself last
    catalogue: Catalogue
    stores: Mapping[str, Store]
    default_store: Store | None
    secrets: Mapping[str, Secret]
    disabled: tuple[str, ...]  # the ids with `enabled: false`
    operator: str | None  # the text of `externalSecretsOperator`
    part_of: str
    subchart: str | None  # the name that its values are nested under
    damaged: bool  # parts of a layer, or the base, were left out: conclude nothing from what is missing

    @property
    def document(self) -> Document:
        """The environment's own file."""
        return self.layers[-1]

    @property
    def cluster(self) -> ClusterPin | None:
        """The cluster that it runs in; None where the files do not say."""
        return cluster_pin(self.name, self.root)

    def shared_keys(self) -> Iterator[tuple[str, CatalogueKey]]:
        """The keys that several secrets here have in common by `from`, each with its secret; the holder first."""
        takers = [name for name in self.secrets if name in self.catalogue.origins]
        taken = [(name, item.key) for name in takers for item in self.secrets[name].keys if item.key.origin is not None]
        held = {key.value_key for _, key in taken}
        for holder in dict.fromkeys(holder.id for name in takers for holder in self.catalogue.origins[name]):
            secret = self.secrets.get(holder)
            yield from ((holder, item.key) for item in (secret.keys if secret is not None else ()) if item.key in held)
        yield from taken

    def stores_in_use(self) -> tuple[Store, ...]:
        """The stores that some secret reads, each once, in the order of the input."""
        used = {secret.store.id for secret in self.secrets.values() if secret.store is not None}
        return tuple(store for store in self.stores.values() if store.id in used)


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """The environments of a run, in the order of names."""

    catalogue: Catalogue
    environments: tuple[Environment, ...]
    names: tuple[str, ...]  # all that have a file
    values_files: Mapping[str, str]  # each `values-<env>.yaml` of the chart's folder, by environment, as a shown path
    # What may be the file of an environment that has only values, where no command looks for one.
    unread_files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether this run compiles every environment there is."""
        return len(self.environments) == len(self.names)


class MoveProgress(NamedTuple):
    """How far the moves of an environment are."""

    to: Store
    steps: tuple[tuple[str, ...], ...]  # the secrets that each step has here; a guard's own step is last
    next: int | None  # None where every step is wholly there

    @property
    def past_secrets(self) -> tuple[str, ...]:
        """The secrets of the steps before the next one."""
        return tuple(secret for step in self.steps[: self.next] for secret in step)


def progress_of(environment: Environment) -> MoveProgress | None:
    """How far the moves are; None for an environment without `moves:`."""
    to = environment.stores.get(environment.root.text(KEY, "to") or "")
    if to is None:
        return None
    written = tuple(step.texts_at() for step in environment.root.items_at(KEY, "steps"))
    steps = tuple(_steps(written, environment))
    there = {name for name, secret in environment.secrets.items() if secret.store is to}
    left = (at for at, step in enumerate(steps) if not there.issuperset(step))
    return MoveProgress(to, steps, next(left, None))


def other_store(secret: Secret, environment: Environment, progress: MoveProgress | None) -> Store | None:
    """The store that a secret is to go to, or came from; without `moves:` the only other one. None: there is none."""
    own = secret.store
    if own is None:
        return None
    if progress is not None and own.id != progress.to.id:
        return progress.to
    before = environment.default_store
    if progress is not None and before is not None and before.id != own.id:
        return before
    # Nothing lies in a store without an address: it is described for all environments, and is not this one's.
    others = [store for store in environment.stores.values() if store.id != own.id and store.addresses]
    return others[0] if len(others) == 1 else None


# More secrets than these are too many for a line, where one word says the same.
FEW: Final = 5


def shorten(environment: Environment, secrets: Sequence[str], store: str) -> Sequence[str]:
    """Secrets to name in a switch to `store`: `all` in place of many that are every one that is not there."""
    others = {name for name, secret in environment.secrets.items() if secret.store is None or secret.store.id != store}
    is_all = len(secrets) > FEW and others == set(secrets) and REST not in environment.secrets
    return (REST,) if is_all else secrets


def _steps(written: tuple[tuple[str, ...], ...], environment: Environment) -> Iterator[tuple[str, ...]]:
    """The steps without what the environment does not have, and with the rest spelled out."""
    named = {secret for step in written for secret in step}
    for step in written:
        if step != (REST,):
            if here := tuple(secret for secret in step if secret in environment.secrets):
                yield here
            continue
        rest = [secret for name, secret in environment.secrets.items() if name not in named]
        if together := tuple(secret.id for secret in rest if not secret.entry.guards):
            yield together
        yield from ((secret.id,) for secret in rest if secret.entry.guards)
