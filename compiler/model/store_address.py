"""StoreAddress: where a store is, absolute and free of secrets; a compiled environment's stores are mapped to it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Provider(StrEnum):
    """The kinds of store, as an environment's `provider:` writes them."""

    VAULT = "vault"
    AZURE_KEY_VAULT = "azurekv"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """One store. `url` is Vault's server or Key Vault's vault URL; `mount` and `vault_namespace` are Vault's only.

    `prefix` is part of every name that an adapter is given already; an adapter uses it only to list no more than its
    own names. `ca` is a PEM file of the authorities to trust in place of the system's.
    """

    provider: Provider
    url: str
    mount: str = "secret"
    vault_namespace: str | None = None
    prefix: str = ""
    ca: Path | None = None

    @property
    def absolute(self) -> str:
        """What names the same place for everyone, in messages, journals and comparisons: no prefix, no final slash."""
        url = self.url.rstrip("/")
        if self.provider is Provider.AZURE_KEY_VAULT:
            return url.lower()
        parts = (url, (self.vault_namespace or "").strip("/"), self.mount.strip("/"))
        return "/".join(part for part in parts if part)
