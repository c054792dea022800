"""Plans a put: finds the secret, keys and store that it names, checks the values, and who shares them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from compiler.change.apply import Change
from compiler.change.compare import plan_given
from compiler.change.journal import identity_of
from compiler.change.plan import Kind, Location, OnConflict, Options, Plan, Step
from compiler.live.stores import key_places, place_limits, secret_named, store_named
from compiler.model.environment import Environment, Secret, Store
from compiler.model.store import Place, place_in, way_to_place
from compiler.model.values import place_text
from compiler.refusal import Refusal
from compiler.stores.secret_value import Comparer, SecretValue, Trait, traits
from compiler.text.wording import suggest


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
            served = [(shown, secret.store.id if secret.store is not None else "") for shown, secret in same]
            readers = tuple(shown for shown, serving in served if serving == store.id)
            apart = tuple((shown, serving) for shown, serving in served if serving != store.id)
            where = place_text((place.remote_key, place.property)) if place is not None else ""
            found.append(Common(name, where, holder, readers, apart))
    return tuple(found)


COMMAND = "put"
_REFUSED = {
    Trait.EMPTY: "is blank",
    Trait.PLACEHOLDER: "is a placeholder",
    Trait.NOT_A_STRING: "is not text",
    Trait.LONE_SURROGATE: "is not valid Unicode text",
    Trait.NUL: "contains a NUL character, which no environment variable can hold",
}
_ODD = {
    Trait.SPACE_AT_END: "the value begins or ends with white space",
    # They come along from a line of dotenv or YAML.
    Trait.QUOTED: "the value has quotes around it, which are stored with it",
}
_KEY = re.compile(r"[A-Z][A-Z0-9_]*", re.ASCII)


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


def put(target: Target, values: Mapping[str, SecretValue], environment: str, options: Options) -> Change:
    """The setting of `values`, by keys of the catalogue, as `put_all` does it for several secrets."""
    return put_all([(target, values)], environment, options)


def put_all(given: Sequence[tuple[Target, Mapping[str, SecretValue]]], environment: str, options: Options) -> Change:
    """The setting of the values of each target, in one run; nothing else in the remote secrets changes.

    The run's identity names the keys and not their values, as the journal holds no values. Raises Refusal for a value
    that must not be written, and for two values of one place; and AddressError.
    """
    steps = tuple(step for target, values in given for step in _steps(target, values))
    _require_one_value(steps)
    used = {target.store.id: target.store for target, _ in given}
    keys = {target.secret.id: sorted(values) for target, values in given}
    expires = str(options.expires) if options.expires is not None else None
    identity = identity_of(
        COMMAND,
        environment,
        {store.id: options.stores.address(store).absolute for store in used.values()},
        {
            **(
                {"secret": next(iter(keys)), "keys": next(iter(keys.values()))} if len(keys) == 1 else {"secrets": keys}
            ),
            "recover": options.recover,
            # Runs of older releases have none.
            **({"expires": expires} if expires is not None else {}),
        },
    )
    # A given value is intended: it replaces the current one.
    chosen = replace(options, on_conflict=OnConflict.OVERWRITE)
    draft = Plan(COMMAND, environment, options=chosen, steps=steps)
    limits = {store.id: place_limits(given[0][0].environment, store) for store in used.values()}
    return Change(identity, lambda run: plan_given(draft, used, options.stores, run=run, limits=limits), options)


def _require_one_value(steps: Sequence[Step]) -> None:
    """Keys that take their value from another have one place, for which one value can be given."""
    comparer, first = Comparer(), dict[Location, Step]()
    for step in steps:
        other = first.setdefault(step.place, step)
        if step.value is not None and other.value is not None and not comparer.same(step.value, other.value):
            message = (
                f"{other.secret}/{other.key} and {step.secret}/{step.key} share one value, but the input gives two"
            )
            raise Refusal("found", message, "give one of them; nothing was written")


def _steps(target: Target, values: Mapping[str, SecretValue]) -> tuple[Step, ...]:
    places, store = key_places(target.environment, target.secret, target.store), target.store
    steps = []
    for key, value in values.items():
        place = require_fit(target, key, value, places[key])
        location = Location(store.id, place.remote_key, place.property)
        steps.append(Step(target.secret.id, key, Kind.UPDATE, None, location, value=value))
    return tuple(steps)


def require_fit(target: Target, key: str, value: SecretValue, place: Place | None) -> Place:
    """The place of `key`. Raises Refusal where it has none in the store, and for a value that must not be written."""
    if unfit := next((what for trait, what in _REFUSED.items() if trait in traits(value)), None):
        help_text = "enter the real value; nothing was written"
        raise Refusal("found", f'the value of "{key}" {unfit}', help_text)
    if place is None:
        entry, store = target.secret.entry, target.store
        message = f'"{key}" has no place in "{store.id}": the catalogue names none for {store.provider.id}'
        way_out = way_to_place(entry.keys[key].holder(entry).id, store.provider)
        raise Refusal("found", message, f"{way_out}; nothing was written")
    return place


def _unknown(secret: str, key: str, known: Iterable[str]) -> Refusal:
    # What does not look like a key may be the value, typed after its key.
    what = f'key "{key}"' if _KEY.fullmatch(key) else "key with one of the given names"
    return Refusal("usage", f'the secret "{secret}" has no {what}', suggest(key, known, "keys"))


def odd_forms(values: Mapping[str, SecretValue]) -> Iterator[tuple[str, str]]:
    """The keys whose values have an odd form, and what it is: they are stored as they are, which is rarely meant."""
    for trait, what in _ODD.items():
        yield from ((key, what) for key, value in values.items() if trait in traits(value))
