"""Defines the table of an environment: rows are values, columns are stores, a cell is the place of a value in a store.

It is known from the files alone; `live/observation.py` reads what lies there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from compiler.model.environment import (
    ALL_KEYS,
    PER_KEY,
    UNLIMITED,
    CatalogueKey,
    Entry,
    Environment,
    Lifetime,
    MoveProgress,
    Secret,
    Store,
    other_store,
    progress_of,
)
from compiler.model.store import Place, place_in, remote_of
from compiler.text.wording import list_names

if TYPE_CHECKING:
    from compiler.model.document import Span


# The secret and the key by which an environment has a value that others may take from it with `from:`.
ValueName = tuple[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A key of a secret in one store."""

    secret: str
    key: str
    store: Store
    place: Place | None  # None where the catalogue gives it none in the store's provider
    key_at: Span
    secret_at: Span
    value: ValueName
    holder: str | None = None  # the entry that has the value where `from` names another key
    lifetime: Lifetime = UNLIMITED
    in_use: bool = True  # False for a key of a variant that the environment does not use
    fetch: str = PER_KEY
    serving: Store | None = None  # the store that the secret reads
    environment: str | None = None  # None for a values file
    source: str | None = None  # the store that a copy could come from, where there is just one
    has_variants: bool = False  # the environment may use other keys in its place
    own: str | None = None  # the name of the secret's own remote secret in the store, where it has one
    skips_missing: bool = False  # the operator leaves the key out where its remote secret is not found, and says Ready
    takes_all: bool = False  # the Kubernetes Secret has all other properties of the remote secret, too
    uses_all: bool = False  # it has them, or a text that is made of them
    in_texts: bool = False  # the Secret has texts that are made of the key, and not the key

    @property
    def is_all(self) -> bool:
        """Whether it stands for every property of the remote secret, as its entry lists no key."""
        return self.key == ALL_KEYS

    @property
    def title(self) -> str:
        """The key as messages name it."""
        return name_keys((self.key,))

    @property
    def by_name(self) -> bool:
        """Whether it is found by its name in what is extracted."""
        return self.fetch != PER_KEY

    @property
    def is_elsewhere(self) -> bool:
        """Whether it is in another store than the one that the secret reads."""
        return self.environment is not None and self.store is not self.serving

    @property
    def remote_key(self) -> str:
        """The name of the remote secret. Raises AssertionError for a cell without a place."""
        if self.place is None:
            raise AssertionError(self.key)
        return self.place.remote_key

    @property
    def remote_name(self) -> str:
        """The name of the remote secret in the one spelling that the store compares."""
        return self.store.provider.remote_name(self.remote_key)

    @property
    def property(self) -> str | None:
        """The property there; None means the whole value."""
        return self.place.property if self.place is not None else None


def name_keys(keys: Sequence[str], most: int | None = None) -> str:
    """The keys quoted, at most the usual number or `most`; `every key` for what stands for all."""
    if ALL_KEYS in keys:
        return "every key"
    return list_names(keys) if most is None else list_names(keys, most)


def key_of_property(name: str) -> str:
    """The key that a property becomes in a Secret with every property: what no key can have becomes `_`."""
    if name.isascii() and name.isidentifier():
        return name
    return "".join(each if each in "-._" or unicodedata.category(each)[0] in "LN" else "_" for each in name)


# By the name of a remote secret, as its provider compares it, and by property: the limit of the key there in days.
PlaceLimits = Mapping[str, Mapping[str | None, int]]


class Read(NamedTuple):
    """A key in use that the operator reads."""

    secret: Secret
    store: Store
    place: Place

    @property
    def remote_name(self) -> str:
        """The name of the remote secret in the one spelling that the store compares."""
        return self.store.provider.remote_name(self.place.remote_key)

    def is_at(self, store: str, name: str, property_: str | None) -> bool:
        """Whether it reads this property of a remote secret; None means all of it."""
        is_there = self.store.id == store and self.remote_name == self.store.provider.remote_name(name)
        return is_there and (None in (self.place.property, property_) or self.place.property == property_)


def reads_of(environment: Environment, store: Store | None = None) -> Iterator[Read]:
    """What the operator reads for an environment: of all its stores, or of one.

    Of a secret that `uses_all`, that is each listed key, and all of the remote secret.
    """
    for secret in environment.secrets.values():
        serving = secret.store
        if serving is None or (store is not None and serving is not store):
            continue
        for item in secret.keys:
            if item.place is not None:
                yield Read(secret, serving, item.place)
        if secret.uses_all and secret.remote is not None:
            yield Read(secret, serving, Place(secret.remote, None))


