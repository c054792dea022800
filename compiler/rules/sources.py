"""Judges keys that take their value `from` another key: whether that exists, ends, and is read from one store."""

from compiler.model.document import Related
from compiler.model.environment import Catalogue, CatalogueKey, Entry, Environment, Secret
from compiler.rules.api import CATALOGUE, ENVIRONMENT, ERROR, WARNING, Finding, Findings, rule, waiver
from compiler.text.wording import closest, list_names, pluralize, quote, suggest


@rule("unknown-source", ERROR, CATALOGUE)
def find_unknown_source(catalogue: Catalogue) -> Findings:
    # A part left out as invalid is not unknown.
    if catalogue.document.damaged:
        return
    for entry in catalogue.entries.values():
        for key in entry.keys.values():
            if key.is_taken and key.origin is None:
                yield from _judge_source(catalogue, entry, key)


def _judge_source(catalogue: Catalogue, entry: Entry, key: CatalogueKey) -> Findings:
    source = key.source
    if source is None:
        return
    node, scope = key.node.children["from"], ("secrets", entry.id)
    holder = catalogue.entries.get(source[0])
    if holder is None:
        match = closest(source[0], catalogue.entries)
        yield Finding(
            f"no secret named {quote(source[0])} in the catalogue",
            node,
            help=suggest(source[0], catalogue.entries, "secrets"),
            related=(Related(f'"{match}" is defined here', catalogue.entries[match].node.key_span),) if match else (),
            scope=scope,
        )
    elif source[1] not in holder.keys:
        related = (Related(f'"{holder.id}" is defined here', holder.node.key_span),)
        message = f"{quote(holder.id)} has no key {quote(source[1])}"
        way_out = suggest(source[1], holder.keys, "keys")
        if holder.extract:
            listed = f"list it in the keys of {quote(holder.id)}, if the store has it"
            way_out = f"{way_out}; or {listed}" if way_out is not None else listed
        yield Finding(message, node, help=way_out, related=related, scope=scope)


# A longer circle is a made one; its other places help nobody.
_MOST_PLACES = 5
# An entry's id, and a key's name.
_Name = tuple[str, str]


@rule("circular-source", ERROR, CATALOGUE)
def find_circular_source(catalogue: Catalogue) -> Findings:
    done: set[_Name] = set()
    for entry in catalogue.entries.values():
        for name, key in entry.keys.items():
            if key.is_taken and key.origin is None:
                circle = _find_circle((entry.id, name), catalogue, done)
                if circle:
                    yield _circle_finding(circle)


def _find_circle(at: _Name, catalogue: Catalogue, done: set[_Name]) -> list[tuple[_Name, CatalogueKey]]:
    """The circle that the chain from `at` runs into, if nobody came by before."""
    passed: dict[_Name, CatalogueKey] = {}
    while at not in done:
        entry = catalogue.entries.get(at[0])
        key = entry.keys.get(at[1]) if entry is not None else None
        if key is None or key.source is None:
            return []
        done.add(at)
        passed[at] = key
        at = key.source
    return list(passed.items())[list(passed).index(at) :] if at in passed else []


def _circle_finding(circle: list[tuple[_Name, CatalogueKey]]) -> Finding:
    spans = [key.node.children["from"].span for _, key in circle]
    entry_id, name = circle[0][0]
    first = quote(f"{entry_id}/{name}")
    message = f"{first} takes its value from itself"
    if len(circle) > 1:
        message += f", by way of {pluralize(len(circle) - 1, 'other key')}"
    related = tuple(Related("and on from here", span) for span in spans[1 : _MOST_PLACES + 1])
    way_out = "let one key have the value itself: remove its `from`"
    return Finding(message, spans[0], help=way_out, related=related, scope=("secrets", entry_id))


@rule("split-value", WARNING, ENVIRONMENT, waivable=True)
def find_split_value(environment: Environment) -> Findings:
    first: dict[CatalogueKey, Secret] = {}
    parted: dict[tuple[Secret, Secret], list[str]] = {}
    for name, key in environment.shared_keys():
        secret = environment.secrets[name]
        other = first.setdefault(key.value_key, secret)
        if other.store is not secret.store and other.store is not None and secret.store is not None:
            parted.setdefault((other, secret), []).append(key.name)
    for (other, secret), keys in parted.items():
        yield _split_finding(other, secret, keys)


def _split_finding(other: Secret, secret: Secret, keys: list[str]) -> Finding:
    one, two = (quote(each.store.id if each.store is not None else "") for each in (secret, other))
    # The line that sets one secret apart from the rest.
    at = next((each.node.children["store"] for each in (secret, other) if "store" in each.node.children), None)
    return Finding(
        f"{quote(secret.id)} reads {list_names(keys)} from {one}, but {quote(other.id)} has the same value from {two}",
        at if at is not None else secret.node.key_span,
        help=f"let both read one store; {waiver('split-value', secret.id)}",
        related=(Related("the other secret", other.node.key_span),),
        scope=("secrets", secret.id),
    )
