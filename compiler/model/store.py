"""Describes a store: its address, whether two are the same, where a key's value lies in it, its object in the cluster.

It knows the hosts that plain http may go to, and which places in a store a remote name may mean. Stores are compared as
an environment writes them, as objects in the cluster, and as reached from here; addresses and names are brought to one
form as External Secrets Operator's clients do.
"""

from __future__ import annotations

import posixpath
import re
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from compiler.model.facts import STORE_WAVE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from compiler.model.document import Node
    from compiler.model.environment import CatalogueKey, Entry, Store
    from compiler.model.facts import ValuesData
    from compiler.model.provider import Provider

# Where Vault's own documentation and the operator's have the KV engine.
DEFAULT_MOUNT: Final = "secret"
# Nearly every address looks like this and needs no closer look.
_PLAIN = re.compile(r"(https?)://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::(\d{1,5}))?/?", re.ASCII)
_LOCALHOST = re.compile(r"(?:[a-z0-9-]+\.)*localhost")
# SERVICE.NAMESPACE, and no more: a third label would be anybody's `*.svc`. The domain behind is the usual one alone, as
# no other can be told from a name on the internet.
_SERVICE = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)\.svc(?:\.cluster\.local)?")
# A host in one spelling that each cluster or machine has its own server for: loopback, a name that search domains
# complete, and a Service; what follows `svc` is the cluster's domain, which every cluster may choose.
_LOCAL_HOST = re.compile(r"[^.:]+(?:\.[^.:]+(?:\.svc(?:\.[^:]+)?)?)?")
_HIGHEST_PORT = 65535
_API = re.compile(r"/(?:v1|ui)(?:/.*)?")
_DEFAULT_PORTS = {"https": 443, "http": 80}


class Address(NamedTuple):
    """An http or https URL that has a host, in lower case."""

    scheme: str
    host: str  # an IPv6 one without its brackets
    port: int | None
    path: str
    extra: tuple[str, ...] = ()  # other parts of it: "user", "query", "fragment"

    @property
    def authority(self) -> str:
        """Host and port as a URL has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def is_api(self) -> bool:
        """Whether its path is one that a Vault's clients add themselves, or that of its pages for browsers."""
        return _API.fullmatch(self.path) is not None


def parse_address(text: str) -> Address | None:
    """The address that `text` is, or None where it is no http or https URL with a host and a usable port."""
    plain = _PLAIN.fullmatch(text)
    if plain and ".." not in text:
        port = int(plain[3]) if plain[3] else None
        return None if port is not None and not 0 < port <= _HIGHEST_PORT else Address(plain[1], plain[2], port, "")
    if not text.isprintable() or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not host or port == 0 or ".." in host or host.startswith("."):
        return None
    has = {"user": "@" in parts.netloc, "query": "?" in text, "fragment": "#" in text}
    extra = tuple(name for name, there in has.items() if there)
    return Address(parts.scheme, host, port, parts.path.rstrip("/"), extra)


def is_loopback(host: str) -> bool:
    """Whether `host`, in lower case, is this machine: `localhost`, a name below it, or a loopback address."""
    if _LOCALHOST.fullmatch(host):
        return True
    if not host[-1:].isdigit() and ":" not in host:
        return False
    # Addresses by number are rare, and every run would pay for the import.
    from ipaddress import ip_address  # noqa: PLC0415

    try:
        number = ip_address(host)
    except ValueError:
        return False
    # Not every Python looks through an IPv4 address in IPv6's form.
    return (getattr(number, "ipv4_mapped", None) or number).is_loopback


def is_near(host: str) -> bool:
    """Whether plain http may go to `host`, in lower case: loopback, or SERVICE.NAMESPACE.svc[.cluster.local]."""
    return is_loopback(host) or service_of(host) is not None


def service_of(host: str) -> tuple[str, str] | None:
    """The name and the namespace of the Service whose full name `host`, in lower case, is; None for any other."""
    found = _SERVICE.fullmatch(host)
    return None if found is None else (found[1], found[2])


