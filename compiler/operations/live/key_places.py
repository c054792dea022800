"""Finds where a store keeps each key of a secret, or of the whole catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.place import place_in

if TYPE_CHECKING:
    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.place import Place


def key_places(environment: Environment, secret: Secret, store: Store) -> dict[str, Place | None]:
    """The place of every key of the catalogue's entry, in use or not; None where it has none in that provider."""
    secrets = environment.root.get("secrets")
    return {key.name: place_in(store, secret.entry, key, secrets) for key in secret.entry.keys.values()}


def catalogue_places(environment: Environment, store: Store) -> frozenset[Place]:
    """Every place in `store` that a key of the catalogue has, also of entries that the environment does not use.

    Several secrets may share one remote secret: a property that is not a key of one may be a key of another.
    """
    secrets = environment.root.get("secrets")
    places = {
        place_in(store, entry, key, secrets)
        for entry in environment.catalogue.entries.values()
        for key in entry.keys.values()
    }
    return frozenset(place for place in places if place is not None)
