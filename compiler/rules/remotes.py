"""Judges where in a store an entry's keys are said to be: missing names, contradictions, and what nothing reads."""

import re
from collections.abc import Iterator

from compiler.model.document import Node, Related, Span
from compiler.model.environment import BUNDLE, Catalogue, CatalogueKey, Entry, Environment, Secret, Store
from compiler.model.provider import Provider
from compiler.rules.api import CATALOGUE, ENVIRONMENT, ERROR, WARNING, Finding, Findings, rule, waiver
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import list_names, quote


@rule("missing-remote", ERROR, ENVIRONMENT)
def find_missing_remote(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        # With a name for the secret each of its keys has a place, except those whose values another entry holds.
        if secret.remote is not None and secret.id not in environment.catalogue.origins:
            continue
        if secret.store is None or environment.damaged:
            continue
        missing: dict[Entry, list[str]] = {}
        for item in secret.keys:
            # Where `from` leads nowhere, that is reported.
            if item.place is None and item.key.is_taken == (item.key.origin is not None):
                missing.setdefault(item.key.holder(secret.entry), []).append(item.key.name)
        for holder, keys in missing.items():
            yield _missing_finding(secret, secret.store, holder, keys)


def _missing_finding(secret: Secret, store: Store, holder: Entry, keys: list[str]) -> Finding:
    if holder is not secret.entry:
        what = f"{quote(holder.id)}, which has the value of {list_names(keys)} of {quote(secret.id)},"
    else:
        what = quote(secret.id) if len(keys) == len(secret.keys) else f"{list_names(keys)} of {quote(secret.id)}"
    return Finding(
        f'{what} has no remote name for the {store.provider.title} store "{store.id}"',
        secret.store_node if secret.store_node is not None else secret.node.key_span,
        help=missing_remote_way_out(holder, store.provider),
        related=(Related("the entry", holder.node.nearest("remote").key_span),),
        scope=("secrets", secret.id),
    )


def missing_remote_way_out(holder: Entry, provider: Provider) -> str:
    """The lines to add to the entry that has the value, named after the ones it has for the other provider."""
    name = next(iter(holder.remote.values()), holder.id)
    return f'add `{provider.id}: {provider.fitting_name(name)}` under `remote` of "{holder.id}" in the catalogue'


@rule("contradictory-remote", ERROR, CATALOGUE)
def find_contradictory_remote(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        for provider in PROVIDERS:
            wholes = [key for key in entry.keys.values() if provider in key.remote and key.remote[provider].whole]
            parted = frozenset(_with_properties(entry, provider)) if wholes else frozenset()
            for key in wholes:
                if problem := _whole_problem(entry, key, provider, parted):
                    message, way_out = problem
                    node = key.node.nearest("remote", provider, "whole")
                    yield Finding(message, node, help=way_out, scope=("secrets", entry.id))


def _whole_problem(
    entry: Entry, key: CatalogueKey, provider: str, parted: frozenset[str | None]
) -> tuple[str, str] | None:
    own = key.remote[provider]
    if not (found := PROVIDERS[provider]).holds_texts:
        message = f"{quote(key.name)} cannot be a whole {found.title} secret"
        return message, f"remove `whole`: {found.title} secrets have properties"
    if own.property is not None:
        return f"{quote(key.name)} is a property and the whole secret at once", "remove `whole` or `property`"
    place = own.name or entry.remote.get(provider)
    if place is not None and place in parted:
        message = f"{quote(key.name)} is the whole of a remote secret that has other keys as properties"
        return message, "add `name` with a remote secret of its own, or remove `whole`"
    return None


def _with_properties(entry: Entry, provider: str) -> Iterator[str | None]:
    """The remote secrets that hold keys of the entry as properties."""
    for key in entry.keys.values():
        own = key.remote.get(provider)
        if not key.is_taken and (own is None or not own.whole):
            yield (own.name if own is not None else None) or entry.remote.get(provider)


def find_unread_remote_in_catalogue(catalogue: Catalogue) -> Findings:
    for entry_id in catalogue.origins:
        entry = catalogue.entries[entry_id]
        if entry.remote:
            yield from _judge_remote(catalogue, entry, entry.node)


@rule("unread-remote", ERROR, ENVIRONMENT, catalogue_check=find_unread_remote_in_catalogue)
def find_unread_remote(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if "remote" in secret.node.children:
            yield from _judge_remote(environment.catalogue, secret.entry, secret.node)


def _judge_remote(catalogue: Catalogue, entry: Entry, node: Node) -> Findings:
    holders = catalogue.origins.get(entry.id, ())
    if not holders or not all(key.is_taken for key in entry.keys.values()):
        return
    others = list_names(holder.id for holder in holders)
    first = next(iter(entry.keys.values()))
    yield Finding(
        f"nothing is read there: every key of {quote(entry.id)} takes its value from {others}",
        node.children["remote"].key_span,
        help=f"remove it; to have the value elsewhere, set the `remote` of {others}, which its readers follow",
        related=(Related("taken here", first.node.children["from"].span),),
        scope=("secrets", entry.id),
    )


@rule("bundle-needs-one-remote", ERROR, ENVIRONMENT)
def find_bundle_needs_one_remote(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        if secret.fetch != BUNDLE or secret.store is None:
            continue
        provider, remote = secret.store.provider.id, secret.remote
        # Only a key that says something of its own place can lie elsewhere.
        elsewhere = [
            key.key
            for key in secret.keys
            if (provider in key.key.remote or key.key.is_taken)
            and key.place is not None
            and (key.place.remote_key != remote or key.place.property != key.key.name)
        ]
        if elsewhere:
            first = elsewhere[0].node
            place = first.children["from"] if elsewhere[0].is_taken else first.nearest("remote", provider)
            yield Finding(
                f'"{secret.id}" cannot be fetched as a bundle: its remote secret has no '
                f"{list_names(key.name for key in elsewhere)} under that name",
                secret.node.get("fetch") or environment.root.nearest("fetch"),
                help=f'set `fetch: perKey` for "{secret.id}"',
                related=(Related("the other place", place.span),),
                scope=("secrets", secret.id),
            )


_OF_KEY = {
    "variants": "is always there",
    "remote": "is at its own name in the remote secret",
    "from": "is in the remote secret of its entry",
}
# What an entry says of the values of its keys.
_OF_VALUES = ("rotate", "maxAge", "overlap", "revoke", "issuer", "generate")
_OF_SECRET = {"use": "has no variants", "fetch": "is always fetched as a whole"}


def find_contradictory_extract_in_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if not entry.extract:
            continue
        extract, scope = entry.node.nearest("extract"), ("secrets", entry.id)
        if (use := entry.node.get("use")) is not None:
            yield _extract_finding(f"{quote(entry.id)} has no variants", "use", use, extract, scope)
        for field in _OF_VALUES if not entry.keys else ():
            if (node := entry.node.get(field)) is not None:
                message = f"`{field}` is of listed keys, and {quote(entry.id)} lists none"
                way_out = f"list them under `keys`, or remove `{field}`"
                related = (Related("every property is a key because of this", extract.span),)
                yield Finding(message, node.key_span, help=way_out, related=related, scope=scope)
        for name, key in entry.keys.items():
            for field, why in _OF_KEY.items():
                if (node := key.node.get(field)) is not None:
                    subject = f"the key {quote(name)} of {quote(entry.id)}"
                    yield _extract_finding(f"{subject} {why}", field, node, extract, scope)


@rule("contradictory-extract", ERROR, ENVIRONMENT, catalogue_check=find_contradictory_extract_in_catalogue)
def find_contradictory_extract(environment: Environment) -> Findings:
    for secret in environment.secrets.values():
        for field, why in _OF_SECRET.items() if secret.entry.extract else ():
            if (node := secret.node.get(field)) is not None:
                extract, scope = secret.entry.node.nearest("extract"), ("secrets", secret.id)
                yield _extract_finding(f"{quote(secret.id)} {why}", field, node, extract, scope)


def _extract_finding(what: str, field: str, node: Node, extract: Node, scope: tuple[str, str]) -> Finding:
    message = f"{what}, as its entry has `extract: true`"
    way_out = f"remove `{field}`, or `extract`"
    related = (Related("it is fetched as a whole here", extract.span),)
    return Finding(message, node.key_span, help=way_out, related=related, scope=scope)


_PLAIN_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,253}", re.ASCII)
# Empty parts are no property, but no path either.
_DOTTED = re.compile(r"(?!-)(?=.{1,253}\Z)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+", re.ASCII)
_PLAIN_NAME_HELP = (
    "use at most 253 letters, digits, _ and -, no - first; `property` gives a key another name in the store"
)


@rule("ambiguous-property", WARNING, CATALOGUE, waivable=True)
def find_ambiguous_property(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        # What is extracted is found by its name.
        for key in entry.keys.values() if not entry.extract else ():
            # A key that takes its value from another has no property of its own.
            if not key.is_taken and (key.remote or not _PLAIN_NAME.fullmatch(key.name)):
                yield from _judge_property(entry, key)


def _judge_property(entry: Entry, key: CatalogueKey) -> Findings:
    for provider, own in key.remote.items():
        if own.property is not None and not own.whole and not _PLAIN_NAME.fullmatch(own.property):
            node = key.node.nearest("remote", provider, "property")
            yield _property_finding(entry, own.property, node, "the property {name}")
    named_otherwise = {name for name, own in key.remote.items() if own.whole or own.property is not None}
    if not _PLAIN_NAME.fullmatch(key.name) and not set(entry.remote) | set(key.remote) <= named_otherwise:
        yield _property_finding(entry, key.name, key.node.key_span, "the key {name} is also its property name, which")


def _property_finding(entry: Entry, name: str, at: Node | Span, subject: str) -> Finding:
    subject, scope = subject.format(name=quote(name)), ("secrets", entry.id)
    if not _DOTTED.fullmatch(name):
        return Finding(f"{subject} has a special meaning", at, help=_PLAIN_NAME_HELP, scope=scope, severity=ERROR)
    inner = quote(name.partition(".")[0])
    message = f"{subject} may mean a value within {inner}"
    way_out = f"`verify` proves that it does not; {waiver('ambiguous-property', entry.id)}"
    return Finding(message, at, help=way_out, scope=scope)
