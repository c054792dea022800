"""Two names or places that Key Vault cannot tell apart.

Key Vault ignores case: `platform-GitHub` and `platform-github` are one secret, and the later writer wins. It has no
folders either, so the Vault paths `team/github-app` and `team-github/app` easily become one name, `team-github-app`.
When two keys have different places in Vault and the same one in Key Vault, a migration can keep only one of their
values.

    github: {remote: {vault: team/github-app, azurekv: team-github-app}, keys: {TOKEN: {}}}
    app: {remote: {vault: team-github/app, azurekv: team-github-app}, keys: {TOKEN: {}}}

If one Key Vault secret is the whole value of a key and holds a property of another entry's key, they collide too.

Names are checked in the form that the vault gets, with an environment's own `remote` and a store's `prefix`, for every
Key Vault of an environment: even one that nothing is read from yet, as `migrate` would fill it. If two environments
read one name of one vault, that is `shared-place`.

Give each its own name, or, where both really are one secret, the same Vault path too:

    github: {remote: {vault: team/github-app, azurekv: team-github-app}, keys: {TOKEN: {}}}
    app: {remote: {vault: team-github/app, azurekv: team-github--app}, keys: {TOKEN: {}}}
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from compiler.model.document import Node
from compiler.model.environment import ALL_KEYS, Catalogue, CatalogueKey, Entry
from compiler.model.store import Place, place_of, remote_of
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Related, Secret, Store, quote, rule
from compiler.stores.azure_key_vault.provider import PROVIDER
from compiler.stores.registry import PROVIDERS

# The providers that a move to Key Vault may come from.
_OTHERS = tuple(each for each in PROVIDERS.values() if each is not PROVIDER)
_SEPARATORS = str.maketrans("_./", "---")


class _Use(NamedTuple):
    """A name of Key Vault that is written at `node`, or with a `key` the place of its value there and elsewhere."""

    entry: Entry
    name: str
    node: Node
    is_own: bool  # the environment says so, not the catalogue
    store: Store | None  # whose prefix is in the name
    key: CatalogueKey | None = None
    property: str | None = None
    elsewhere: Mapping[str, Place] = MappingProxyType({})  # places in stores of other providers, by their titles

    def is_known_beside(self, other: "_Use") -> bool:
        """Whether the catalogue's check has seen the two together."""
        return self.store is not None and self.store is other.store and not (self.is_own or other.is_own)

    def has_same_remote(self, other: "_Use") -> bool:
        """Whether one stands for all keys of a remote secret, which has the other's elsewhere too."""
        stands_for_all = any(each.key is not None and each.key.name == ALL_KEYS for each in (self, other))
        elsewhere = ({title: place.remote_key for title, place in each.elsewhere.items()} for each in (self, other))
        return stands_for_all and next(elsewhere) == next(elsewhere)

    def title(self) -> str:
        name = self.key.name if self.key is not None else ALL_KEYS
        return f"{'every key' if name == ALL_KEYS else quote(name)} of {quote(self.entry.id)}"


# What one vault would hold: names as it tells them apart, values by provider, name and property, and by name whether a
# key is the whole of it.
_TakenNames = dict[tuple[object, ...], _Use]


def _take(vault: _TakenNames, use: _Use) -> Findings:
    """Add `use` to `vault`, and tell with what of another place it collides."""
    if use.key is None:
        first = vault.setdefault((_fold(use.name),), use)
        if first.name != use.name and not use.is_known_beside(first):
            yield _collision(first, use)
    elif use.elsewhere:
        for title, place in use.elsewhere.items():
            first = vault.setdefault((title, use.name, use.property), use)
            if first.elsewhere[title] != place and not use.is_known_beside(first):
                problem = f"differ in {title}, but are the same value of {quote(use.name)} in Key Vault"
                yield _collision(first, use, problem)
        is_whole = use.property is None
        vault.setdefault((use.name, is_whole), use)
        other = vault.get((use.name, not is_whole))
        # Within one entry this is the rule contradictory-remote.
        is_apart = other is not None and other.entry is not use.entry and not use.has_same_remote(other)
        if other is not None and is_apart and not use.is_known_beside(other):
            title, found = next(iter(use.elsewhere)), quote(use.name)
            problem = f"differ in {title}, but {found} in Key Vault is one of them and contains the other"
            yield _collision(other, use, problem)


