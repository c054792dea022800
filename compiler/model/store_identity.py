"""Decides whether two stores are the same, another or unproven, and which places in a store a remote name may mean.

It is asked for stores as an environment writes them, as objects in the cluster, and as reached from here. Addresses and
names are brought to one form as External Secrets Operator's clients do.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from compiler.model.address import cloud_of, is_loopback, parse_address
from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from compiler.model.environment import Store
    from compiler.model.store import StoreAddress

_DEFAULT_PORTS = {"https": 443, "http": 80}
# SERVICE.NAMESPACE, which search domains complete, and the longer forms of the same name.
_SERVICE = re.compile(r"([a-z0-9-]+\.[a-z0-9-]+)\.svc(?:\.cluster\.local)?")
_ROOT_NAMESPACE = "root"
_NAMESPACE_HEADER = "x-vault-namespace"
_V1, _V2 = "v1", "v2"


class Sameness(Enum):
    """Whether two stores are one. UNPROVEN: nothing but the spelling of a Vault's address differs, or it is unknown."""

    SAME = "same"
    ANOTHER = "another"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """One store, in the form that comparisons need: two that are spelt alike are equal.

    `server` is the address without its scheme, None where it is unknown. `mount` is None for a live Vault store without
    `path`, whose names begin with the mount; `version` is that of the KV engine. `cluster_id` is what a Vault says of
    itself, or what an environment writes of it.
    """

    provider: str
    server: str | None
    mount: str | None = None
    namespace: str = ""
    version: str = _V2
    cluster_id: str | None = None


def written_identity(store: Store) -> StoreIdentity:
    """The identity of a store as its environment writes it."""
    identity = _identity(store.provider, store.address, store.mount, store.vault_namespace)
    return identity if store.cluster_id is None else replace(identity, cluster_id=store.cluster_id)


def address_identity(address: StoreAddress) -> StoreIdentity:
    """The identity of a store as it is reached from here."""
    return _identity(address.provider.value, address.url, address.mount, address.vault_namespace)


def live_identity(store: Mapping[str, Any]) -> StoreIdentity:
    """The identity of a ClusterSecretStore or SecretStore, as the API returns it."""
    provider = _mapping(_mapping(store.get("spec")).get("provider"))
    if VAULT in provider:
        return vault_identity(_mapping(provider[VAULT]))
    if AZURE_KEY_VAULT in provider:
        return _identity(AZURE_KEY_VAULT, _text(_mapping(provider[AZURE_KEY_VAULT]).get("vaultUrl")))
    return StoreIdentity(str(next(iter(provider), "")), None)


def vault_identity(provider: Mapping[str, Any]) -> StoreIdentity:
    """The identity of the Vault that the fields of the operator's `vault` provider lead to."""
    server, path, namespace, version = (
        _text(provider.get(name)) for name in ("server", "path", "namespace", "version")
    )
    if namespace is None:
        # The operator sends `headers` with every request, behind the one that it makes of `namespace`.
        named = {str(name).lower(): value for name, value in _mapping(provider.get("headers")).items()}
        namespace = _text(named.get(_NAMESPACE_HEADER))
    return _identity(VAULT, server, path, namespace, version or _V2)


def _mapping(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}


def _text(found: object) -> str | None:
    return found if isinstance(found, str) and found else None


def _identity(
    provider: str, url: str | None, path: str | None = None, namespace: str | None = None, version: str = _V2
) -> StoreIdentity:
    server = one_spelling(url) if url else None
    if provider != VAULT:
        return StoreIdentity(provider, server)
    inside = clean_path(namespace or "")
    first, _, below = inside.partition("/")
    mount = clean_path(path) if path else None
    return StoreIdentity(VAULT, server, mount, below if first == _ROOT_NAMESPACE else inside, version)


def one_spelling(url: str) -> str:
    """Host, port and path of a URL in one spelling."""
    parts = parse_address(url)
    if parts is None:
        return url.rstrip("/").lower()
    host = parts.host.rstrip(".")
    if is_loopback(host):
        host = "localhost"
    elif service := _SERVICE.fullmatch(host):
        host = service[1]
    return f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}{parts.path}"


