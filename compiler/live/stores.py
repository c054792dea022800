"""Opens an environment's stores, and finds what a command names in them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from compiler.model.environment import Environment, Secret, Store
from compiler.model.store import (
    StoreAddress,
    StoreIdentity,
    contradicts_written,
    is_everywhere,
    parse_address,
)
from compiler.refusal import Refusal
from compiler.stores.errors import StoreError
from compiler.stores.interface import Cluster, SecretWriter, StoreOptions, open_store
from compiler.stores.pacing import RetryPolicy
from compiler.stores.registry import suggest_store
from compiler.text.wording import command_line, quote, suggest


class AddressError(Refusal):
    """A store of the environment has no usable address; `verify` reports it and goes on."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__("cannot run", message, help_text)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Which server stands for a store, as it says itself."""

    cluster: Cluster | None = None
    replaces: str | None = None  # the written address that a variable replaces
    said: str = ""  # the sentence of `explain_address`
    is_accepted: bool = False  # another server than is meant, and accepted


def address_of(store: Store, environ: Mapping[str, str]) -> StoreAddress:
    """The address of `store` from here: its `reachableAt`, else VAULT_ADDR, else the address in its environment.

    `reachableAt` is part of the store's description; VAULT_ADDR may be a port-forward to any server. Raises
    AddressError if it has no address, or another one than AZURE_KEYVAULT_NAME names.
    """
    provider = store.provider
    given = None if store.reachable_at else environ.get(provider.address_variable(environ))
    # A `reachableAt` is only where requests go: the store keeps its address as its name.
    url = given or store.address or store.reachable_at
    if not url:
        named = provider.address_variable(environ) or provider.variable
        # A store of no environment is read from a values file, which nobody edits.
        ways = [f"add its {provider.address}"] if store.environment else []
        way_out = ", or ".join((*ways, *([f"set {named}"] if named else [])))
        raise AddressError(f'the store "{store.id}" has no address', way_out)
    value = environ.get(provider.variable)
    if value and not provider.leads_to(value, url):
        message = f'{provider.variable} names another vault than the {provider.address} of the store "{store.id}"'
        raise AddressError(message, f"unset {provider.variable}, or correct {provider.address}")
    namespace = store.vault_namespace or environ.get(provider.namespace_variable(environ)) or None
    there, bundle = store.reachable_at, store.node.text("caBundle")
    return StoreAddress(provider, url, store.mount, namespace, store.prefix, ca_bundle=bundle, reachable_at=there)


def explain_address(
    store: Store, address: StoreAddress, environ: Mapping[str, str], clusters: Mapping[StoreAddress, Cluster | None]
) -> str:
    """Which variables give `store` its `address` and namespace; empty if none do.

    `clusters` has the identity of each server that was asked, None for a server that does not say.
    """
    sentences = (_explain_server(store, address, environ, clusters), _explain_namespace(store, address, environ))
    return "; ".join(filter(None, sentences))


def _explain_server(
    store: Store, address: StoreAddress, environ: Mapping[str, str], clusters: Mapping[StoreAddress, Cluster | None]
) -> str:
    setting, variable = store.provider.address, store.provider.variable
    if variable and (written := store.node.get(setting)) is not None and written.source.path == variable:
        lacks = f"{_label_of(store)} has no {setting}, so {variable} gives it"
        return f"{lacks}, as for every environment without one: {address.absolute}"
    if not is_replaced(store, environ):
        return ""
    this, name = "", _address_variable(store, environ)
    if address in clusters:
        cluster = clusters[address]
        this = f"; this Vault is {cluster}" if cluster is not None else "; this Vault does not say which one it is"
    replaced = find_replaced_address(store, environ)
    if replaced is None:
        return f"{_label_of(store)} has no server, so {name} gives it{this}"
    return f"{name} replaces {replaced} of {store.environment or store.id}{this}"


def _explain_namespace(store: Store, address: StoreAddress, environ: Mapping[str, str]) -> str:
    # The operator knows no such variable: its store object says what is written.
    if store.vault_namespace or not address.vault_namespace or not store.environment:
        return ""
    name = store.provider.namespace_variable(environ)
    return f"{name} is used, because {_label_of(store)} has no vaultNamespace"


def is_replaced(store: Store, environ: Mapping[str, str]) -> bool:
    """Whether a variable gives `store` another address than its environment, or one where it has none."""
    if not _address_variable(store, environ) or store.reachable_at:
        return False
    # A values file has no address of a store that it does not render.
    return find_replaced_address(store, environ) is not None if store.address else bool(store.environment)


def find_replaced_address(store: Store, environ: Mapping[str, str]) -> str | None:
    """The address in the environment that a variable replaces."""
    name = _address_variable(store, environ)
    if not name or not store.address or store.reachable_at:
        return None
    if parse_address(store.address) == parse_address(environ[name]):
        return None
    return StoreAddress(store.provider, store.address, "").absolute