def check_catalogue(catalogue: Catalogue) -> Findings:
    vault: _TakenNames = {}
    shared: set[str] = set()
    for entry in catalogue.entries.values():
        for use in _names(entry, entry.remote.get(PROVIDER.id)):
            yield from _take(vault, use)
            if (first := vault[_fold(use.name),]) is not use and first.name == use.name:
                shared.add(use.name)
    for entry in catalogue.entries.values():
        # Alone in its remote secret, an entry whose keys say nothing of their places has no place twice.
        azure = entry.remote.get(PROVIDER.id)
        if azure in shared or any(key.remote for key in entry.source_keys.values()):
            for use in _values(entry, azure, entry.remote):
                yield from _take(vault, use)


@rule("key-vault-name-collision", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    stores = [store for store in environment.stores.values() if store.provider is PROVIDER]
    listed = environment.root.get("secrets")
    has_own = listed is not None and any("remote" in node.children for node in listed.children.values())
    # Without an own name, and without two prefixes in one vault, the catalogue's check has seen all there is.
    if not has_own and len({_address(store) for store in stores}) == len(stores):
        return
    # A run of `migrate` fills one store; what is read already may meet in one vault from several stores.
    filled: dict[str, _TakenNames] = {store.id: {} for store in stores}
    read: dict[str, _TakenNames] = {_address(store): {} for store in stores}
    said: set[tuple[str, int]] = set()
    for secret in environment.secrets.values():
        reads = secret.store if secret.store in stores else None
        for store in stores if reads is None else (reads,):
            for use in _uses_of(secret, store, listed):
                found = list(_take(filled[store.id], use))
                if reads is not None:
                    found += _take(read[_address(store)], use)
                for finding in found:
                    if (mark := (finding.message, id(finding.at))) not in said:
                        said.add(mark)
                        yield finding


def _uses_of(secret: Secret, store: Store, listed: Node | None) -> Iterator[_Use]:
    """The names in `store` that the secret's own keys use, and those that they take values from."""
    taken = {key.value_key for key in secret.entry.keys.values() if key.is_taken}
    for entry in dict.fromkeys(key.holder(secret.entry) for key in secret.entry.source_keys.values()):
        node = listed.children.get(entry.id) if listed is not None else None
        azure = remote_of(entry, PROVIDER.id, node)
        others = {each.id: remote_of(entry, each.id, node) for each in _OTHERS}
        own, *own_paths = (node.get("remote", each.id) if node is not None else None for each in (PROVIDER, *_OTHERS))
        own_path = next((each for each in own_paths if each is not None), None)
        yield from _names(entry, azure, store, own)
        for use in _values(entry, azure, others, store, own or own_path):
            # An own path elsewhere makes two values of one as well as an own name does the other way round.
            if entry is secret.entry or use.key in taken:
                yield use


def _names(entry: Entry, azure: str | None, store: Store | None = None, own: Node | None = None) -> Iterator[_Use]:
    prefix = store.prefix if store is not None else ""
    if azure is not None:
        node = own if own is not None else entry.node.nearest("remote", PROVIDER.id)
        yield _Use(entry, prefix + azure, node, own is not None, store)
    for key in entry.keys.values():
        named = key.remote.get(PROVIDER.id) if key.remote else None
        if named is not None and named.name is not None:
            node = key.node.nearest("remote", PROVIDER.id, "name")
            yield _Use(entry, prefix + named.name, node, False, store)


def _values(
    entry: Entry,
    azure: str | None,
    others: Mapping[str, str | None],
    store: Store | None = None,
    own: Node | None = None,
) -> Iterator[_Use]:
    prefix = store.prefix if store is not None else ""
    for key in entry.source_keys.values():
        if key.is_taken:
            continue
        place = place_of(key, PROVIDER.id, azure, prefix)
        if place is not None:
            node = own or key.node.get("remote", PROVIDER.id) or entry.node.nearest("remote", PROVIDER.id)
            places = ((each.title, place_of(key, each.id, others.get(each.id), "")) for each in _OTHERS)
            elsewhere = {title: found for title, found in places if found is not None}
            yield _Use(entry, place.remote_key, node, own is not None, store, key, place.property, elsewhere)


def _fold(name: str) -> str:
    return name.lower().translate(_SEPARATORS)


def _address(store: Store) -> str:
    return store.identity.server or store.id


def _collision(first: _Use, later: _Use, problem: str = "") -> Finding:
    if first.is_own and not later.is_own:
        first, later = later, first
    if first.key is not None and later.key is not None:
        message = f"{later.title()} and {first.title()} {problem}"
        related = Related("the other key", first.key.node.key_span)
        way_out = "give each its own name or property"
    else:
        message = f"Key Vault cannot tell {quote(later.name)} and {quote(first.name)} apart"
        related = Related(f"{quote(first.name)} is named here", first.node.span)
        way_out = "give each a name that differs in its letters or digits"
    return Finding(message, later.node, help=way_out, related=(related,), scope=("secrets", later.entry.id))