class Sameness(Enum):
    """Whether two stores are one. UNPROVEN: what differs proves nothing, as a Vault's address, or is unknown."""

    SAME = "same"
    ANOTHER = "another"
    UNPROVEN = "unproven"


class StoreIdentity(NamedTuple):
    """One store, in the form that comparisons need: two that are spelt alike are equal."""

    provider: Provider
    # The address without its scheme, None if unknown; of an unknown provider the hosts that its fields name.
    server: str | None
    mount: str | None = None  # None for a live Vault store without `path`: its names begin with the mount
    namespace: str = ""
    version: str = ""  # of the KV engine
    ids: frozenset[str] = frozenset()  # what files call a Vault
    server_id: str | None = None  # what its server said in this run
    has_namespaces: bool | None = None


@lru_cache  # a thousand environments name the same few
def one_spelling(url: str) -> str:
    """Host, port and path of a URL in one spelling."""
    parts = parse_address(url)
    if parts is None:
        return url.rstrip("/").lower()
    host = parts.host.rstrip(".")
    if is_loopback(host):
        host = "localhost"
    elif service := service_of(host):
        # As search domains complete it.
        host = ".".join(service)
    return f"{host}:{parts.port or _DEFAULT_PORTS[parts.scheme]}{parts.path}"


def host_of(server: str) -> str:
    """The host of an address in one spelling."""
    return server.partition("/")[0].rpartition(":")[0]


def is_everywhere(server: str) -> bool:
    """Whether an address in one spelling means one server everywhere, and not another one in each cluster."""
    return _LOCAL_HOST.fullmatch(host_of(server)) is None


@lru_cache  # each secret of a store asks for the same two
def compare_stores(one: StoreIdentity, other: StoreIdentity) -> Sameness:
    """Whether both are one store, in which a name means the same."""
    has = _has_namespaces(one, other)
    ways = [each for each in (True, False) if has in (each, None)]
    if one.provider is other.provider and all(_engine(one, each) != _engine(other, each) for each in ways):
        return Sameness.ANOTHER
    return compare_servers(one, other)


def _engine(store: StoreIdentity, has_namespaces: bool) -> tuple[str | None, str]:  # noqa: FBT001 - one of two ways
    # A Vault takes a namespace before the mount for the same as one of its own.
    inside = f"{store.namespace}/{store.mount}" if has_namespaces else store.mount
    return (None if store.mount is None else clean_path(inside or "")), store.version


def _has_namespaces(one: StoreIdentity, other: StoreIdentity) -> bool | None:
    """What is known of the server, if both are on one."""
    return other.has_namespaces if one.has_namespaces is None else one.has_namespaces


def compare_servers(one: StoreIdentity, other: StoreIdentity) -> Sameness:
    """Whether both are on one server, whatever their mounts; `remote_places` tells those and namespaces apart.

    Only two ids that two servers said in this run prove two, never one that is written. Equal ids prove nothing: a
    restored copy of a Vault has that of its original. A Vault that was not said to have namespaces may ignore them.
    """
    if one.provider is not other.provider:
        return Sameness.UNPROVEN if _may_lead_to(one, other) or _may_lead_to(other, one) else Sameness.ANOTHER
    found = _compare_addresses(one, other)
    is_apart = one.namespace != other.namespace and _has_namespaces(one, other) is None
    return Sameness.UNPROVEN if found is Sameness.SAME and is_apart else found


def _compare_addresses(one: StoreIdentity, other: StoreIdentity) -> Sameness:
    if one.server is not None and one.server == other.server and is_everywhere(one.server):
        return Sameness.SAME
    if one.server_id and other.server_id and one.server_id != other.server_id:
        return Sameness.ANOTHER
    if one.server is None or other.server is None:
        return Sameness.UNPROVEN
    if one.server != other.server:
        return Sameness.ANOTHER if one.provider.is_another(one.server, other.server) else Sameness.UNPROVEN
    return Sameness.UNPROVEN if one.ids and other.ids and one.ids.isdisjoint(other.ids) else Sameness.SAME


