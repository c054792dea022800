"""Reads what a store holds that no entry covers, by names alone: no value is asked for, and none comes along.

Each remote secret becomes an object that an import takes or refuses, as if a manifest read all of it.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import partial

from compiler.imports.forms import FoundKey, FoundObject, FoundSecret
from compiler.imports.found_stores import SourceStore
from compiler.imports.sources import ImportTarget, store_kind
from compiler.live.observation import ask_many
from compiler.live.readers import ReadIndex
from compiler.model import group_pairs
from compiler.model.document import Source, Span
from compiler.model.environment import ALL_KEYS, Environment, Store
from compiler.model.facts import as_label
from compiler.model.inventory import Inventory
from compiler.model.store import place_of
from compiler.refusal import Refusal
from compiler.rules.api import Finding
from compiler.stores.errors import NotFoundError, SoftDeletedError, StoreError, VersionGoneError
from compiler.stores.interface import Attributes, SecretReader
from compiler.text.wording import list_names, pluralize, quote

# More are not kept in memory: a part of the store is named with --only.
_MOST_NAMES = 50_000
_KIND = "remote secret"
_WILD = re.compile(r"[*?\[]")
_JSON = "application/json"
# What the name of a variable may have.
_NOT_IN_VARIABLE = re.compile(r"[^A-Z0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoreContents:
    """What lies in a store, without what is covered by entries."""

    store: Store
    seen: int  # remote secrets whose names were read
    covered: int  # those that an entry of the catalogue reads
    objects: tuple[FoundObject, ...]
    gone: int  # those whose newest version is deleted
    managed: int  # those that belong to a certificate
    others: tuple[str, ...]  # what else the server holds, in words
    # By a store of another provider: what its names would be where more than the separator differs, and the names
    # that would be one there.
    renamed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    merged: Mapping[str, Sequence[Sequence[str]]] = field(default_factory=dict)
    unread: tuple[str, ...] | None = None  # those that nothing in the cluster reads; None where it was not asked

    @property
    def names(self) -> tuple[str, ...]:
        """The names that no entry covers."""
        return tuple(each.name for each in self.objects)

    @property
    def largest_folder(self) -> str:
        """The folder with most secrets, empty for those without one."""
        folders = _by_folder(self.objects)
        return max(folders, key=lambda each: len(folders[each]), default="")


def read_contents(
    here: ImportTarget,
    environment: Environment,
    store: Store,
    reader: SecretReader,
    patterns: Sequence[str] = (),
    readers: ReadIndex | None = None,
) -> StoreContents:
    """What lies in `store` that no entry covers, of the names that match one of `patterns`, of all for none.

    `readers` are those of the cluster, None where it is not asked.

    Raises Refusal, a StoreError among them.
    """
    listed = dict(_list_all(reader, store, patterns))
    matching = (name for name in listed if not patterns or any(fnmatchcase(name, each) for each in patterns))
    names = {name: listed[name] for name in matching}
    known = _names_in_entries(here, environment, store)
    free = {name: each for name, each in names.items() if store.provider.remote_name(name) not in known}
    taken = {name: each for name, each in free.items() if not each.managed}
    source = _source_of(here, store)
    found = ask_many(partial(_read_object, here, source, reader, taken), tuple(taken))
    objects = tuple(each for each in found if each is not None)
    others = [each for each in environment.stores.values() if each.provider is not store.provider]
    left = [each.name for each in objects]
    return StoreContents(
        store,
        len(names),
        len(names) - len(free),
        objects,
        len(found) - len(objects),
        len(free) - len(taken),
        reader.other_engines(),
        {each.id: dict(_find_changes(left, store, each)) for each in others},
        {each.id: _find_clashes(left, each) for each in others},
        tuple(each for each in left if not readers.of(each)) if readers is not None else None,
    )


def _list_all(reader: SecretReader, store: Store, patterns: Sequence[str]) -> Iterator[tuple[str, Attributes]]:
    """Every name with what is kept beside it; of a store with paths only below the folders that can match."""
    waiting = list(dict.fromkeys(_folder_of(each) for each in patterns)) if store.provider.has_paths else []
    waiting = [""] if not waiting or "" in waiting else waiting
    known, count = set(waiting), 0
    while waiting:
        following: list[str] = []
        for listing in ask_many(reader.list_names, waiting):
            count += len(listing.secrets)
            if count > _MOST_NAMES:
                message = f"the store {quote(store.id)} holds more than {_MOST_NAMES} remote secrets"
                raise Refusal("cannot run", message, "name a part of them with --only 'FOLDER/*'")
            yield from listing.secrets.items()
            # A page or folder that comes again leads nowhere new.
            following += [each for each in listing.more if each not in known]
            known.update(listing.more)
        waiting = following


def _folder_of(pattern: str) -> str:
    """The folder in which all lie that `pattern` matches, with its slash; empty for the whole store."""
    fixed = _WILD.split(pattern, maxsplit=1)[0]
    return fixed[: fixed.rfind("/") + 1]


def _names_in_entries(here: ImportTarget, environment: Environment, store: Store) -> Collection[str]:
    """The remote secrets that an entry reads, used or not, as the store compares names."""
    provider = store.provider
    inventory = Inventory(environment)
    cells = (cell for each in environment.secrets.values() for cell in inventory.of(each, store).values())
    found = {cell.remote_name for cell in cells if cell.place is not None}
    for entry in here.entries.values():
        for key in entry.source_keys.values():
            place = place_of(key, provider.id, entry.remote.get(provider.id), store.prefix)
            if place is not None:
                found.add(provider.remote_name(place.remote_key))
    return found


def _source_of(here: ImportTarget, store: Store) -> SourceStore:
    node = here.stores[store.id]
    return here.known_stores()[store_kind(node), node.text("name") or ""]


def _read_object(
    here: ImportTarget, source: SourceStore, reader: SecretReader, beside: Mapping[str, Attributes], name: str
) -> FoundObject | None:
    """The remote secret as an object; None where no version of it can be read."""
    # One file for each name: what a rule finds wrong is then about one object.
    at = Span(Source(f"{reader.address.absolute}: {name}"))
    bare = FoundObject(_KIND, "", name, at)
    try:
        properties = reader.property_names(name)
    except (SoftDeletedError, VersionGoneError, NotFoundError):
        return None
    except StoreError as error:
        if error.place.name is None:
            raise
        return bare.refuse(Finding(error.reason, at, error.remedy))
    keys, extract = tuple[FoundKey, ...](), False
    if properties is None:
        # Only the value of JSON tells the names in it.
        extract = beside[name].content_type == _JSON
        keys = (FoundKey(ALL_KEYS if extract else _variable_of(name), source, name, None, at),)
    else:
        keys = tuple(FoundKey(each, source, name, each, at) for each in properties)
    secret = FoundSecret(here.namespace, as_label(name.replace("/", "-")), keys, at, extract=extract)
    if not properties and properties is not None:
        return bare.refuse(Finding("it has no property", at, "write one, or delete it in the store"))
    return replace(bare, secrets=(secret,))


def _variable_of(name: str) -> str:
    return _NOT_IN_VARIABLE.sub("_", name.upper()).strip("_")


def _find_changes(names: Sequence[str], store: Store, other: Store) -> Iterator[tuple[str, str]]:
    """The names that `other` would have to spell in another way, beyond the separator, with that spelling."""
    for name in names:
        usual = name.replace(store.provider.separator, other.provider.separator)
        if (fitting := other.provider.fitting_name(usual)) != usual:
            yield name, fitting


def _find_clashes(names: Sequence[str], other: Store) -> list[list[str]]:
    """The names that would be one in `other`."""
    provider = other.provider
    groups = group_pairs((provider.remote_name(provider.fitting_name(name)), name) for name in names)
    return [each for each in groups.values() if len(each) > 1]


def contents_lines(contents: StoreContents) -> Iterator[str]:
    """What lies there, a line for each folder with its secrets."""
    store = contents.store
    yield f"store {quote(store.id)}: {pluralize(contents.seen, 'remote secret')}, {contents.covered} in the catalogue"
    for count, what in (
        (contents.gone, "with a deleted newest version: passed over"),
        (contents.managed, "of certificates: passed over"),
    ):
        if count:
            yield f"  {count} {what}"
    for folder, names in _by_folder(contents.objects).items():
        # What follows "secret:" would be concealed as a credential may be.
        yield f"{folder or 'without a folder'}: {list_names(names)} ({pluralize(len(names), 'remote secret')})"
    for other, names_there in contents.renamed.items():
        for first, fitting in [*names_there.items()][:1]:
            changed, example = pluralize(len(names_there), "name"), f"{quote(first)} to {quote(fitting)}"
            yield f"in {quote(other)} {changed} would change beyond the separator, such as {example}"
    for other, groups in contents.merged.items():
        yield from (f"in {quote(other)} these would have one name: {list_names(names)}" for names in groups)
    if contents.unread:
        yield f"nothing in the cluster reads {list_names(contents.unread)}"
    if contents.others:
        yield f"not looked at: {'; '.join(contents.others)}"


def _by_folder(objects: Sequence[FoundObject]) -> dict[str, list[str]]:
    names = sorted(each.name for each in objects)
    return group_pairs((name[: name.rfind("/") + 1], name) for name in names)
