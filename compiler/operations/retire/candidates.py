"""Lists the remote secrets that an environment has in a store, with the place that serves each key now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.model.place import remote_of
from compiler.model.store_identity import remote_name
from compiler.operations.live.key_places import key_places
from compiler.operations.live.names import secret_named
from compiler.operations.live.value_names import value_names
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.model.environment import Environment, Secret, Store
    from compiler.model.place import Place
    from compiler.operations.live.readers import Reader, Readers
    from compiler.operations.live.value_names import ValueName


@dataclass(frozen=True, slots=True)
class Held:
    """A key in the store that is left, and the place that serves it now; `there` is None where it has none."""

    secret: str
    key: str
    property: str | None
    serving: Store
    there: Place | None


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote secret of the store. `mains` are the secrets whose own it is, with the one that serves them now.

    `keys` are its values, each once, and `secrets` all that have one of them. `readers` still read it.
    """

    name: str
    keys: tuple[Held, ...]
    mains: tuple[tuple[str, Store, str], ...]
    readers: tuple[Reader, ...]
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The remote secrets of `store` that may be deleted, those that are still read, and secrets with none there.

    `only` are the secrets that were named, if any.
    """

    environment: str
    store: Store
    only: tuple[str, ...]
    free: tuple[Remote, ...]
    read: tuple[Remote, ...]
    skipped: tuple[tuple[str, str], ...]


def candidates_of(environment: Environment, store: Store, only: Sequence[str], readers: Readers) -> Candidates:
    """The candidates of all secrets, or of `only`. Raises Refusal for a secret that the environment does not have."""
    for name in only:
        secret_named(environment, name)
    groups: dict[str, tuple[str, dict[ValueName, Held], list[str]]] = {}
    names = value_names(environment)
    mains: dict[str, list[tuple[str, Store, str]]] = {}
    skipped: list[tuple[str, str]] = []
    # By name: the readers of this environment whose own place is read and compared before anything is deleted.
    compared: dict[str, set[tuple[str, str]]] = {}
    for secret in environment.secrets.values():
        if secret.store is None:
            continue
        held = _held(environment, secret, store, secret.store)
        for name, each in held:
            _, values, secrets = groups.setdefault(remote_name(store.provider, name), (name, {}, []))
            called = names.get((each.secret, each.key), (each.secret, each.key))
            values.setdefault(called, replace(each, secret=called[0], key=called[1]))
            secrets.append(secret.id)
            if each.there is not None:
                reader = (f"{environment.name}/{secret.id}", f"{environment.name}/{secret.store.id}")
                compared.setdefault(each.there.remote_key, set()).add(reader)
        own, theirs = (remote_of(secret.entry, each.provider, secret.node) for each in (store, secret.store))
        if own is not None and theirs is not None:
            main = (secret.id, secret.store, secret.store.prefix + theirs)
            mains.setdefault(remote_name(store.provider, store.prefix + own), []).append(main)
        if not held and (not only or secret.id in only):
            skipped.append((secret.id, f"the catalogue gives it no place in {quoted(store.id)}"))
    remotes = [
        Remote(
            name,
            tuple(values.values()),
            tuple(mains.get(key, ())),
            _but(readers.of(name), compared.get(name, set())),
            tuple(dict.fromkeys(secrets)),
        )
        for key, (name, values, secrets) in groups.items()
    ]
    wanted = [each for each in remotes if not only or not set(only).isdisjoint(each.secrets)]
    return Candidates(
        environment.name,
        store,
        tuple(only),
        tuple(each for each in wanted if not each.readers),
        tuple(each for each in wanted if each.readers),
        tuple(skipped),
    )


def _but(readers: tuple[Reader, ...], compared: set[tuple[str, str]]) -> tuple[Reader, ...]:
    return tuple(each for each in readers if each.is_proven or (each.name, each.store) not in compared)


def _held(environment: Environment, secret: Secret, store: Store, serving: Store) -> list[tuple[str, Held]]:
    """The remote name and the key of each place of `secret` in `store`."""
    there = key_places(environment, secret, serving)
    return [
        (place.remote_key, Held(secret.id, key, place.property, serving, there[key]))
        for key, place in key_places(environment, secret, store).items()
        if place is not None
    ]