def _may_lead_to(unknown: StoreIdentity, store: StoreIdentity) -> bool:
    """Whether a store of a provider that is not known may be `store`: nothing is known of it, or it names the host."""
    if unknown.provider.is_known:
        return False
    hosts = (unknown.server or "").split()
    return unknown.server is None or (bool(hosts) if store.server is None else host_of(store.server) in hosts)


def identity_from_files(store: StoreIdentity) -> StoreIdentity | None:
    """Equal for two that are one by what is written of them; None where that proves it of no two."""
    if store.server is not None and is_everywhere(store.server):
        return store._replace(ids=frozenset())
    return store if store.server and store.ids else None


def contradicts_written(store: StoreIdentity, written: StoreIdentity) -> bool:
    """Whether the server that was asked for a store says another id than is `written` of it."""
    return bool(written.ids) and store.server_id is not None and store.server_id not in written.ids


def compare_any(own: Iterable[StoreIdentity], other: StoreIdentity) -> Sameness:
    """Whether `other` is on the server of one of `own`, the identities under which one store is known."""
    found = {compare_servers(each, other) for each in own}
    return next(each for each in (Sameness.SAME, Sameness.UNPROVEN, Sameness.ANOTHER) if each in found)


@lru_cache
def clean_path(path: str) -> str:
    """`path` without slashes around it, cleaned as Go's path.Join does for Vault's client."""
    if "//" not in path and "/." not in path and path[:1] not in ("", ".", "/") and path[-1] != "/":
        return path
    return posixpath.normpath(f"/{path.lstrip('/')}").strip("/")


def remote_places(store: StoreIdentity, name: str) -> frozenset[str]:
    """The places on its server that the operator may read for `name`; secrets that share one are the same.

    Where names are paths it is one of the API, below which `find.path` finds whatever begins with it, by whole
    segments.
    """
    return store.provider.remote_places(store, name)


def places_below(store: StoreIdentity, path: str) -> frozenset[str]:
    """The places that `find` may read with this `path`; an empty one, or where names are no paths, means all."""
    return store.provider.remote_places(store, path) if store.provider.has_paths else frozenset({""})


def is_below(place: str, above: str) -> bool:
    """Whether `place` is `above` or lies below it."""
    return above in ("", place) or place.startswith(f"{above}/")