class RefreshTimes(NamedTuple):
    """Within how many seconds each secret that reads a store is read again; keeps names only."""

    seconds: Mapping[str, int]
    # A tuple takes a quarter of a set's memory, and a secret has few of them.
    reads: Mapping[str, Collection[tuple[str, str]]]
    spellings: Mapping[str, Callable[[str], str]]  # by a store's id

    def reading(self, store: str, name: str) -> tuple[str, str]:
        """The remote secret `name` of a store in one spelling."""
        return store, self.spellings.get(store, str)(name)

    def of(self, written: Collection[tuple[str, str]]) -> dict[str, int]:
        """The secrets that read one of the remote secrets, each by store and name, with their times."""
        wanted = {self.reading(*each) for each in written}
        return {secret: self.seconds[secret] for secret, its in self.reads.items() if not wanted.isdisjoint(its)}


class Inventory:
    """Generates the cells of one environment. A plan keeps cells and not the inventory, which may be large."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._said = environment.root.get("secrets")

    def cells(self, secrets: Collection[str] = (), store: Store | None = None) -> Iterator[Cell]:
        """Each key of `secrets`, or of all, in `store`, or in the store that its secret reads; in use or not."""
        for secret in self._environment.secrets.values():
            chosen = store if store is not None else secret.store
            if chosen is not None and (not secrets or secret.id in secrets):
                yield from self._row(secret, chosen)

    def of(self, secret: Secret, store: Store) -> dict[str, Cell]:
        """The cells of one secret in one store, by key."""
        return {cell.key: cell for cell in self._row(secret, store)}

    def in_store(self, cell: Cell, store: Store) -> Cell:
        """The cell of the same key of the same secret in another store."""
        secret = self._environment.secrets[cell.secret]
        place = place_in(store, secret.entry, secret.entry.source_keys[cell.key], self._said)
        return replace(cell, store=store, place=place, own=own_remote(secret, store))

    def _row(self, secret: Secret, store: Store) -> Iterator[Cell]:
        used, source = {item.key.name for item in secret.keys}, self._source_of(secret, store)
        for key in secret.entry.source_keys.values():
            yield self._cell(secret.entry, key, store, secret, in_use=key.name in used, source=source)

    def _cell(
        self,
        entry: Entry,
        key: CatalogueKey,
        store: Store,
        secret: Secret | None = None,
        *,
        in_use: bool = False,
        source: str | None = None,
    ) -> Cell:
        return Cell(
            entry.id,
            key.name,
            store,
            place_in(store, entry, key, self._said),
            key.node.key_span,
            (secret or entry).node.key_span,
            self.value_of(entry.id, key.name),
            key.origin.entry.id if key.origin is not None else None,
            key.lifetime,
            in_use,
            secret.fetch if secret is not None else PER_KEY,
            secret.store if secret is not None else None,
            self._environment.name,
            source,
            bool(key.value_key.variants),
            own_remote(secret, store) if secret is not None else None,
            entry.skips_missing,
            secret is not None and secret.takes_all,
            secret is not None and secret.uses_all,
            bool(entry.template),
        )

    def ends(self, secret: Secret) -> tuple[Store, ...]:
        """The store that a secret reads, and the other end of its move."""
        other = other_store(secret, self._environment, self._progress)
        return tuple(store for store in (secret.store, other) if store is not None)

    @cached_property
    def _progress(self) -> MoveProgress | None:
        return progress_of(self._environment)

    def stores_of_value(self, secret: Secret, key: str) -> tuple[Store, ...]:
        """The stores that may hold the value of a key, the one that its secret reads first.

        They are the ends of its secret, and those of all others that have the same value.
        """
        held = secret.entry.source_keys[key].value_key
        others = (
            each for each in self._environment.secrets.values() if any(item.key.value_key is held for item in each.keys)
        )
        return tuple({store.id: store for each in (secret, *others) for store in self.ends(each)}.values())

    def every(self, store: Store) -> Iterator[Cell]:
        """Each key of the catalogue in `store`, also of entries that the environment does not use.

        Several secrets may share one remote secret: a property that is not a key of one may be a key of another.
        """
        for entry in self._environment.catalogue.entries.values():
            for key in entry.source_keys.values():
                yield self._cell(entry, key, store)

    def places(self, store: Store) -> frozenset[Place]:
        """Every place in `store` that a key of the catalogue has."""
        return frozenset(cell.place for cell in self.every(store) if cell.place is not None and not cell.is_all)

    def key_at(self, store: Store, remote: str, property_: str) -> Cell | None:
        """The key of the catalogue that lies in this property, or is the whole value; None for none."""
        known = (None, property_, key_of_property(property_))
        name = store.provider.remote_name(remote)
        for cell in self.every(store):
            is_there = cell.place is not None and not cell.is_all and cell.remote_name == name
            if is_there and cell.property in known:
                return cell
        return None

    def limits(self, store: Store) -> PlaceLimits:
        """The limits of all keys of the catalogue that have one, at their places in `store`."""
        found: dict[str, dict[str | None, int]] = {}
        for cell in self.every(store):
            days = cell.lifetime.limit_days
            if days is not None and cell.place is not None:
                places = found.setdefault(cell.remote_name, {})
                places[cell.property] = min(days, places.get(cell.property, days))
        return found

    def value_of(self, secret: str, key: str) -> ValueName:
        """The secret and the key by which the environment has the value of a key."""
        return self._values.get((secret, key), (secret, key))

    @cached_property
    def _values(self) -> Mapping[ValueName, ValueName]:
        """For each key that takes its value from another, the name of that value.

        That is the key with the value where its secret is here and reads the same store, else the first that takes it.
        """
        environment = self._environment
        names: dict[ValueName, ValueName] = {}
        first: dict[tuple[CatalogueKey, str | None], ValueName] = {}
        origins = environment.catalogue.origins
        holders = {holder.id for name in environment.secrets for holder in origins.get(name, ())}
        for secret in environment.secrets.values():
            if secret.id in holders:
                store = secret.store.id if secret.store is not None else None
                first.update({(key, store): (secret.id, key.name) for key in secret.entry.keys.values()})
        for secret in environment.secrets.values():
            store = secret.store.id if secret.store is not None else None
            for key in secret.entry.keys.values() if secret.id in origins else ():
                if key.origin is not None:
                    names[secret.id, key.name] = first.setdefault((key.value_key, store), (secret.id, key.name))
        return names

    def holder_of(self, name: ValueName) -> ValueName | None:
        """The entry and the key of the catalogue that have the value; None for a key that it does not have."""
        entry = self._environment.catalogue.entries.get(name[0])
        key = entry.source_keys.get(name[1]) if entry is not None else None
        return (key.holder(entry).id, key.value_key.name) if entry is not None and key is not None else None

    def name_here(self, name: ValueName) -> ValueName:
        """The name by which the environment has a value of the catalogue: a taker's where its secret is not here."""
        if name[0] in self._environment.secrets:
            return name
        value = self.holder_of(name)
        return next((each for each in self._values if value is not None and self.holder_of(each) == value), name)

    def refresh_times(self) -> RefreshTimes:
        """When the cluster reads what is written into a store."""
        seconds = {each.id: each.refresh for each in self._environment.secrets.values() if each.refresh is not None}
        found: dict[str, dict[tuple[str, str], None]] = {}
        for read in reads_of(self._environment):
            if read.secret.id in seconds:
                found.setdefault(read.secret.id, {})[read.store.id, read.remote_name] = None
        spellings = {store.id: store.provider.remote_name for store in self._environment.stores.values()}
        return RefreshTimes(seconds, {secret: tuple(its) for secret, its in found.items()}, spellings)

    def _source_of(self, secret: Secret, store: Store) -> str | None:
        """The store that the secret reads, where that is another one than `store`; else the only other one."""
        if secret.store is not None and secret.store.id != store.id:
            return secret.store.id
        others = [other for other in self._sources if other != store.id]
        return others[0] if len(others) == 1 else None

    @cached_property
    def _sources(self) -> list[str]:
        """The stores that may hold values: those that a secret reads, `store:` names in a layer, or a move leads to."""
        environment = self._environment
        node = environment.root.get("store")
        named = [each.value for each in (node, *node.overrode)] if node is not None else []
        named += [environment.root.text("moves", "to"), *(store.id for store in environment.stores_in_use())]
        # Nothing lies in one without an address.
        return [store.id for store in environment.stores.values() if store.addresses and store.id in named]


def own_remote(secret: Secret, store: Store) -> str | None:
    """The name of a secret's own remote secret in a store, prefix included; None where the catalogue gives it none."""
    remote = remote_of(secret.entry, store.provider.id, secret.node)
    return store.prefix + remote if remote is not None else None
