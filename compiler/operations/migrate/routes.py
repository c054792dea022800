"""Finds where every key of the catalogue comes from in one store and where it goes in another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.place import remote_of
from compiler.operations.live.key_places import catalogue_places, key_places
from compiler.operations.live.names import secret_named
from compiler.operations.live.value_names import value_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler.model.environment import Environment, Store
    from compiler.model.place import Place


@dataclass(frozen=True, slots=True)
class Route:
    """Where one value comes from and goes. A place is None where the catalogue names none for that provider.

    `secret` and `key` name it once, where several secrets have it in common; one of them uses it where it is `in_use`.
    `has_variants`: the environment may choose variants without it. `is_extra` marks a property of the source that is
    not a key of the catalogue.
    """

    secret: str
    key: str
    in_use: bool
    source_store: Store
    source: Place | None
    destination: Place | None
    has_variants: bool = False
    is_extra: bool = False


@dataclass(frozen=True, slots=True)
class Routes:
    """`mains` are each secret's own remote names in its source and in the destination, for its other properties.

    `shared` are places in the sources' remote secrets, by their store, that belong to keys that do not move. `taken`
    are the places that any key of the catalogue has in the destination. Of the environment only its stores are kept, so
    that a large one need not stay in memory.
    """

    environment: str
    to: Store
    keys: tuple[Route, ...]
    mains: tuple[tuple[str, Store, str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    shared: frozenset[tuple[str, Place]] = frozenset()
    taken: frozenset[Place] = frozenset()


def routes_of(environment: Environment, to: Store, source: Store | None, only: Sequence[str]) -> Routes:
    """The routes of all secrets, or of `only`, from `source` or from the store that each reads.

    Raises Refusal for an id that the environment does not have.
    """
    for name in only:
        secret_named(environment, name)
    keys: dict[tuple[str, str], Route] = {}
    names = value_names(environment)
    mains: list[tuple[str, Store, str, str]] = []
    skipped: list[tuple[str, str]] = []
    for secret in environment.secrets.values():
        origin = source or secret.store
        if (only and secret.id not in only) or origin is None:
            continue
        if origin.id == to.id:
            skipped.append((secret.id, f'it already reads from "{to.id}"'))
            continue
        used = {key.key.name for key in secret.keys}
        there = key_places(environment, secret, to)
        own, theirs = (remote_of(secret.entry, store.provider, secret.node) for store in (origin, to))
        for key, place in key_places(environment, secret, origin).items():
            called = names.get((secret.id, key), (secret.id, key))
            in_use = key in used or (called in keys and keys[called].in_use)
            has_variants = bool(secret.entry.keys[key].held.variants)
            keys[called] = Route(*called, in_use, origin, place, there[key], has_variants)
        if own is not None and theirs is not None:
            mains.append((secret.id, origin, origin.prefix + own, to.prefix + theirs))
    return Routes(
        environment.name,
        to,
        tuple(keys.values()),
        tuple(mains),
        tuple(skipped),
        _shared(environment, keys.values(), mains),
        catalogue_places(environment, to),
    )


def _shared(
    environment: Environment, keys: Iterable[Route], mains: Iterable[tuple[str, Store, str, str]]
) -> frozenset[tuple[str, Place]]:
    moved = {(route.source_store.id, route.source) for route in keys}
    origins: dict[str, tuple[Store, set[str]]] = {}
    for _, store, own, _ in mains:
        origins.setdefault(store.id, (store, set()))[1].add(own)
    return frozenset(
        (store.id, place)
        for store, names in origins.values()
        for place in catalogue_places(environment, store)
        if place.remote_key in names and (store.id, place) not in moved
    )
