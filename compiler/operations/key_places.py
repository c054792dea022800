"""A secret of an environment and any store of it in; where that store keeps each of the secret's keys out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.place import place_of

if TYPE_CHECKING:
    from compiler.model.environment import Secret, Store
    from compiler.model.place import Place


def key_places(secret: Secret, store: Store) -> dict[str, Place | None]:
    """The place of every key of the catalogue's entry, in use or not; nothing where that provider has none for it."""
    remote = secret.node.text("remote", store.provider) or secret.entry.remote.get(store.provider)
    return {key.name: place_of(key, store.provider, remote, store.prefix) for key in secret.entry.keys.values()}