def _address_variable(store: Store, environ: Mapping[str, str]) -> str:
    """The variable that gives `store` its address; empty if none does."""
    name = store.provider.address_variable(environ)
    return name if environ.get(name) else ""


# The window of Key Vault's limits is 10 s: long enough to outlast it, short enough to wait for.
_PATIENCE = 30.0


class LiveStores:
    """Opens the stores of one run on first use, and closes them together.

    `opener` replaces the adapters, which call back when a server has said who it is, and while they wait.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        opener: Callable[[StoreAddress, Mapping[str, str]], SecretWriter] | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._environ = environ
        self._opener = opener or self._adapter
        self._is_called_back = opener is None
        self._retry = retry or RetryPolicy()
        self._notify: Callable[[str], None] | None = None
        self._noted: set[str] = set()
        self._noted_source = False
        self._open: dict[StoreAddress, SecretWriter] = {}
        self._accepted: tuple[str, ...] = ()
        # By environment and store: the id that a run was on, and the run; and what was opened for it.
        self._expected: dict[tuple[str, str], tuple[str, str]] = {}
        self._opened: dict[tuple[str, str], tuple[Store, StoreAddress]] = {}
        # The stores whose server has not said yet who it is, and what those said that have.
        self._not_contacted: dict[StoreAddress, list[Store]] = {}
        self._clusters: dict[StoreAddress, Cluster | None] = {}
        # What the servers of stores of other environments say, where they were asked.
        self._others: dict[StoreAddress, Cluster | None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        while self._open:
            self._open.popitem()[1].close()

    def on_note(self, notify: Callable[[str], None]) -> None:
        """Call `notify` once with each surprise about the stores that are opened from now on."""
        self._notify = notify

    def accept(self, cluster_id: str | None) -> None:
        """Accept the Vault with this id as the intended one, wherever a store is on it."""
        self._accepted = (cluster_id,) if cluster_id is not None else ()

    def expect(self, environment: str, clusters: Mapping[str, str], by: str) -> None:
        """Require the stores of `environment` to be on the servers with these ids, where the run named by `by` was."""
        self._expected.update({(environment, store): (told, by) for store, told in clusters.items()})

    def address(self, store: Store) -> StoreAddress:
        """Where `store` is reached from here. Raises AddressError."""
        address, meant = address_of(store, self._environ), self._expected_ids(store)
        if len(meant) > 1 and not self._accepted:
            told, by = self._expected[store.environment, store.id]
            message = f'{by} was on the Vault {told}, and the clusterId of "{store.id}" is {store.cluster_id}'
            remedy = f"if it was rebuilt or has failed over since, add --accept-cluster {store.cluster_id}"
            raise AddressError(message, remedy)
        ids = self._accepted if len(meant) > 1 else (*meant, *self._accepted) if meant else ()
        return address._replace(cluster_ids=ids) if ids else address

    def _expected_ids(self, store: Store) -> tuple[str, ...]:
        """The ids that the server of `store` may have: the written one and, if another, that of an earlier run."""
        expected = self._expected.get((store.environment, store.id), (None,))[0]
        return tuple(dict.fromkeys(each for each in (store.cluster_id, expected) if each is not None))

    def identities(self, store: Store) -> tuple[StoreIdentity, ...]:
        """The identities of `store`: as it is reached from here, and as its environment describes it.

        With VAULT_ADDR the first is the store that is written to, and another environment may name it. Its server is
        asked for its id, and a replaced address is taken for the store that it replaces. An accepted server counts as
        the intended one: an environment that still has that id reads it too. Raises AddressError.
        """
        reached, written = self.address(store).identity, store.identity
        if written == reached._replace(ids=written.ids):
            reached = written
        found = (reached, written) if store.address else (reached,)
        cluster = _ask(lambda: self.open(store))
        return tuple(dict.fromkeys(with_server(each, cluster, self._expected_ids(store)) for each in found))

    def identity_of_other(self, store: Store) -> StoreIdentity:
        """The identity of a store of any environment; sends no log-in.

        Its server is asked only at its `reachableAt`, or at an address that means the same server everywhere. What a
        port-forward says counts only if it does not contradict what the environment says.
        """
        written = store.identity
        is_reached = written.ids and written.server is not None and is_everywhere(written.server)
        url = store.reachable_at or (store.address if is_reached else None)
        if url is None:
            return written
        address = StoreAddress(store.provider, url, ca_bundle=store.node.text("caBundle"))
        if address not in self._others:
            self._others[address] = _ask(lambda: self._open_at(address))
        found, server = with_server(written, self._others[address]), address.identity.server
        is_certain = server is not None and is_everywhere(server)
        return written if contradicts_written(found, written) and not is_certain else found

    def _open_at(self, address: StoreAddress) -> SecretWriter:
        if address not in self._open:
            self._open[address] = self._opener(address, self._environ)
        return self._open[address]

    def open(self, store: Store) -> SecretWriter:
        """The adapter of `store`; two names for one address share it. Raises AddressError and StoreError."""
        address = self.address(store)
        if address not in self._open:
            self._not_contacted[address] = [store]
            self._open_at(address)
            self._note_source(address)
            self._note(address.provider.skip_verify_note(self._environ))
        elif address not in self._clusters:
            self._not_contacted.setdefault(address, []).append(store)
        else:
            self._note_server(store, address)
        self._opened[store.environment, store.id] = store, address
        if store.reachable_at and (name := _address_variable(store, self._environ)):
            self._note(f"{name} is ignored for {_label_of(store)}, which has a reachableAt of its own")
        return self._open[address]

    def servers(self, environment: str) -> dict[str, ServerFacts]:
        """Which server serves each store of `environment` that was opened, by store id. Sends no request."""
        return {
            store_id: self._server_of(*each) for (name, store_id), each in self._opened.items() if name == environment
        }

    def _server_of(self, store: Store, address: StoreAddress) -> ServerFacts:
        if not self._is_called_back:
            self._clusters[address] = self._open[address].cluster()
        cluster = self._clusters.get(address)
        is_accepted = cluster is not None and any(cluster.id != each for each in self._expected_ids(store))
        said = explain_address(store, address, self._environ, self._clusters)
        return ServerFacts(cluster, find_replaced_address(store, self._environ), said, is_accepted)

    def _adapter(self, address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        on_contact = partial(self._on_contact, address)
        options = StoreOptions(retry=self._retry, on_contact=on_contact, on_wait=self._wait)
        return open_store(address, environ, options)

    def _on_contact(self, address: StoreAddress, cluster: Cluster | None) -> None:
        self._clusters[address] = cluster
        for store in self._not_contacted.pop(address, ()):
            self._note_server(store, address)

    def _note_server(self, store: Store, address: StoreAddress) -> None:
        self._note(explain_address(store, address, self._environ, self._clusters))
        if self._clusters[address] is None and (meant := " or ".join(self._expected_ids(store))):
            self._note(f"the server of {_label_of(store)} does not say which Vault it is, so it may not be {meant}")

    def is_replaced(self, store: Store) -> bool:
        return is_replaced(store, self._environ)

    def _note_source(self, address: StoreAddress) -> None:
        if not self._noted_source and (source := address.provider.log_in_source(self._environ)):
            self._noted_source = True
            variable, file = source
            self._note(f"{variable} is not set: logging in to {address.absolute} with the token of {file}")

    def _note(self, text: str) -> None:
        if text and self._notify is not None and text not in self._noted:
            self._noted.add(text)
            self._notify(text)

    def _wait(self, text: str) -> None:
        if self._notify is not None:
            self._notify(text)


def _ask(opened: Callable[[], SecretWriter]) -> Cluster | None:
    """The id that the server of a store gives, None if it gives none."""
    try:
        return opened().cluster()
    except StoreError:
        return None


def with_server(store: StoreIdentity, cluster: Cluster | None, meant: Iterable[str] = ()) -> StoreIdentity:
    """The identity with the id of its server, and `meant`, the other ids that it is known by."""
    if cluster is None:
        return store
    ids = store.ids.union(meant, (cluster.id,))
    return store._replace(ids=ids, server_id=cluster.id, has_namespaces=cluster.has_namespaces)


def _label_of(store: Store) -> str:
    return f'"{store.id}" of {store.environment}' if store.environment else f'"{store.id}"'


def open_stores_for_reading(environ: Mapping[str, str]) -> LiveStores:
    """Stores that fail sooner: one that has not answered for half a minute is given up."""
    return LiveStores(environ, retry=RetryPolicy(patience=_PATIENCE))


def store_named(environment: Environment, name: str) -> Store:
    """The store with this id, else with this Kubernetes name. Raises Refusal."""
    by_name = {store.name: store for store in environment.stores.values()}
    found = environment.stores.get(name) or by_name.get(name)
    if found is None:
        providers = {store.id: store.provider.id for store in environment.stores.values()}
        raise _refuse_unknown(environment, "store", name, suggest_store(name, providers))
    return found


def secret_named(environment: Environment, secret_id: str) -> Secret:
    """The secret with this id. Raises Refusal, which says so if the environment has disabled it."""
    if secret_id in environment.disabled:
        message = f'the secret {quote(secret_id)} is disabled in "{environment.name}"'
        at = environment.root.nearest("secrets", secret_id, "enabled").key_span.where
        raise Refusal("usage", message, f"remove `enabled: false` from it, at {at}")
    if secret_id not in environment.secrets:
        first = command_line("new", "secret", "NAME", "--key", "KEY", "--into", environment.name)
        way_out = suggest(secret_id, environment.secrets, "secrets") if environment.secrets else f"add one: {first}"
        raise _refuse_unknown(environment, "secret", secret_id, way_out)
    return environment.secrets[secret_id]


def _refuse_unknown(environment: Environment, kind: str, name: str, way_out: str | None) -> Refusal:
    message = f'the environment "{environment.name}" has no {kind} {quote(name)}'
    if kind == "secret" and name in environment.stores:
        way_out = f"{quote(name)} is a store"
    return Refusal("usage", message, way_out)
