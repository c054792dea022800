"""Describes a store: its address, where the value of a key lies in it, and its object in the cluster."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from compiler.model.address import DEFAULT_MOUNT, clean_path, one_spelling
from compiler.model.facts import STORE_WAVE

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.model.address import StoreIdentity
    from compiler.model.catalogue import CatalogueKey, Entry
    from compiler.model.document import Node
    from compiler.model.environment import Store
    from compiler.model.facts import ValuesData
    from compiler.model.provider import Provider


_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*://)(.*@)?([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HIDDEN: Final = "…"


class StoreAddress(NamedTuple):
    """One store. `url` is its address; `mount` and `vault_namespace` are of a provider that has mounts.

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
    def identity(self) -> StoreIdentity:
        """Which store it is, as it is reached from here."""
        return self.provider.identity(self.url, self.mount, self.vault_namespace)

    @property
    def place_here(self) -> tuple[str, ...]:
        """Equal for two that are one place, as this machine reaches them, however their addresses are spelt."""
        inside = clean_path(self.vault_namespace or ""), clean_path(self.mount)
        return one_spelling(self.contact), *inside, self.prefix

    @property
    def absolute(self) -> str:
        """The name of the store's place in messages, journals and comparisons: no prefix, no final slash.

        Leaves out user, password, query and fragment of a URL that the adapters refuse, and a text that is not a URL
        altogether: VAULT_ADDR may hold the token.
        """
        url = _shown(self.url.rstrip("/"))
        inside = ((self.vault_namespace or "").strip("/"), self.mount.strip("/")) if self.provider.has_mounts else ()
        text = "/".join(part for part in (url, *inside) if part)
        return text.lower() if self.provider.ignores_case else text


@lru_cache  # asked for with every request
def _shown(url: str) -> str:
    found = _URL.fullmatch(url)
    if found is None:
        return _HIDDEN
    scheme, user, place, rest = found.groups()
    return f"{scheme}{f'{_HIDDEN}@' if user else ''}{place.rstrip('/')}{f'{rest[0]}{_HIDDEN}' if rest else ''}"


class Place(NamedTuple):
    """A remote secret by its full name (the store's prefix included) and the property in it.

    No property means that the remote secret's whole value is meant.
    """

    remote_key: str
    property: str | None


def remote_of(entry: Entry, provider: str, secret: Node | None = None) -> str | None:
    """The remote secret's name of `entry` in a store of `provider`, without the store's prefix; None where it has none.

    `secret` is what an environment says of it, whose own `remote` goes before the catalogue's.
    """
    own = secret.text("remote", provider) if secret is not None and "remote" in secret.children else None
    return own if own is not None else entry.remote.get(provider)


def place_of(key: CatalogueKey, provider: str, remote: str | None, prefix: str) -> Place | None:
    """The place of `key` in a store of `provider`, or None where neither the key nor the secret names one.

    `remote` is the `remote_of` of the secret that holds the value: for a key that takes it from another entry's,
    that entry's. `place_in` finds it.
    """
    if key.is_taken and key.origin is None:
        return None
    held = key.held
    own = held.remote.get(provider)
    if own is None:
        return Place(prefix + remote, held.name) if remote is not None else None
    name = own.name if own.name is not None else remote
    if name is None:
        return None
    return Place(prefix + name, None if own.whole else own.property or held.name)


def place_in(store: Store, entry: Entry, key: CatalogueKey, secrets: Node | None) -> Place | None:
    """The place in `store` of the value of a key of `entry`, or None where it has none.

    `secrets` are the merged `secrets:` of an environment. What they say of the entry that holds the value counts for
    each key that takes it from there, whether the environment has that secret or not.
    """
    holder = key.holder(entry)
    said = secrets.children.get(holder.id) if secrets is not None else None
    provider = store.provider.id
    return place_of(key, provider, remote_of(holder, provider, said), store.prefix)


def way_to_place(secret_id: str, provider: Provider) -> str:
    """The lines to add so that the keys of a secret have places in the stores of `provider`."""
    return f'add `{provider.id}: NAME` under `remote` of "{secret_id}" in environments/catalogue.yaml'


def store_object(store: Store, namespace: str, operator: tuple[int, int]) -> ValuesData:
    """Name, wave, conditions and provider; a SecretStore lies in `namespace`, the environment's.

    `operator` is the minor of External Secrets Operator, whose CRD decides which defaulted fields are written.
    """
    data: dict[str, ValuesData] = {"name": store.name, "syncWave": str(STORE_WAVE)}
    if store.kind == "SecretStore":
        data["namespace"] = namespace
    else:
        namespaces = _texts(store.node.get("conditions", "namespaces"))
        data["conditions"] = [{"namespaces": namespaces}]
    data["provider"] = {store.provider.id: store.provider.spec(store, operator)}
    return data


def service_account_of(node: Node) -> ValuesData:
    """The operator's fields of a reference to a ServiceAccount."""
    data = fields_of(node, "name", "namespace")
    audiences = _texts(node.get("audiences"))
    if audiences:
        data["audiences"] = audiences
    return data


def reference_of(node: Node) -> ValuesData:
    """The operator's fields of a reference to a key of a Secret."""
    return fields_of(node, "name", "key", "namespace")


def fields_of(node: Node, *names: str) -> dict[str, ValuesData]:
    """The texts of those names that `node` has."""
    return {name: text for name in names if (text := node.text(name))}


def _texts(node: Node | None) -> list[ValuesData]:
    return [item.value for item in node.items if isinstance(item.value, str)] if node is not None else []
