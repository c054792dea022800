"""Holds where a store is, absolute and free of secrets; a compiled environment's stores are mapped to it."""

import re
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Final

from compiler.model.address import DEFAULT_MOUNT
from compiler.model.record import dataclass
from compiler.model.store_identity import clean_path, one_spelling
from compiler.text.regex import regex

_URL: Final = regex(r"([a-z][a-z0-9+.-]*://)(.*@)?([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HIDDEN: Final = "…"


class Provider(StrEnum):
    """The kinds of store, as an environment's `provider:` writes them."""

    VAULT = "vault"
    AZURE_KEY_VAULT = "azurekv"


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """One store. `url` is Vault's server or Key Vault's vault URL; `mount` and `vault_namespace` are Vault's only.

    `prefix` is part of every name that an adapter is given already; an adapter uses it only to list no more than its
    own names. `ca` is a PEM file of the authorities to trust in place of the system's. `reachable_at` is where a Vault
    is asked in place of `url`, which alone says which store it is. Where there are `cluster_ids`, the Vault's server
    must not say that it is another one.
    """

    provider: Provider
    url: str
    mount: str = DEFAULT_MOUNT
    vault_namespace: str | None = None
    prefix: str = ""
    ca: Path | None = None
    reachable_at: str | None = None
    cluster_ids: tuple[str, ...] = ()

    @property
    def contact(self) -> str:
        """The URL that requests go to."""
        return self.reachable_at or self.url

    @property
    def place_here(self) -> tuple[str, ...]:
        """Equal for two that are one place, as this machine reaches them, however their addresses are spelt."""
        inside = clean_path(self.vault_namespace or ""), clean_path(self.mount)
        return one_spelling(self.contact), *inside, self.prefix

    @property
    def absolute(self) -> str:
        """What names the same place for everyone, in messages, journals and comparisons: no prefix, no final slash.

        Leaves out user, password, query and fragment of a URL that the adapters refuse, and a text that is not a URL
        altogether: VAULT_ADDR may hold the token.
        """
        url = _shown(self.url.rstrip("/"))
        if self.provider is Provider.AZURE_KEY_VAULT:
            return url.lower()
        parts = (url, (self.vault_namespace or "").strip("/"), self.mount.strip("/"))
        return "/".join(part for part in parts if part)


@lru_cache  # asked for with every request
def _shown(url: str) -> str:
    found = _URL.fullmatch(url)
    if found is None:
        return _HIDDEN
    scheme, user, place, rest = found.groups()
    return f"{scheme}{f'{_HIDDEN}@' if user else ''}{place.rstrip('/')}{f'{rest[0]}{_HIDDEN}' if rest else ''}"
