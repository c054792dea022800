"""Opens the adapter of a store's provider; a provider's client is imported only when one of its stores is opened."""

import importlib
from collections.abc import Mapping
from typing import Final, cast

from compiler.model.store import Provider, StoreAddress
from compiler.stores.errors import Action, MissingDependencyError, StoreLocation
from compiler.stores.interface import SecretWriter, StoreOptions
from compiler.text.extra import install_line

# provider: the module that holds its adapter, the adapter's class, and the extra that installs the provider's client.
_ADAPTERS: Final = {
    Provider.VAULT: ("compiler.stores.vault.store", "VaultStore", "vault"),
    Provider.AZURE_KEY_VAULT: ("compiler.stores.azure_key_vault.store", "AzureKeyVaultStore", "azure"),
}


def open_store(address: StoreAddress, environ: Mapping[str, str], options: StoreOptions | None = None) -> SecretWriter:
    """Return the adapter of the address' provider; nothing is sent before its first use. Close it after use.

    Every adapter has a constructor of these three arguments. Raises MissingDependencyError where the provider's client
    is not installed, and TlsFailureError or InvalidNameError for an address that must not be used.
    """
    module_name, class_name, extra = _ADAPTERS[address.provider]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("compiler"):
            raise
    else:
        return cast("SecretWriter", getattr(module, class_name)(address, environ, options or StoreOptions()))
    raise MissingDependencyError(
        StoreLocation(address.absolute),
        Action.CONNECT,
        f'the Python package "{missing.partition(".")[0]}" is not installed',
        f"run: {install_line(extra)}",
    )
