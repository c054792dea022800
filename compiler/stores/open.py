"""Opens the adapter of a store's provider; a provider's client is imported only when one of its stores is opened."""

from collections.abc import Mapping
from typing import cast

from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, MissingDependencyError, StoreLocation
from compiler.stores.interface import SecretWriter, StoreOptions
from compiler.text.command_line import install_line


def open_store(address: StoreAddress, environ: Mapping[str, str], options: StoreOptions | None = None) -> SecretWriter:
    """Return the adapter of the address' provider; nothing is sent before its first use. Close it after use.

    Every adapter has a constructor of these three arguments. Raises MissingDependencyError where the provider's client
    is not installed, and TlsFailureError or InvalidNameError for an address that must not be used.
    """
    provider = address.provider
    try:
        module = provider.load("store")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("compiler"):
            raise
    else:
        return cast("SecretWriter", getattr(module, provider.adapter)(address, environ, options or StoreOptions()))
    raise MissingDependencyError(
        StoreLocation(address.absolute),
        Action.CONNECT,
        f'the Python package "{missing.partition(".")[0]}" is not installed',
        f"run: {install_line(provider.extra)}",
    )
