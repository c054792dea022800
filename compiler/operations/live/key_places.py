"""Finds where a store keeps each key of a secret, or of the whole catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.place import place_of, remote_of

if TYPE_CHECKING:
    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.place import Place


def key_places(secret: Secret, store: Store) -> dict[str, Place | None]:
    """The place of every key of the catalogue's entry, in use or not; None where it has none in that provider."""
    remote = remote_of(secret.entry, store.provider, secret.node)
    return {key.name: place_of(key, store.provider, remote, store.prefix) for key in secret.entry.keys.values()}


def catalogue_places(environment: Environment, store: Store) -> frozenset[Place]:
    """Every place in `store` that a key of the catalogue has, also of entries that the environment does not use.

    Several secrets may share one remote secret: a property that is not a key of one may be a key of another.
    """
    places: set[Place | None] = set()
    for name, entry in environment.catalogue.entries.items():
        secret = environment.secrets.get(name)
        if secret is not None:
            places.update(key_places(secret, store).values())
            continue
        remote = remote_of(entry, store.provider)
        places.update(place_of(key, store.provider, remote, store.prefix) for key in entry.keys.values())
    return frozenset(place for place in places if place is not None)
