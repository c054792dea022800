"""Describes a kind of store: everything in which Vault, Key Vault and others differ, as data and functions.

Each is described once, by a subclass in `compiler/stores/<folder>/provider.py`; everything else asks its provider, and
compares none with a name. What is said here is true of a store of which nothing is known.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from compiler.model.store import Sameness, StoreIdentity, compare_servers, host_of, one_spelling, parse_address
from compiler.text.credential import looks_like_credential

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from compiler.model.document import Node
    from compiler.model.environment import Store
    from compiler.model.facts import ValuesData
    from compiler.model.store import Address


# A host without a scheme, and nothing that could be a password.
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/?", re.ASCII)


class InvalidReferenceError(Exception):
    """The operator refuses the reference, or all of the remote secret. The text says why."""


class UnprovenReferenceError(Exception):
    """The operator may resolve the reference, and this program cannot. The text says why."""


class Spec(NamedTuple):
    """Where a store is, as the operator's fields say it; `version` is that of Vault's KV engine."""

    url: str | None
    mount: str | None = None
    namespace: str | None = None
    version: str | None = None


class StoreOption(NamedTuple):
    """An option of `new store`. Its value becomes `setting` of the store, or a part of a log-in that `takes` it."""

    flag: str
    metavar: str
    help: str
    setting: str = ""


class LogIn(NamedTuple):
    """One way in which the operator logs in to a store, as `auth` of an environment writes it."""

    # The parts that it needs, each with the fields which that part needs; "" is the way itself.
    parts: Mapping[str, tuple[str, ...]]
    spec: Callable[[Node], dict[str, ValuesData]]  # makes the operator's fields of its node
    # The members of a new store: from its id, the options' values by flag, and the namespace of what they refer to,
    # None where that is the store's own.
    members: Callable[[str, Mapping[str, str], str | None], dict[str, ValuesData]]
    title: str = ""  # how messages call it
    needs: tuple[str, ...] = ()  # settings that the store must have beside it
    takes: tuple[str, ...] = ()  # the flags of options that become parts of it
    options_needed: tuple[tuple[str, str], ...] = ()  # flags that cannot be left out, with what to give


class Provider:
    """One kind of store; `PROVIDER` of its folder is the only object of its class."""

    is_known = True  # False: the operator has it, and this program does not
    id = ""  # what `provider:` of an environment says, and the operator's name for its fields
    title = ""  # how messages call it
    described = ""  # how the schema calls it
    called: frozenset[str] = frozenset()  # other words for it, in small letters without separators
    name_form = "name"  # how the help calls a name there
    extra = ""  # what installs its client
    adapter = ""  # the class of its `store` module that opens it
    store_id = ""  # of the store that a new project has, named `store_name`
    store_name = ""

    address = ""  # the setting with the address, here and in the operator's object
    others: tuple[str, ...] = ()  # further settings that no other provider has
    example = "https://<host>"  # what may stand in `address`
    option = ""  # gives the address on the command line
    usual_address = ""  # of a new project that is given none
    variable = ""  # fills in the address where none is written
    generator = ""  # the operator's kind that asks such a store for passing credentials
    access_form = ""  # the form in which its `access` module grants rights
    log_ins: Mapping[str, LogIn] = MappingProxyType({})  # the usual one first
    options: tuple[StoreOption, ...] = ()  # what a new store may be told beside its address

    separator = "-"  # between the parts of a remote name
    ignores_case = False  # capitals are small letters in names
    has_mounts = False  # a server has namespaces and mounts, in which names lie
    has_paths = False  # a name is a path, below which others lie
    quota: int | None = None  # reads that one store allows in ten seconds

    expires_by_itself = False  # a value past its date is gone, and not served on
    drops_versions = False  # a write may push an old version out
    deletes_by_version = False  # versions have numbers, by which they are deleted and listed; all share one set of tags
    keeps_dates = False  # a secret has dates and a content type, which its next version takes over
    holds_texts = False  # a remote secret may be one text, not a map of properties

    csi_names: tuple[str, ...] = ()  # an object of a SecretProviderClass is called by the first of these that it has
    csi_key = ""  # its remote key there
    csi_property = ""  # its property there, empty where it is always whole
    # What it may say beside that, with the texts allowed: others are read in another way than by the operator.
    csi_only: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    by_name_first = False  # to the operator a property's name goes before a path of the same spelling
    sorts_names = False  # the operator writes a whole document anew

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that only its stores have, the address first."""
        return (self.address, *self.others) if self.address else ()

    @property
    def package(self) -> str:
        """The folder with its descriptor, its adapter and its rules."""
        return type(self).__module__.rpartition(".")[0]

    def load(self, module: str) -> ModuleType:
        """A module of its folder, imported only now: the client may be missing, and takes time to load."""
        return import_module(f"{self.package}.{module}")

    @property
    def schema(self) -> dict[str, Any]:
        """The parts of the schemas that are its own: settings, log-ins, the operator's fields, and words on names."""
        file = Path(sys.modules[type(self).__module__].__file__ or "").with_name("schema.json")
        data: dict[str, Any] = json.loads(file.read_text("utf-8"))
        return data

    # The address.

    def url_of(self, value: str, text: Callable[[str], str | None]) -> str:
        """The address that the value of `variable` stands for; `text` gives another setting of the store."""
        return value

    def leads_to(self, value: str, url: str) -> bool:
        """Whether `url` is a store that the value of `variable` may name."""
        return value == url

    def address_variable(self, environ: Mapping[str, str]) -> str:
        """The variable that stands for the address in live commands, whatever is written; empty where none does."""
        return ""

    def namespace_variable(self, environ: Mapping[str, str]) -> str:
        """The variable that gives the namespace in live commands where none is written; empty where none does."""
        return ""

    def skip_verify_note(self, environ: Mapping[str, str]) -> str:
        """A variable that the provider's own tool obeys and live commands ignore, with why; empty where none is set."""
        return ""

    def log_in_source(self, environ: Mapping[str, str]) -> tuple[str, str] | None:
        """The variable that is not set, and the file whose token is taken in its place, where one is."""
        return None

    def url_meant(self, text: str, setting: Callable[[str], str | None]) -> str:
        """The URL to write in place of `text`; `setting` gives another setting of the store."""
        address = parse_address(text)
        if address is not None:
            return f"{address.scheme}://{address.authority}"
        is_host = _HOST.fullmatch(text) is not None and not looks_like_credential(text)
        return f"https://{text.rstrip('/')}" if is_host else "https://HOST:PORT"

    def address_problem(self, address: Address) -> tuple[str, str | None] | None:
        """What is wrong with an address of a host, as the end of a sentence, and the way out if not `url_meant`."""
        return None

    def value_problem(self, value: str) -> tuple[str, str] | None:
        """Why `variable` cannot have that value, as the end of a sentence, and the way out."""
        return None

    # The object in the cluster.

    def spec(self, store: Store, operator: tuple[int, int]) -> dict[str, ValuesData]:
        """The operator's fields of a rendered store; `operator` is its minor, whose CRD decides what is written."""
        return {self.address: store.address or ""}

    @property
    def live_fields(self) -> dict[str, Any]:
        """The fields of a live store that tell one from another, each with its type; `*` is each key of a map."""
        return {self.address: str}

    def read_spec(self, fields: Mapping[str, Any]) -> Spec:
        """Where a live store is, by its fields."""
        return Spec(text_of(fields.get(self.address)))

    def live_identity(self, fields: Mapping[str, Any]) -> StoreIdentity:
        """Which store a live one with those fields is."""
        return self.identity(*self.read_spec(fields))

    def identity(
        self, url: str | None, mount: str | None, namespace: str | None, version: str | None = None
    ) -> StoreIdentity:
        """Which store is there, in the form in which two are compared."""
        return StoreIdentity(self, one_spelling(url) if url else None)

    def is_one_server(self, one: str, other: str) -> bool:
        """Whether two URLs lead to one server."""
        servers = (self.identity(url, None, None) for url in (one, other))
        return compare_servers(*servers) is Sameness.SAME

    def is_another(self, one: str, other: str) -> bool:
        """Whether two servers that are spelt unlike are surely two."""
        return False

    def csi_settings(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """The settings of an environment's store that the parameters of a SecretProviderClass mean."""
        return {}

    # Names.

    def fitting_name(self, name: str) -> str:
        """A name that the store allows, made of any."""
        return name

    def remote_name(self, name: str) -> str:
        """A remote secret's name for comparison, within one mount."""
        return name.lower() if self.ignores_case else name

    def remote_places(self, store: StoreIdentity, name: str) -> frozenset[str]:
        """The places on the server of `store` that the operator may read for `name`."""
        return frozenset({self.remote_name(name)})

    def operator_name(self, mount: str, key: str) -> str:
        """The name that the operator asks the store for. Raises InvalidReferenceError and UnprovenReferenceError."""
        return key

    # Commands of the store's own program, as words, for what this one does not do.

    def recover_words(self, store: Store, url: str, name: str, version: str | None) -> list[str]:
        """The command that brings a deleted secret back; empty where there is none."""
        return []

    def date_words(self, url: str, name: str, option: str) -> list[str]:
        """The command that sets a date, DATE, of a secret; empty where there is none."""
        return []


# Where the operator's own chart runs it, and the ServiceAccount that it runs as.
OPERATOR = "external-secrets"


def account_of_operator(namespace: str | None) -> dict[str, ValuesData]:
    """The reference to the ServiceAccount of the operator that a new store has."""
    return {"name": OPERATOR, **({"namespace": namespace} if namespace else {})}


def key_of_new(store_id: str, key: str, namespace: str | None) -> dict[str, ValuesData]:
    """The reference to a key of the Secret with the log-in of a new store."""
    return {"name": f"{store_id}-log-in", "key": key, **({"namespace": namespace} if namespace else {})}


@cache
def unknown_provider(name: str) -> Provider:
    """A provider of which nothing but its name is known: one object for each name."""
    provider = Provider()
    provider.id = provider.title = name
    provider.is_known = False
    return provider


# Of a store of which nothing is known, not even that.
UNKNOWN = unknown_provider("")
_URL_HOST = re.compile(r"://(?:[^/@\s]*@)?(\[[^\]]*\]|[^/\s:{}?#\"\\]*)")


def unknown_identity(name: str, fields: object) -> StoreIdentity:
    """Which store of the unknown provider `name` this may be, by all its fields; a templated host is unknown."""
    text = unicodedata.normalize("NFKC", json.dumps(fields, ensure_ascii=False)).lower()
    urls = [f"https://{host}" for host in _URL_HOST.findall(text)]
    hosts = {host_of(one_spelling(url)) if parse_address(url) is not None else None for url in urls}
    is_template = not urls and "{{" in text
    server = None if is_template or None in hosts else " ".join(sorted(filter(None, hosts)))
    return StoreIdentity(unknown_provider(name), server)


def text_of(found: object) -> str | None:
    """`found`, where it is a text with anything in it."""
    return found if isinstance(found, str) and found else None
