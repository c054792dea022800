"""Explains where one key of a secret lies in its store, with each line that decides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.model.outline import place_text
from compiler.operations.explain.explanation import Explanation, shown_value, shown_where
from compiler.refusal import Refusal
from compiler.text.command_line import command_line
from compiler.text.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from compiler.model.catalogue import CatalogueKey, Entry
    from compiler.model.document import Node
    from compiler.model.environment import Environment, Secret, SecretKey, Store


def explain_key(
    environment: Environment, secret_id: str, name: str, rows: Sequence[Explanation]
) -> tuple[Explanation, ...]:
    """The place of the key first, then what decides it; `rows` are all of the environment. Raises Refusal."""
    entry = environment.catalogue.entries[secret_id]
    key = entry.keys.get(name)
    if key is None:
        way_out = (
            suggest(name, entry.keys, "keys")
            or f"run `{command_line('explain', environment.name, f'secrets.{secret_id}')}`"
        )
        raise Refusal("usage", f'"{secret_id}" has no key "{name}" in the catalogue', way_out)
    by_path = {row.path: row for row in rows}
    secret = environment.secrets.get(secret_id)
    path = f"{secret_id}/{name}"
    if secret is None:
        return tuple(without_secret(environment, entry, path, by_path))
    found = next((each for each in secret.keys if each.key is key), None)
    if found is None:
        note = _why_unused(secret, key)
        holder = key.holder(entry).id
        rows = (*_taken(secret, key), *_use(holder, by_path))
        return (Explanation(path, None, "unused", shown_where(key.node.key_span), note=note), *rows)
    return tuple(_of_key(secret, found, by_path))


def without_secret(
    environment: Environment, entry: Entry, path: str, by_path: dict[str, Explanation]
) -> Iterator[Explanation]:
    """That the environment does not have the secret, called `path`, and what decides so."""
    note = f'"{environment.name}" does not have the secret'
    yield Explanation(path, None, "unused", shown_where(entry.node.key_span), note=note)
    for decisive in (f"secrets.{entry.id}", f"secrets.{entry.id}.enabled"):
        if decisive in by_path:
            yield by_path[decisive]


def key_place(secret: Secret, found: SecretKey) -> Explanation:
    """Where one key lies in the secret's store."""
    path, where = f"{secret.id}/{found.key.name}", shown_where(found.key.node.key_span)
    if secret.store is None or found.place is None:
        return Explanation(path, None, "unused", where, note="the secret's store has no place for it")
    place = place_text((found.place.remote_key, found.place.property))
    return Explanation(path, place, "resolved", where, note=f"in {_described(secret.store)}")


def _of_key(secret: Secret, found: SecretKey, by_path: dict[str, Explanation]) -> Iterator[Explanation]:
    key, store = found.key, secret.store
    yield key_place(secret, found)
    yield from _taken(secret, key)
    store_path = f"secrets.{secret.id}.store"
    if store_path in by_path:
        yield by_path[store_path]
    if store is not None:
        yield from _remote(secret, key, store, by_path)
    if key.held.variants:
        yield from _use(key.holder(secret.entry).id, by_path)


def _taken(secret: Secret, key: CatalogueKey) -> Iterator[Explanation]:
    if key.origin is not None:
        node, note = key.node.children["from"], f"the value is that of {key.origin.entry.id}/{key.origin.key.name}"
        path = f"secrets.{secret.id}.keys.{key.name}.from"
        yield Explanation(path, shown_value(node), "catalogue", shown_where(node.span), note=note)


def _why_unused(secret: Secret, key: CatalogueKey) -> str:
    if key.origin is None:
        return f"it belongs to {_listed(key.variants)}; in use: {', '.join(secret.variants) or 'none'}"
    holder, held = key.origin.entry.id, key.origin.key
    return f"its value is that of {holder}/{held.name}, of {_listed(held.variants)} of {holder}, which is not in use"


def _remote(secret: Secret, key: CatalogueKey, store: Store, by_path: dict[str, Explanation]) -> Iterator[Explanation]:
    prefix = by_path.get(f"stores.{store.id}.prefix")
    if prefix is not None:
        yield prefix
    holder, key = key.holder(secret.entry), key.held
    own = key.node.get("remote", store.provider)
    in_catalogue = f"secrets.{holder.id}.keys.{key.name}.remote.{store.provider}"
    name = own if own is not None and isinstance(own.value, str) else own.get("name") if own is not None else None
    if name is not None:
        yield _from_catalogue(in_catalogue, name)
    else:
        path, written = f"secrets.{holder.id}.remote.{store.provider}", holder.node.get("remote", store.provider)
        if path in by_path:
            yield by_path[path]
        elif written is not None:
            # The environment has not that secret, but one that takes a value from it.
            yield _from_catalogue(path, written)
    for part in ("property", "whole"):
        node = own.get(part) if own is not None else None
        if node is not None:
            yield _from_catalogue(f"{in_catalogue}.{part}", node)


def _from_catalogue(path: str, node: Node) -> Explanation:
    return Explanation(path, shown_value(node), "catalogue", shown_where(node.span))


def _use(secret_id: str, by_path: dict[str, Explanation]) -> Iterator[Explanation]:
    use = by_path.get(f"secrets.{secret_id}.use")
    if use is not None:
        yield use


def _described(store: Store) -> str:
    kind = "Vault" if store.provider == VAULT else "Key Vault"
    address = store.address or "no address configured"
    mount = f", mount {store.mount}" if store.mount else ""
    return f'the store "{store.id}": {kind}, {address}{mount}'


def _listed(variants: Sequence[str]) -> str:
    return f"the variant{'' if len(variants) == 1 else 's'} {', '.join(variants)}"