_URL: Final = re.compile(r"([a-z][a-z0-9+.-]*://)(.*@)?([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_HIDDEN: Final = "…"


class StoreAddress(NamedTuple):
    """One store, as it is reached."""

    provider: Provider
    url: str
    mount: str = DEFAULT_MOUNT  # of a provider that has mounts, as `vault_namespace`
    vault_namespace: str | None = None
    prefix: str = ""  # part of every name that an adapter is given; used only to list no more than its own names
    ca: Path | None = None  # PEM of the authorities to trust in place of the system's
    ca_bundle: str | None = None  # PEM in Base64, which counts where no file is named
    reachable_at: str | None = None  # where a Vault is asked in place of `url`, which alone says which store it is
    cluster_ids: tuple[str, ...] = ()  # if any, the Vault's server must not say that it is another one

    @property
    def contact(self) -> str:
        """The URL that requests go to."""
        return self.reachable_at or self.url

    @property
    def identity(self) -> StoreIdentity:
        """Which store it is, as it is reached from here."""
        return self.provider.identity(self.url, self.mount, self.vault_namespace)

    def is_same_place(self, other: StoreAddress) -> bool:
        """Whether both are one place, as this machine reaches them, however their addresses are spelt."""
        one, two = (each.provider.identity(each.contact, each.mount, each.vault_namespace) for each in (self, other))
        return self.prefix == other.prefix and compare_stores(one, two) is Sameness.SAME

    @property
    def absolute(self) -> str:
        """The store's place in messages, journals and comparisons: no prefix, no final slash.

        Without the user, password, query and fragment of a URL that adapters refuse, and without a text that is not a
        URL: VAULT_ADDR may hold the token.
        """
        url = show_url(self.url.rstrip("/"))
        inside = ((self.vault_namespace or "").strip("/"), self.mount.strip("/")) if self.provider.has_mounts else ()
        text = "/".join(part for part in (url, *inside) if part)
        return text.lower() if self.provider.ignores_case else text


@lru_cache  # asked for with every request
def show_url(url: str) -> str:
    """A URL without its user, password, query and fragment, which may be credentials; `…` for any other text."""
    found = _URL.fullmatch(url)
    if found is None:
        return _HIDDEN
    scheme, user, place, rest = found.groups()
    return f"{scheme}{f'{_HIDDEN}@' if user else ''}{place.rstrip('/')}{f'{rest[0]}{_HIDDEN}' if rest else ''}"


class Place(NamedTuple):
    """A remote secret by its full name, prefix included, and the property in it; None means its whole value."""

    remote_key: str
    property: str | None


def remote_of(entry: Entry, provider: str, secret: Node | None = None) -> str | None:
    """The remote secret's name of `entry` for `provider`, without prefix; `secret`'s own `remote` goes first."""
    own = secret.text("remote", provider) if secret is not None and "remote" in secret.children else None
    return own if own is not None else entry.remote.get(provider)


def place_of(key: CatalogueKey, provider: str, remote: str | None, prefix: str) -> Place | None:
    """The place of `key` in a store of `provider`, or None where neither the key nor the secret names one.

    `remote` is the `remote_of` of the secret that holds the value.
    """
    if key.is_taken and key.origin is None:
        return None
    held = key.value_key
    own = held.remote.get(provider)
    if own is None:
        return Place(prefix + remote, held.name) if remote is not None else None
    name = own.name if own.name is not None else remote
    if name is None:
        return None
    return Place(prefix + name, None if own.whole else own.property or held.name)


def place_in(store: Store, entry: Entry, key: CatalogueKey, secrets: Node | None) -> Place | None:
    """The place in `store` of the value of a key of `entry`, or None where it has none.

    What the environment's `secrets` say of the entry that holds the value counts for each key that takes it, whether
    the environment has that secret or not.
    """
    holder = key.holder(entry)
    said = secrets.children.get(holder.id) if secrets is not None else None
    provider = store.provider.id
    return place_of(key, provider, remote_of(holder, provider, said), store.prefix)


def way_to_place(secret_id: str, provider: Provider) -> str:
    """The lines to add so that the keys of a secret have places in the stores of `provider`."""
    return f'add `{provider.id}: NAME` under `remote` of "{secret_id}" in environments/catalogue.yaml'


def store_object(store: Store, namespace: str, operator: tuple[int, int]) -> ValuesData:
    """Name, wave, conditions and provider of the operator's object; `operator` is its minor version."""
    data: dict[str, ValuesData] = {"name": store.name, "syncWave": str(STORE_WAVE)}
    if store.kind == "SecretStore":
        data["namespace"] = namespace
    else:
        namespaces = store.node.texts_at("conditions", "namespaces")
        data["conditions"] = [{"namespaces": [*namespaces]}]
    data["provider"] = {store.provider.id: store.provider.spec(store, operator)}
    return data


def service_account_of(node: Node) -> ValuesData:
    """The operator's fields of a reference to a ServiceAccount."""
    data = fields_of(node, "name", "namespace")
    if audiences := node.texts_at("audiences"):
        data["audiences"] = [*audiences]
    return data


def reference_of(node: Node) -> ValuesData:
    """The operator's fields of a reference to a key of a Secret."""
    return fields_of(node, "name", "key", "namespace")


def fields_of(node: Node, *names: str) -> dict[str, ValuesData]:
    """The texts of those names that `node` has."""
    return {name: text for name in names if (text := node.text(name))}
