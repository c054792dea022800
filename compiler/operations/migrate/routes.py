"""An environment and two stores in; for every key of the catalogue where it comes from and where it goes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.place import place_of
from compiler.operations.live.key_places import catalogue_places
from compiler.text.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.place import Place


class UnknownNameError(Exception):
    """A store or secret that the environment does not have; `help` is the way out."""

    def __init__(self, kind: str, name: str, known: Iterable[str], environment: str) -> None:
        choices = tuple(known)
        super().__init__(f'the environment "{environment}" has no {kind} "{name}"')
        self.help = suggest(name, choices, f"{kind}s")


@dataclass(frozen=True, slots=True)
class Route:
    """One key on its way. A place is nothing where the catalogue names none for that provider.

    `is_extra` tells that it is a property of the source and no key of the catalogue.
    """

    secret: str
    key: str
    in_use: bool
    source_store: Store
    source: Place | None
    destination: Place | None
    is_extra: bool = False


@dataclass(frozen=True, slots=True)
class Routes:
    """`mains` are each secret's own remote names in its source and in the destination, for its other properties.

    `shared` are places in those of the sources, by their store, that belong to keys that are not on the way. `taken`
    are the places that any key of the catalogue has in the destination. They hold no part of the environment but its
    stores, so that a large one need not stay in memory for them.
    """

    environment: str
    to: Store
    keys: tuple[Route, ...]
    mains: tuple[tuple[str, Store, str, str], ...]
    skipped: tuple[tuple[str, str], ...]
    shared: frozenset[tuple[str, Place]] = frozenset()
    taken: frozenset[Place] = frozenset()


def store_named(environment: Environment, name: str) -> Store:
    """The store of this id, else of this Kubernetes name. Raises UnknownNameError."""
    by_name = {store.name: store for store in environment.stores.values()}
    found = environment.stores.get(name) or by_name.get(name)
    if found is None:
        raise UnknownNameError("store", name, environment.stores, environment.name)
    return found


def routes_of(environment: Environment, to: Store, source: Store | None, only: Sequence[str]) -> Routes:
    """The routes of all secrets, or of `only`, from `source` or from the store that each reads.

    Raises UnknownNameError for an id that the environment does not have.
    """
    for name in only:
        if name not in environment.secrets:
            raise UnknownNameError("secret", name, environment.secrets, environment.name)
    keys: list[Route] = []
    mains: list[tuple[str, Store, str, str]] = []
    skipped: list[tuple[str, str]] = []
    for secret in environment.secrets.values():
        origin = source or secret.store
        if (only and secret.id not in only) or origin is None:
            continue
        if origin.id == to.id:
            skipped.append((secret.id, f'it reads "{to.id}" already'))
            continue
        used = {key.key.name for key in secret.keys}
        own, theirs = _remote(secret, origin), _remote(secret, to)
        keys += [
            Route(
                secret.id,
                key.name,
                key.name in used,
                origin,
                place_of(key, origin.provider, own, origin.prefix),
                place_of(key, to.provider, theirs, to.prefix),
            )
            for key in secret.entry.keys.values()
        ]
        if own is not None and theirs is not None:
            mains.append((secret.id, origin, origin.prefix + own, to.prefix + theirs))
    return Routes(
        environment.name,
        to,
        tuple(keys),
        tuple(mains),
        tuple(skipped),
        _shared(environment, keys, mains),
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


def _remote(secret: Secret, store: Store) -> str | None:
    return secret.node.text("remote", store.provider) or secret.entry.remote.get(store.provider)
