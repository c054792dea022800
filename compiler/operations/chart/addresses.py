"""Compares where the stores of two environments are: two that have one name in the cluster may be two vaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.store_address import Provider, StoreAddress

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from compiler.model.environment import Environment, Store


@dataclass(frozen=True, slots=True)
class AddressChange:
    """A store, called as secrets refer to it, that is elsewhere in the other environment."""

    store: str
    before: str
    after: str


def addresses_of(environment: Environment) -> dict[str, str]:
    """The address of each store that a secret of the environment reads, by kind and name; in the order of the input."""
    read = {secret.store.id for secret in environment.secrets.values() if secret.store is not None}
    return {f"{store.kind}/{store.name}": _address(store) for store in environment.stores.values() if store.id in read}


def address_changes(
    before: Mapping[str, str], after: Mapping[str, str], known: Iterable[str] = ()
) -> tuple[AddressChange, ...]:
    """The stores that both sides read and that differ, without those that are `known` to be compared otherwise."""
    told = frozenset(known)
    return tuple(
        AddressChange(store, address, after[store])
        for store, address in before.items()
        if store in after and after[store] != address and store not in told
    )


def _address(store: Store) -> str:
    """URL, mount, namespace and prefix, each with its name: two of them may hold the same slashes."""
    url = StoreAddress(Provider(store.provider), store.address, mount="").absolute if store.address else "no address"
    named = (("mount", store.mount), ("namespace", store.vault_namespace), ("prefix", store.prefix))
    return ", ".join((url, *(f"{what} {text}" for what, text in named if text)))
