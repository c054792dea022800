"""Tells whether two addresses lead to the same store, as written in files or in the cluster, or as seen from here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.address import parse_address
from compiler.model.store_address import Provider, StoreAddress
from compiler.operations.live.stores import AddressError

if TYPE_CHECKING:
    from collections.abc import Container

    from compiler.model.environment import Store
    from compiler.operations.live.stores import LiveStores

_DEFAULT_PORTS = {"https": 443, "http": 80}


def identity(address: StoreAddress) -> str:
    """The same text for two addresses of one store: host, port, path, and of a Vault namespace and mount."""
    if address.provider is not Provider.VAULT:
        return server(address.provider, address.url, None)
    return server(address.provider, address.url, address.vault_namespace) + address.mount.strip("/")


def server(provider: Provider, url: str, namespace: str | None) -> str:
    """The beginning of the identities of all stores of a server, in a namespace of it where one is given.

    A Vault takes a namespace before the mount for the same as one of its own.
    """
    parts = parse_address(url)
    where = url.rstrip("/").lower()
    if parts is not None:
        where = f"{parts.host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}{parts.path}"
    inside = (namespace or "").strip("/")
    return f"{provider}|{where}|{inside}/" if inside else f"{provider}|{where}|"


def written(store: Store) -> StoreAddress | None:
    """The address of `store` as its environment has it, None where it has none."""
    if not store.address:
        return None
    return StoreAddress(Provider(store.provider), store.address, store.mount, store.vault_namespace, store.prefix)


def folded(name: str, provider: str) -> str:
    """A remote secret's name for comparison: Key Vault's do not tell capitals from small letters."""
    return name.lower() if provider == Provider.AZURE_KEY_VAULT else name


def identities(store: Store, stores: LiveStores) -> frozenset[str]:
    """Under which addresses `store` may be read: as its environment has it, and as seen from here.

    With VAULT_ADDR the second is what is written to, and another environment may name it. Raises AddressError.
    """
    address = written(store)
    return frozenset({identity(stores.address(store)), *([identity(address)] if address is not None else [])})


def is_same(other: Store, own: Container[str], stores: LiveStores) -> bool:
    """Whether `other` has one of the addresses `own`; a store without any address counts as the same."""
    address = written(other)
    if address is None:
        try:
            address = stores.address(other)
        except AddressError:
            return True
    return identity(address) in own
