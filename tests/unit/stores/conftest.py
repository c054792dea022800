"""The local Key Vault with an adapter on it, and a Vault of scripted answers, for the tests of the adapters' parts."""

import os
from collections.abc import Iterator

import pytest

from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.interface import StoreOptions
from tests import providers
from tests.faulty_key_vault import FaultyKeyVault
from tests.unit.stores.scripted_vault import ScriptedVault
from tests.virtual_clock import VirtualClock


@pytest.fixture(autouse=True, scope="module")
def machine_without_authorities() -> Iterator[None]:
    """Reading the hundred that a machine trusts by default takes 40 ms a store, and they sign nothing here."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
        yield


@pytest.fixture
def vault() -> Iterator[FaultyKeyVault]:
    with FaultyKeyVault() as running:
        yield running


@pytest.fixture
def store(vault: FaultyKeyVault) -> Iterator[AzureKeyVaultStore]:
    opened = AzureKeyVaultStore(address_of(vault), vault.environ(), StoreOptions(clock=VirtualClock()))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def scripted_vault_server() -> Iterator[ScriptedVault]:
    with ScriptedVault() as running:
        yield running


@pytest.fixture
def scripted_vault(scripted_vault_server: ScriptedVault) -> Iterator[ScriptedVault]:
    yield scripted_vault_server
    scripted_vault_server.reset()


def address_of(vault: FaultyKeyVault, prefix: str = "") -> StoreAddress:
    return StoreAddress(providers.KEY_VAULT, vault.url, prefix=prefix)


def opened_with(vault: FaultyKeyVault, read_timeout: float = 30.0) -> AzureKeyVaultStore:
    return AzureKeyVaultStore(
        address_of(vault),
        vault.environ(),
        StoreOptions(clock=VirtualClock(), read_timeout=read_timeout),
        credential=vault.credential(lifetime=1e9),
    )
