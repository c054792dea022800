"""Judges durations and the order of synchronisation: intervals, lifetimes and waves."""

import math
import re
from collections.abc import Iterator

from compiler.model.document import Node, Related
from compiler.model.environment import PER_KEY, UNLIMITED, Catalogue, CatalogueKey, Entry, Environment, Secret, Store
from compiler.model.facts import (
    STORE_WAVE,
    days_in_words,
    duration_text,
    parse_duration,
    seconds_in_words,
    short_duration,
)
from compiler.rules.api import CATALOGUE, ENVIRONMENT, ERROR, WARNING, Finding, Findings, places_below, rule
from compiler.text.wording import quote, suggest, typing_mistake

# Possessive: there are as many ways to cut a row of zeros into numbers as subsets of it.
_ZERO = re.compile(r"[-+]?(?:0++(?:\.0*+)?(?:ns|us|µs|μs|ms|s|m|h)?)++")
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)


@rule("invalid-duration", ERROR, ENVIRONMENT)
def find_invalid_duration(environment: Environment) -> Findings:
    # A secret's duration was parsed already.
    valid = {secret.refresh_node for secret in environment.secrets.values() if secret.refresh is not None}
    for place, scope in places_below(environment.root, "secrets"):
        node = place.children.get("refreshInterval")
        if node is not None and node not in valid:
            yield from _judge(node, scope)


def _judge(node: Node, scope: tuple[str, ...]) -> Findings:
    text = node.value
    if not isinstance(text, str) or parse_duration(text) is not None:
        return
    from compiler.rules.forms.schema_error import duration_help  # noqa: PLC0415 - only where something is wrong

    message, way_out = "this is not a duration", "write it as `1h`, `30m` or `1h30m`"
    if _ZERO.fullmatch(text):
        message = "with a refresh interval of 0 the secret is never read again"
        way_out = "write a duration such as `1h`"
    elif text.startswith("-"):
        message = "a refresh interval cannot be negative"
    elif (seconds := seconds_in_words(text)) is not None:
        message = "the units of a duration are h, m and s"
        if days_in_words(text) is not None:
            message = "a duration cannot be in days"
        way_out = f"write {short_duration(seconds)}"
    elif _NUMBER.fullmatch(text):
        message, way_out = "a duration needs a unit", duration_help(int(text))
    elif re.search(r"\d(?:ns|us|µs|μs|ms)|\.\d*s", text):
        message, way_out = "a refresh interval must be in whole seconds", "write it as `60s` or more"
    yield Finding(message, node, help=typing_mistake(text) or way_out, scope=scope)


_SHORTEST_SECONDS = 60
_WINDOW_SECONDS = 10


@rule("too-frequent-refresh", WARNING, ENVIRONMENT, waivable=True)
def find_too_frequent_refresh(environment: Environment) -> Findings:
    yield from _too_short(environment)
    yield from _over_budget(environment)


def _too_short(environment: Environment) -> Findings:
    said: set[Node] = set()
    for secret in environment.secrets.values():
        node = secret.refresh_node
        if secret.refresh is None or secret.refresh >= _SHORTEST_SECONDS or node is None or node in said:
            continue
        said.add(node)
        shared = node is environment.root.get("refreshInterval")
        yield Finding(
            f"{duration_text(secret.refresh)} is too short, as pods read Secrets only when they start",
            node,
            help="use 1m or more",
            scope=() if shared else ("secrets", secret.id),
        )


def _over_budget(environment: Environment) -> Findings:
    loads: dict[str, tuple[Store, float]] = {}
    for secret in environment.secrets.values():
        store = secret.store
        if store is not None and store.provider.quota is not None and secret.refresh is not None:
            place = store.identity.server or store.id
            first, load = loads.get(place, (store, 0.0))
            loads[place] = (first, load + _reads(secret) * _WINDOW_SECONDS / secret.refresh)
    for store, load in loads.values():
        quota = store.provider.quota
        if quota is not None and load > quota:
            subject = f'the {store.provider.title} of the store "{store.id}"'
            yield Finding(
                f"{subject} is read {math.ceil(load)} times in 10 s, but allows {quota}",
                environment.root.nearest("refreshInterval"),
                help="use a longer `refreshInterval`, or `fetch: bundle`",
                scope=("stores", store.id),
            )


def _reads(secret: Secret) -> int:
    return len(secret.keys) if secret.fetch == PER_KEY else 1


_LEAST_BITS = 128


@rule("contradictory-lifetime", ERROR, CATALOGUE)
def find_contradictory_lifetime(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        for key in entry.keys.values():
            # Most keys say nothing of it.
            if not key.is_taken and key.lifetime is not UNLIMITED:
                for member, message, way_out in _lifetime_problems(entry, key):
                    # What the entry says for all of its keys is written there.
                    node = key.node.get(member) or entry.node.nearest(member)
                    yield Finding(message, node, help=way_out, scope=("secrets", entry.id))


def _lifetime_problems(entry: Entry, key: CatalogueKey) -> Iterator[tuple[str, str, str | None]]:
    """Where each one is written, the message, and the way out."""
    life, name = key.lifetime, quote(key.name)
    if life.rotate_days is not None and life.max_age_days is not None and life.rotate_days > life.max_age_days:
        message = f"{name} would be rotated after {life.rotate_days} days, but its issuer ends it after "
        way_out = f"rotate it before, such as every {max(1, life.max_age_days - 7)}d"
        yield "rotate", f"{message}{life.max_age_days}", way_out
    for member, others in (("rotateWith", life.rotate_with), ("previousKey", (life.previous_key,))):
        for other in others:
            if other is not None and (problem := _other_key_problem(entry, key, other)):
                yield member, *problem
    if life.previous_key is not None and life.overlap != "previous":
        way_out = "write `overlap: previous`, or remove `previousKey`"
        yield "previousKey", f"{name} has a key for its old value, and no `overlap: previous`", way_out
    if key.node.get("generate") is not None and life.issuer != "self":
        yield "generate", f"{name} is made by its issuer", "write `issuer: self` if the value is ours to choose"
    bits = int(life.length * math.log2(len(set(life.alphabet))))
    if bits < _LEAST_BITS:
        message = f"a generated {name} would have {bits} bits, and a secret needs {_LEAST_BITS}"
        yield "generate", message, "make `length` or `alphabet` larger"


def _other_key_problem(entry: Entry, key: CatalogueKey, other: str) -> tuple[str, str | None] | None:
    found = entry.keys.get(other)
    if found is None:
        return f"{quote(entry.id)} has no key {quote(other)}", suggest(other, entry.keys, "keys")
    if found is key:
        return f"{quote(other)} names itself", "name another key of the entry"
    if found.is_taken:
        return f"{quote(other)} has its value from another key", "name a key with a value of its own"
    return None


@rule("early-sync-wave", ERROR, ENVIRONMENT)
def find_early_sync_wave(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered:
            continue
        for secret in environment.secrets.values():
            if secret.store is store and secret.entry.sync_wave <= STORE_WAVE:
                yield Finding(
                    f'"{secret.id}" is in sync wave {secret.entry.sync_wave}, its store in {STORE_WAVE}',
                    secret.entry.node.nearest("syncWave"),
                    help=f"use a `syncWave` above {STORE_WAVE}",
                    related=(Related("rendered by this", store.node.nearest("render").span),),
                    scope=("secrets", secret.id),
                )
