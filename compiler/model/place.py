"""Finds where the value of a key lies in a store: a remote secret, and a property of it or the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.record import dataclass

if TYPE_CHECKING:
    from compiler.model.catalogue import CatalogueKey, Entry
    from compiler.model.document import Node
    from compiler.model.environment import Store


@dataclass(frozen=True, slots=True)
class Place:
    """A remote secret by its full name (the store's prefix included) and the property in it.

    No property means that the remote secret's whole value is meant.
    """

    remote_key: str
    property: str | None


def remote_of(entry: Entry, provider: str, secret: Node | None = None) -> str | None:
    """The remote secret's name of `entry` in a store of `provider`, without the store's prefix; None where it has none.

    `secret` is what an environment says of it, whose own `remote` goes before the catalogue's.
    """
    own = secret.text("remote", provider) if secret is not None and "remote" in secret.children else None
    return own if own is not None else entry.remote.get(provider)


def place_of(key: CatalogueKey, provider: str, remote: str | None, prefix: str) -> Place | None:
    """The place of `key` in a store of `provider`, or None where neither the key nor the secret names one.

    `remote` is the `remote_of` of the secret that holds the value: for a key that takes it from another entry's,
    that entry's. `place_in` finds it.
    """
    if key.is_taken and key.origin is None:
        return None
    held = key.held
    own = held.remote.get(provider)
    if own is None:
        return Place(prefix + remote, held.name) if remote is not None else None
    name = own.name if own.name is not None else remote
    if name is None:
        return None
    return Place(prefix + name, None if own.whole else own.property or held.name)


def place_in(store: Store, entry: Entry, key: CatalogueKey, secrets: Node | None) -> Place | None:
    """The place in `store` of the value of a key of `entry`, or None where it has none.

    `secrets` are the merged `secrets:` of an environment. What they say of the entry that holds the value counts for
    each key that takes it from there, whether the environment has that secret or not.
    """
    holder = key.holder(entry)
    said = secrets.children.get(holder.id) if secrets is not None else None
    return place_of(key, store.provider, remote_of(holder, store.provider, said), store.prefix)


def way_to_place(secret_id: str, provider: str) -> str:
    """What to add so that the keys of a secret have places in the stores of `provider`."""
    return f'add `{provider}: NAME` under `remote` of "{secret_id}" in environments/catalogue.yaml'
