"""A secret of an environment and new values for its keys in, a plan of what they would change in its store out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.live.key_places import key_places
from compiler.operations.migrate.routes import UnknownNameError, store_named
from compiler.operations.put.set_keys import Wanted, plan_changes
from compiler.stores.values.traits import Trait, traits
from compiler.text.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from compiler.model.environment import Environment, Secret, Store
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.put.set_keys import ChangePlan
    from compiler.stores.values.secret import Secret as Value

_REFUSED = {
    Trait.EMPTY: "is blank",
    Trait.PLACEHOLDER: "is a placeholder",
    Trait.NOT_A_STRING: "is no text",
    Trait.LONE_SURROGATE: "is no valid Unicode text",
    Trait.NUL: "holds a NUL character, which no environment variable can",
}
_KEY = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)


class UnknownKeyError(Exception):
    """A key that the catalogue does not give the secret; `help` is the way out."""

    def __init__(self, secret: str, key: str, known: Iterable[str]) -> None:
        # What does not look like a key may be the value, typed after its key.
        what = f'key "{key}"' if _KEY.fullmatch(key) else "key of one of the names that were given"
        super().__init__(f'the secret "{secret}" has no {what}')
        self.help = suggest(key, known, "keys")


class UnfitValueError(Exception):
    """A value that must not be written. `str` names the key and what is wrong."""


@dataclass(frozen=True, slots=True)
class Target:
    """The secret and store of one `put`. `keys` are those to be asked for; `unused` of them no variant in use has."""

    secret: Secret
    store: Store
    keys: tuple[str, ...]
    unused: tuple[str, ...]


def target_of(environment: Environment, secret_id: str, keys: Sequence[str], store_id: str | None) -> Target:
    """What the words of the command line name; with no keys, all that the environment uses.

    Raises UnknownNameError and UnknownKeyError.
    """
    secret = environment.secrets.get(secret_id)
    if secret is None:
        raise UnknownNameError("secret", secret_id, environment.secrets, environment.name)
    store = secret.store if store_id is None else store_named(environment, store_id)
    if store is None:
        raise UnknownNameError("store", "", environment.stores, environment.name)
    used = tuple(key.key.name for key in secret.keys)
    chosen = tuple(dict.fromkeys(keys)) or used
    for key in chosen:
        if key not in secret.entry.keys:
            raise UnknownKeyError(secret.id, key, secret.entry.keys)
    return Target(secret, store, chosen, tuple(key for key in chosen if key not in used))


def plan_put(target: Target, values: Mapping[str, Value], stores: LiveStores) -> ChangePlan:
    """What `values`, by keys of the catalogue, would change; nothing else in the remote secrets does.

    Raises UnfitValueError, AddressError and StoreError; sends no writing request.
    """
    places = key_places(target.secret, target.store)
    wanted = []
    for key, value in values.items():
        place = places[key]
        if unfit := next((what for trait, what in _REFUSED.items() if trait in traits(value)), None):
            raise UnfitValueError(f'the value of "{key}" {unfit}')
        if place is None:
            provider = target.store.provider
            raise UnfitValueError(
                f'"{key}" has no place in "{target.store.id}": the catalogue names none for {provider}'
            )
        wanted.append(Wanted(target.secret.id, key, target.store, place, value))
    return plan_changes(wanted, stores)


def spaced_keys(values: Mapping[str, Value]) -> tuple[str, ...]:
    """The keys whose values begin or end with white space, which is rarely meant."""
    return tuple(key for key, value in values.items() if Trait.SPACE_AT_END in traits(value))
