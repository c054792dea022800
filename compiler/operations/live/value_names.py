"""Names each value of an environment once, where several secrets have it in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.model.catalogue import CatalogueKey
    from compiler.model.environment import Environment

# A secret of the environment, and a key of its entry.
ValueName = tuple[str, str]


def value_names(environment: Environment) -> dict[ValueName, ValueName]:
    """For each key that takes its value from another: the secret and key by which the environment has that value.

    That is the key with the value where its secret is here and reads the same store, else the first that takes it. A
    key that takes no value is not in it.
    """
    names: dict[ValueName, ValueName] = {}
    first: dict[tuple[CatalogueKey, str | None], ValueName] = {}
    origins = environment.catalogue.origins
    holders = {holder.id for name in environment.secrets for holder in origins.get(name, ())}
    for secret in environment.secrets.values():
        if secret.id in holders:
            store = secret.store.id if secret.store is not None else None
            first.update({(key, store): (secret.id, key.name) for key in secret.entry.keys.values()})
    for secret in environment.secrets.values():
        store = secret.store.id if secret.store is not None else None
        for key in secret.entry.keys.values() if secret.id in origins else ():
            if key.origin is not None:
                names[secret.id, key.name] = first.setdefault((key.held, store), (secret.id, key.name))
    return names


def same_value(environment: Environment, name: ValueName) -> tuple[str, str] | None:
    """The entry and key that have the value of a key of the catalogue; None for a key that it does not have."""
    entry = environment.catalogue.entries.get(name[0])
    key = entry.keys.get(name[1]) if entry is not None else None
    return (key.holder(entry).id, key.held.name) if entry is not None and key is not None else None
