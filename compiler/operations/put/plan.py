"""Sets up a put: finds the secret, keys and store that it names, checks the values, and plans the writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.model.place import way_to_place
from compiler.operations.change.compare import Head, Wanted, callers, plan_change, read_destinations
from compiler.operations.change.plan import OnConflict
from compiler.operations.change.run import Change, Planned
from compiler.operations.live.key_places import key_places
from compiler.operations.live.names import secret_named, store_named
from compiler.operations.runs.journal import identity_of
from compiler.refusal import Refusal
from compiler.stores.values.traits import Trait, traits
from compiler.text.regex import regex
from compiler.text.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from compiler.model.environment import Environment, Secret, Store
    from compiler.operations.change.plan import Options
    from compiler.operations.change.run import Setting
    from compiler.operations.runs.entries import Run
    from compiler.stores.values.secret import SecretValue

COMMAND = "put"
_REFUSED = {
    Trait.EMPTY: "is blank",
    Trait.PLACEHOLDER: "is a placeholder",
    Trait.NOT_A_STRING: "is not text",
    Trait.LONE_SURROGATE: "is not valid Unicode text",
    Trait.NUL: "contains a NUL character, which no environment variable can hold",
}
_KEY = regex(r"[A-Z][A-Z0-9_]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """The secret and store of one `put`. `keys` get a value; `unused` are those of them that no variant in use has."""

    environment: Environment
    secret: Secret
    store: Store
    keys: tuple[str, ...]
    unused: tuple[str, ...]


def target_of(environment: Environment, secret_id: str, keys: Sequence[str], store_id: str | None) -> Target:
    """Finds what the command line names; without keys, all that the environment uses.

    Raises Refusal.
    """
    secret = secret_named(environment, secret_id)
    store = secret.store if store_id is None else store_named(environment, store_id)
    if store is None:
        message = f'the secret "{secret.id}" has no store in "{environment.name}"'
        named = " or ".join(f"--store {store_id}" for store_id in environment.stores)
        raise Refusal("usage", message, f"add {named}" if named else "describe a store in it first")
    used = tuple(key.key.name for key in secret.keys)
    chosen = tuple(dict.fromkeys(keys)) or used
    for key in chosen:
        if key not in secret.entry.keys:
            raise _unknown(secret.id, key, secret.entry.keys)
    return Target(environment, secret, store, chosen, tuple(key for key in chosen if key not in used))


def put(
    target: Target, values: Mapping[str, SecretValue], environment: str, options: Options, setting: Setting
) -> Change:
    """The setting of `values`, by keys of the catalogue; nothing else in the remote secrets changes.

    The run's identity names the keys and not their values, as the journal holds no values. Raises Refusal for a value
    that must not be written, and AddressError.
    """
    wanted = _wanted(target, values)
    identity = identity_of(
        COMMAND,
        environment,
        {target.store.id: setting.stores.address(target.store).absolute},
        {"secret": target.secret.id, "keys": sorted(values), "recover": options.recover},
    )
    # A given value is intended: it replaces the current one.
    chosen = replace(options, on_conflict=OnConflict.OVERWRITE)

    def plan(run: Run | None) -> Planned:
        seen = read_destinations(wanted, setting.stores, recovers=options.recover)
        head = Head(COMMAND, environment, chosen, run=run)
        return Planned(callers(plan_change(head, wanted, seen), seen), seen.writers)

    return Change(COMMAND, identity, plan, setting)


def _wanted(target: Target, values: Mapping[str, SecretValue]) -> list[Wanted]:
    places = key_places(target.environment, target.secret, target.store)
    wanted = []
    for key, value in values.items():
        place = places[key]
        if unfit := next((what for trait, what in _REFUSED.items() if trait in traits(value)), None):
            help_text = "enter the real value; nothing was written"
            raise Refusal("found", f'the value of "{key}" {unfit}', help_text)
        if place is None:
            provider = target.store.provider
            entry = target.secret.entry
            message = f'"{key}" has no place in "{target.store.id}": the catalogue names none for {provider}'
            raise Refusal(
                "found", message, f"{way_to_place(entry.keys[key].holder(entry).id, provider)}; nothing was written"
            )
        wanted.append(Wanted(target.secret.id, key, target.store, place, value))
    return wanted


def _unknown(secret: str, key: str, known: Iterable[str]) -> Refusal:
    # What does not look like a key may be the value, typed after its key.
    what = f'key "{key}"' if _KEY.fullmatch(key) else "key with one of the given names"
    return Refusal("usage", f'the secret "{secret}" has no {what}', suggest(key, known, "keys"))


def quoted_keys(values: Mapping[str, SecretValue]) -> tuple[str, ...]:
    """The keys whose values stand in quotes, which come along from a line of dotenv or YAML."""
    return tuple(key for key, value in values.items() if Trait.QUOTED in traits(value))


def spaced_keys(values: Mapping[str, SecretValue]) -> tuple[str, ...]:
    """The keys whose values begin or end with white space, which is rarely meant."""
    return tuple(key for key, value in values.items() if Trait.SPACE_AT_END in traits(value))
