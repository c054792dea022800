"""Opens each store of an environment once, at the address by which this machine reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.model.store_address import Provider, StoreAddress
from compiler.model.store_identity import StoreIdentity, address_identity, written_identity
from compiler.refusal import Refusal
from compiler.stages.outside import VAULT_NAME_VARIABLE
from compiler.stores.open import open_store
from compiler.stores.vault.login import HOME_TOKEN, is_from_home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from compiler.model.environment import Store
    from compiler.stores.interface import SecretWriter

VAULT_ADDRESS_VARIABLE = "VAULT_ADDR"


class AddressError(Refusal):
    """A store of the environment has no usable address; `verify` reports it and goes on."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__("cannot run", message, help_text)


def address_of(store: Store, environ: Mapping[str, str]) -> StoreAddress:
    """Where `store` is reached from here. VAULT_ADDR replaces the cluster's own address of a Vault (a port-forward).

    Raises AddressError where it has none, and where its vaultUrl is another Key Vault than AZURE_KEYVAULT_NAME names.
    The compiler checks that only for stores that the environment uses; a command may write to any.
    """
    is_vault = store.provider == VAULT
    url = (environ.get(VAULT_ADDRESS_VARIABLE) if is_vault else None) or store.address
    if not url:
        raise _no_address(store)
    name = None if is_vault else environ.get(VAULT_NAME_VARIABLE)
    if name and url.partition("://")[2].partition(".")[0].lower() != name.lower():
        message = f'{VAULT_NAME_VARIABLE} names another vault than the vaultUrl of the store "{store.id}"'
        raise AddressError(message, f"unset {VAULT_NAME_VARIABLE}, or correct vaultUrl")
    namespace = store.vault_namespace or (environ.get("VAULT_NAMESPACE") if is_vault else None)
    return StoreAddress(Provider(store.provider), url, store.mount, namespace or None, store.prefix)


def _no_address(store: Store) -> AddressError:
    setting = "server" if store.provider == VAULT else "vaultUrl"
    variable = VAULT_ADDRESS_VARIABLE if store.provider == VAULT else VAULT_NAME_VARIABLE
    return AddressError(f'the store "{store.id}" has no address', f"add its {setting}, or set {variable}")


class LiveStores:
    """Opens the stores of one run when they are first asked for, and closes them together."""

    def __init__(
        self,
        environ: Mapping[str, str],
        opener: Callable[[StoreAddress, Mapping[str, str]], SecretWriter] = open_store,
    ) -> None:
        self._environ = environ
        self._opener = opener
        self._tell: Callable[[str], None] | None = None
        self._open: dict[StoreAddress, SecretWriter] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def tell_by(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called once with what a person may not expect of the log-ins to come."""
        self._tell = tell

    def address(self, store: Store) -> StoreAddress:
        """Where `store` is reached from here. Raises AddressError."""
        return address_of(store, self._environ)

    def identities(self, store: Store) -> tuple[StoreIdentity, ...]:
        """What `store` is known as: as it is reached from here, and as its environment writes it.

        With VAULT_ADDR the first is what is written to, and another environment may name it. Raises AddressError.
        """
        written = [written_identity(store)] if store.address else []
        return tuple(dict.fromkeys((address_identity(self.address(store)), *written)))

    def open(self, store: Store) -> SecretWriter:
        """The adapter of `store`; two names of one address share it. Raises AddressError and StoreError."""
        address = self.address(store)
        if address not in self._open:
            self._open[address] = self._opener(address, self._environ)
            self._tell_source(address)
        return self._open[address]

    def _tell_source(self, address: StoreAddress) -> None:
        tell, is_vault = self._tell, address.provider is Provider.VAULT
        if tell is not None and is_vault and is_from_home(self._environ):
            self._tell = None
            tell(f"VAULT_TOKEN is not set: logging in to {address.absolute} with the token of {HOME_TOKEN}")
