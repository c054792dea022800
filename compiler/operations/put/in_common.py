"""Finds the other keys of an environment that share a value which `put` sets, as they lie in the same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.outline import place_text
from compiler.model.place import place_in

if TYPE_CHECKING:
    from compiler.model.environment import Secret, Store
    from compiler.operations.put.plan import Target


@dataclass(frozen=True, slots=True)
class Common:
    """A key of a `put` whose value others have too: `place` is where it is set, `holder` the key that it is taken from.

    `readers` get the new value, as SECRET/KEY; `apart` read the same value from another store, which keeps it.
    """

    key: str
    place: str
    holder: str | None
    readers: tuple[str, ...]
    apart: tuple[tuple[str, str], ...]


def in_common(target: Target) -> tuple[Common, ...]:
    """The keys of `target` whose values other keys of the environment have in common with them."""
    environment, store = target.environment, target.store
    secrets, found = environment.root.get("secrets"), list[Common]()
    # Compared where they are set, so that it is told of a store too that nobody reads yet.
    others = [
        (f"{secret.id}/{item.key.name}", secret, item.key, place_in(store, secret.entry, item.key, secrets))
        for secret in environment.secrets.values()
        for item in secret.keys
    ]
    for name in target.keys:
        key = target.secret.entry.keys[name]
        place = place_in(store, target.secret.entry, key, secrets)
        same = [
            (shown, secret)
            for shown, secret, other, there in others
            if place is not None and there == place and not (secret.id == target.secret.id and other.name == name)
        ]
        holder = f"{key.origin.entry.id}/{key.origin.key.name}" if key.origin is not None else None
        if same or holder is not None:
            readers = tuple(shown for shown, secret in same if _reads(secret, store))
            apart = tuple((shown, _serving(secret)) for shown, secret in same if not _reads(secret, store))
            where = place_text((place.remote_key, place.property)) if place is not None else ""
            found.append(Common(name, where, holder, readers, apart))
    return tuple(found)


def _reads(secret: Secret, store: Store) -> bool:
    return secret.store is not None and secret.store.id == store.id


def _serving(secret: Secret) -> str:
    return secret.store.id if secret.store is not None else ""
