"""The local Key Vault and an adapter on it, for the tests of the adapter's parts."""

from collections.abc import Iterator

import pytest

from compiler.demo.local_key_vault import LocalKeyVault
from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.azure_key_vault import AzureKeyVaultStore
from compiler.stores.clock import VirtualClock
from compiler.stores.options import StoreOptions


@pytest.fixture
def key_vault() -> Iterator[LocalKeyVault]:
    with LocalKeyVault() as running:
        yield running


@pytest.fixture
def key_vault_store(key_vault: LocalKeyVault) -> Iterator[AzureKeyVaultStore]:
    opened = AzureKeyVaultStore(address_of(key_vault), key_vault.environ(), StoreOptions(clock=VirtualClock()))
    yield opened
    opened.close()


def address_of(vault: LocalKeyVault, prefix: str = "") -> StoreAddress:
    return StoreAddress(Provider.AZURE_KEY_VAULT, vault.url, prefix=prefix)


def opened_with(vault: LocalKeyVault, read_timeout: float = 30.0) -> AzureKeyVaultStore:
    return AzureKeyVaultStore(
        address_of(vault),
        vault.environ(),
        StoreOptions(clock=VirtualClock(), read_timeout=read_timeout),
        credential=vault.credential(lifetime=1e9),
    )