def compare_stores(one: StoreIdentity, other: StoreIdentity) -> Sameness:
    """Whether both are one store, in which a name means the same."""
    if one.provider == other.provider and _engine(one) != _engine(other):
        return Sameness.ANOTHER
    return compare_servers(one, other)


def _engine(store: StoreIdentity) -> tuple[str | None, str]:
    # A Vault takes a namespace before the mount for the same as one of its own.
    return (None if store.mount is None else clean_path(f"{store.namespace}/{store.mount}")), store.version


def compare_servers(one: StoreIdentity, other: StoreIdentity) -> Sameness:
    """Whether both are on one server, whatever their mounts; `remote_places` tells those apart.

    Equal cluster ids prove nothing: a restored copy of a Vault has that of its original.
    """
    if one.provider != other.provider:
        return Sameness.ANOTHER
    if one.cluster_id and other.cluster_id and one.cluster_id != other.cluster_id:
        return Sameness.ANOTHER
    if one.server is None or other.server is None:
        return Sameness.UNPROVEN
    if one.server == other.server:
        return Sameness.SAME
    is_another = one.provider == AZURE_KEY_VAULT and _is_another_vault(one.server, other.server)
    return Sameness.ANOTHER if is_another else Sameness.UNPROVEN


def _is_another_vault(one: str, other: str) -> bool:
    """Whether two unlike servers are Key Vaults of two names, or of one name in two clouds."""
    hosts = [server.partition(":")[0] for server in (one, other)]
    names, clouds = {host.partition(".")[0] for host in hosts}, {cloud_of(host) for host in hosts}
    return len(names) > 1 or (len(clouds) > 1 and None not in clouds)


def compare_any(own: Iterable[StoreIdentity], other: StoreIdentity) -> Sameness:
    """Whether `other` is on the server of one of `own`, the identities under which one store is known."""
    found = {compare_servers(each, other) for each in own}
    return next(each for each in (Sameness.SAME, Sameness.UNPROVEN, Sameness.ANOTHER) if each in found)


def clean_path(path: str) -> str:
    """`path` without slashes around it, cleaned as Go's path.Join does for Vault's client."""
    if "//" not in path and "/." not in path and path[:1] not in ("", ".", "/") and path[-1] != "/":
        return path
    return posixpath.normpath(f"/{path.lstrip('/')}").strip("/")


def remote_name(provider: str, name: str) -> str:
    """A remote secret's name for comparison, within one mount.

    The operator takes the part after the first slash for a Key Vault's name and drops the rest; capitals are small
    letters there.
    """
    if provider == AZURE_KEY_VAULT:
        return (name.split("/")[1] if "/" in name else name).lower()
    return clean_path(name)


def remote_places(store: StoreIdentity, name: str) -> frozenset[str]:
    """The places on its server that the operator may read for `name`: with and without the mount and `data/` in front.

    Two names mean one remote secret where they have a place in common. Of a Vault it is a path of its API, below which
    `find.path` finds whatever begins with it, by whole segments; of a Key Vault it is the name.
    """
    if store.provider != VAULT:
        return frozenset({remote_name(store.provider, name)})
    return frozenset(clean_path(f"{store.namespace}/{clean_path(path)}") for path in _api_paths(store, name))


def _api_paths(store: StoreIdentity, name: str) -> Iterator[str]:
    is_v2, short = store.version != _V1, clean_path(name)
    if store.mount is None:
        yield name
        if is_v2:
            mount, _, rest = short.partition("/")
            yield f"{mount}/data/{rest}"
        return
    inside = f"{store.mount}/data" if is_v2 else store.mount
    yield f"{inside}/{name}"
    for prefix in (f"{store.mount}/", "data/"):
        if short.startswith(prefix):
            short = short.removeprefix(prefix)
            yield f"{inside}/{short}"


def found_below(store: StoreIdentity, path: str) -> frozenset[str]:
    """The places whose content `find` may read with this `path`; an empty one stands for the whole store.

    A Key Vault has no paths, and the operator lists all of it.
    """
    return remote_places(store, path) if store.provider == VAULT else frozenset({""})


def is_below(place: str, above: str) -> bool:
    """Whether `place` is `above` or lies below it."""
    return above in ("", place) or place.startswith(f"{above}/")
