"""Finds who reads a store: an index of its remote secrets, the project's environments, and what is in the cluster.

A store that may be the same counts as the same, and so does a store object of its kind and name in the cluster: a
remote secret is kept if anything may read it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from compiler.live.stores import LiveStores
from compiler.model.document import Severity
from compiler.model.environment import Environment, Project, Store
from compiler.model.inventory import key_of_property, reads_of
from compiler.model.provider import UNKNOWN, unknown_identity
from compiler.model.store import (
    Sameness,
    StoreIdentity,
    compare_any,
    is_below,
    is_everywhere,
    places_below,
    remote_places,
)
from compiler.model.values import child
from compiler.pipeline import VALUES_FOLDER, Result, compile_project, plan_values
from compiler.refusal import Refusal
from compiler.stages.load import provider_objects
from compiler.stages.resolve import Outside
from compiler.stores.registry import PROVIDERS, live_identity, provider_called
from compiler.text.wording import NOT_THE_SAME, command_line, list_names, quote, repeat_option, shell_line, suggest

if TYPE_CHECKING:
    from compiler.cluster.view import ClusterView, LiveObject

_UNKNOWN = "who reads the store in the cluster is not known"
_CLUSTER_STORE, _STORE = "ClusterSecretStore", "SecretStore"
# What they are called, and where the spec of what they make is in their own.
_READERS = (
    ("externalsecrets", "ExternalSecret", ()),
    ("clusterexternalsecrets", "ClusterExternalSecret", ("externalSecretSpec",)),
    ("pushsecrets", "PushSecret", ()),
    ("clusterpushsecrets", "ClusterPushSecret", ("pushSecretSpec",)),
)
_GENERATOR = "VaultDynamicSecret"
# With these the operator leaves out of the Secret what a store does not have.
_LOSING = frozenset({"Delete", "Merge"})
_STORES = ((_CLUSTER_STORE, "clustersecretstores"), (_STORE, "secretstores"))
_GENERATORS = ("vaultdynamicsecrets", "clustergenerators")
_CLASSES = "secretproviderclasses"
# Every kind that is asked for. One that the cluster does not have is none, but for a store that something refers to.
KINDS = (*(plural for _, plural in _STORES), *(plural for plural, _, _ in _READERS), *_GENERATORS, _CLASSES)
# A longer list of objects is not read, which takes its time: it may name any.
_LONGEST_OBJECTS = 64 * 1024


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of a remote secret, or of one of its properties."""

    name: str
    store: str  # as `--not-the-same` names it
    is_proven: bool  # False where it may be another store
    property: str | None = None
    loses: str = ""  # the Secret that loses the keys of a remote secret which is not found; empty where it keeps them
    uses_all: bool = False  # its Secret has every property as a key, or a text that is made of them


class ReadIndex:
    """Who reads the remote secrets of one store."""

    def __init__(
        self,
        own: tuple[StoreIdentity, ...],  # of the store
        excluded: Collection[str] = (),  # stores by name that may be the same and are not
        identify: Callable[[Store], StoreIdentity] = lambda store: store.identity,  # may ask the store's server
    ) -> None:
        self._own = own
        self._identify = identify
        self._excluded = frozenset(excluded)
        self._sameness: dict[str, Sameness] = {}
        self._at: dict[str, dict[Reader, None]] = {}
        self._below: list[tuple[str, Reader]] = []
        self._losing: dict[str, str] = {}

    def register_store(self, store: str, identity: StoreIdentity, *, is_named: bool = False) -> StoreIdentity | None:
        """Add a store of a reader; returns its identity if it is or may be this store, else None.

        With `is_named`, it counts as this store by its name alone.
        """
        found = compare_any(self._own, identity)
        self._sameness[store] = found
        if found is Sameness.SAME or ((is_named or found is Sameness.UNPROVEN) and store not in self._excluded):
            return self.on_server(identity)
        return None

    def on_server(self, identity: StoreIdentity) -> StoreIdentity:
        """The identity, completed by what is known of this store's server."""
        known = (each.has_namespaces for each in (identity, *self._own) if each.has_namespaces is not None)
        return identity._replace(has_namespaces=next(known, None))

    def add_loss(self, reader: str, secret: str) -> None:
        """Record that the reader's Secret loses keys that are not found; call it before recording what it reads."""
        self._losing[reader] = secret

    def add(
        self, places: Iterable[str], reader: str, store: str, prop: str | None = None, *, uses_all: bool = False
    ) -> None:
        """Record that `reader` reads a remote secret; `places` are all that its name may mean in that store."""
        found = replace(self._reader(reader, store, prop), uses_all=uses_all)
        for place in places:
            self._at.setdefault(place, {})[found] = None

    def add_below(self, places: Iterable[str], reader: str, store: str) -> None:
        self._below += [(place, self._reader(reader, store, None)) for place in places]

    def add_environments(self, environments: Iterable[Environment]) -> Self:
        """Record what the secrets of `environments` read; returns the index."""
        for environment in environments:
            for store in environment.stores_in_use():
                label, written = f"{environment.name}/{store.id}", store.identity
                found = compare_any(self._own, written)
                is_local = written.server is None or not is_everywhere(written.server)
                if found is Sameness.UNPROVEN or (found is Sameness.SAME and is_local):
                    written = self._identify(store)
                if (identity := self.register_store(label, written)) is None:
                    continue
                places: dict[str, frozenset[str]] = {}
                for secret, _, (name, prop) in reads_of(environment, store):
                    if name not in places:
                        places[name] = remote_places(identity, name)
                    reader = f"{environment.name}/{secret.id}"
                    if secret.entry.skips_missing:
                        self.add_loss(reader, f"{secret.namespace}/{secret.entry.target}")
                    self.add(places[name], reader, label, prop, uses_all=secret.uses_all and prop is None)
        return self

    def _reader(self, reader: str, store: str, prop: str | None) -> Reader:
        return Reader(reader, store, self._sameness[store] is Sameness.SAME, prop, self._losing.get(reader, ""))

    def of(self, name: str) -> tuple[Reader, ...]:
        """The readers of a remote secret, each once for every property that it reads."""
        places = dict.fromkeys(place for each in self._own for place in sorted(remote_places(each, name)))
        found = [reader for place in places for reader in self._at.get(place, ())]
        found += [reader for place in places for above, reader in self._below if is_below(place, above)]
        return tuple(dict.fromkeys(found))

    def check_excluded(self) -> None:
        """Raises Refusal if `--not-the-same` names a store on the same server, or a store that nobody reads."""
        for store in sorted(self._excluded):
            found = self._sameness.get(store)
            if found is Sameness.SAME:
                message = f"the store {quote(store)} is on the same server"
                raise Refusal("usage", message, f"leave out {NOT_THE_SAME} {store}: what it reads there is known")
            if found is None:
                known = sorted(name for name, each in self._sameness.items() if each is Sameness.UNPROVEN)
                message = f"{NOT_THE_SAME}: nobody is seen to read a store {quote(store)}"
                raise Refusal("usage", message, suggest(store, known, "stores that may be the same"))


def unproven_stores(readers: Iterable[Reader]) -> tuple[str, ...]:
    """The stores that may be other ones, by their names for `--not-the-same`."""
    return tuple(dict.fromkeys(each.store for each in readers if not each.is_proven))


def read_by(readers: Collection[Reader], proven_words: str) -> str:
    """The names of the readers: those of this store after `proven_words`, then those of one that may be the same."""
    proven, others = dict[str, None](), dict[str, None]()
    for each in readers:
        (proven if each.is_proven else others)[each.name] = None
    parts = [f"{proven_words} {list_names(proven)}"] if proven else []
    parts += [f"it may be read by {list_names(others)}, in what may be the same store"] if others else []
    losing = dict.fromkeys(each.loses for each in readers if each.loses)
    parts += [f"by its deletionPolicy the operator would take the keys out of {list_names(losing)}"] if losing else []
    return "; ".join(parts)


def way_out(readers: Iterable[Reader]) -> str:
    """The option to add if the stores of `readers` are other stores; empty if all are proven to be the same."""
    stores = unproven_stores(readers)
    if not stores:
        return ""
    is_one = len(stores) == 1
    options = shell_line(*repeat_option(NOT_THE_SAME, stores))
    return f"if {list_names(stores)} {'is another store' if is_one else 'are other stores'}, add {options}"


def every_environment(root: Path, outside: Outside) -> tuple[Environment, ...]:
    """All environments of the project. Raises Refusal where one has errors, or its values file is out of date."""
    projects = tuple(_projects(root, outside))
    for project in projects:
        files, refused = plan_values(project, root / VALUES_FOLDER, VALUES_FOLDER, root)
        if refused:
            raise Refusal("found", f"what the cluster reads is not known: {refused[0].message}", refused[0].help)
        stale = [file.environment for file in files if file.is_stale and file.old is not None]
        if stale:
            message = f"the values file of {list_names(stale)} is out of date: the cluster may read something else"
            raise Refusal("found", message, f"compile and commit it first: {command_line('compile', *stale)}")
    return tuple(environment for project in projects for environment in project.environments)


def one_environment(root: Path, name: str, outside: Outside) -> Environment:
    """The environment as its files are now, with its address from outside if it has none. Raises Refusal."""
    result = compile_project(root, (name,), outside)
    if result.failed or result.project is None:
        raise _refuse_unknown_use(result)
    return result.project.environments[0]


def _projects(root: Path, outside: Outside) -> Iterator[Project]:
    result = compile_project(root)
    if not result.failed and result.project is not None:
        yield result.project
        return
    for name in result.project.names if result.project is not None else ():
        one = compile_project(root, (name,))
        if one.failed:
            one = compile_project(root, (name,), outside)
        if one.failed or one.project is None:
            raise _refuse_unknown_use(one)
        yield one.project
    if result.project is None:
        raise _refuse_unknown_use(result)


def _refuse_unknown_use(result: Result) -> Refusal:
    error = next(each for each in result.diagnostics if each.severity is Severity.ERROR)
    message = f"cannot tell which secrets are in use: {error.span.where} has an error: {error.message}"
    return Refusal("found", message, f"correct it; `{command_line('compile', '--all')}` shows all")


def readers_of(
    store: Store,
    environments: Iterable[Environment],
    stores: LiveStores,
    view: ClusterView | None,
    not_the_same: Collection[str] = (),
) -> ReadIndex:
    """Who reads `store` in `environments` and in the cluster, if there is one. Raises AddressError and Refusal."""
    readers = ReadIndex(stores.identities(store), not_the_same, stores.identity_of_other)
    readers.add_environments(environments)
    if view is not None:
        in_cluster(view, store, readers)
    return readers


def readers_in_project(
    store: Store,
    remote: str,
    environments: Iterable[Environment],
    stores: LiveStores,
    not_the_same: Collection[str] = (),
) -> tuple[Reader, ...]:
    """Who reads a remote secret of `store` in `environments`; the last environment of a name counts.

    Raises AddressError and Refusal.
    """
    own = {each.name: each for each in environments}.values()
    readers = readers_of(store, own, stores, None, not_the_same)
    readers.check_excluded()
    return readers.of(remote)


def readers_of_key(readers: Iterable[Reader], name: str) -> tuple[tuple[Reader, ...], str]:
    """The readers whose Secret is made of the property too, and why it is kept, in words."""
    known = (None, name, key_of_property(name))
    found = tuple(each for each in readers if each.uses_all or each.property in known)
    return found, read_by(found, "pods may read it: it goes into the Secret of") if found else ""


def in_cluster(view: ClusterView, store: Store, readers: ReadIndex) -> None:
    """Add everything in the cluster that reads or writes `store` to `readers`. Raises Refusal."""
    from compiler.cluster.view import ClusterError  # noqa: PLC0415 - many commands ask no cluster

    try:
        lists = view.read_each(partial(view.every_object, plural) for plural in KINDS)
        found = dict(zip(KINDS, lists, strict=True))
    except ClusterError as error:
        failure = Refusal("cannot run", f"{_UNKNOWN}: {error}", error.remedy)
    else:
        if found["externalsecrets"] is not None:
            _Search(store, readers, found).run()
            return
        message = f"{_UNKNOWN}: it does not serve external-secrets.io/v1"
        failure = Refusal("cannot run", message, "choose the cluster with --context")
    raise failure


class _Search:
    """Finds readers in `objects` of a cluster: by kind, None for a kind that the cluster does not have."""

    def __init__(self, store: Store, readers: ReadIndex, objects: Mapping[str, tuple[LiveObject, ...] | None]) -> None:
        self._readers = readers
        self._objects = objects
        self._own = (store.kind, store.name)
        self._written = readers.on_server(store.identity)
        # The registered store objects, by kind and name, then by namespace; their identities give names a meaning.
        self._stores: dict[tuple[str, str], dict[str, tuple[StoreIdentity, ...]]] = {}
        # All store objects in the cluster: kind, namespace (None for any) and name.
        self._listed: set[tuple[str, str | None, str]] = set()

    def run(self) -> None:
        for kind, plural in _STORES:
            for each in self._objects[plural] or ():
                namespace, name = _name_of(each)
                self._listed |= {(kind, namespace, name), (kind, None, name)}
                self._register_store(kind, namespace, name, live_identity(each))
        for plural, title, where in _READERS:
            for each in self._objects[plural] or ():
                namespace, name = _name_of(each)
                spec, reader = child(each, "spec", *where), f"{title} {_label(namespace, name)}"
                if "pushsecrets" in plural:
                    self._push_secret(spec, namespace or None, f"{reader}, which writes it")
                else:
                    self._external_secret(spec, namespace or None, reader, name)
        for each in self._objects["vaultdynamicsecrets"] or ():
            self._generator(child(each, "spec"), f"{_GENERATOR} {_label(*_name_of(each))}")
        for each in self._objects["clustergenerators"] or ():
            generator = child(each, "spec", "generator")
            if generator.get("vaultDynamicSecretSpec") is not None:
                self._generator(child(generator, "vaultDynamicSecretSpec"), f"ClusterGenerator {_name_of(each)[1]}")
        for each in self._objects[_CLASSES] or ():
            self._provider_class(child(each, "spec"), f"SecretProviderClass {_label(*_name_of(each))}")

    def _register_store(self, kind: str, namespace: str, name: str, identity: StoreIdentity) -> None:
        is_named = (kind, name) == self._own
        found = self._readers.register_store(_label(kind, namespace, name), identity, is_named=is_named)
        if found is not None:
            identities = (found, self._written) if is_named else (found,)
            self._stores.setdefault((kind, name), {})[namespace] = identities

    def _find_stores(self, reference: LiveObject, namespace: str | None) -> Iterator[tuple[str, StoreIdentity]]:
        """Labels and identities of the stores that a reference may mean; a template may be used in any namespace."""
        kind, name = str(reference.get("kind") or _STORE), reference.get("name")
        is_known = any((kind, each, name) in self._listed for each in ("", namespace))
        if name is None:
            # A selector chooses by labels.
            is_known = all(self._objects[plural] is not None for each, plural in _STORES if each == kind)
        if not is_known:
            # The store object does not exist, or may not be read: it may be this store.
            where = "" if kind == _CLUSTER_STORE else namespace or ""
            self._register_store(kind, where, str(name or ""), StoreIdentity(UNKNOWN, None))
        names = [name] if name is not None else [called for each, called in self._stores if each == kind]
        for called in names:
            for where, identities in self._stores.get((kind, called), {}).items():
                if namespace is None or where in ("", namespace):
                    yield from ((_label(kind, where, called), identity) for identity in identities)

    def _add(self, store: StoreIdentity, name: str | None, reader: str, label: str, *, is_path: bool = False) -> None:
        """Record who reads a name of a store: all names for None, or with `is_path` all that begin with it."""
        if store.provider is UNKNOWN:
            for each in (self._written, self._written._replace(mount=None)):
                self._add(each, name, reader, label, is_path=is_path)
        elif name is None or not store.provider.is_known:
            # The meaning of a name is not known: it may be any remote secret.
            self._readers.add_below({""}, reader, label)
        elif is_path:
            self._readers.add_below(places_below(store, name), reader, label)
        else:
            self._readers.add(remote_places(store, name), reader, label)

    def _external_secret(self, spec: LiveObject, namespace: str | None, reader: str, name: str) -> None:
        target = child(spec, "target")
        if target.get("deletionPolicy") in _LOSING:
            self._readers.add_loss(reader, _label(namespace or "", str(target.get("name") or name)))
        for reference, remote, is_path in _reads(spec):
            for label, identity in self._find_stores(reference, namespace):
                self._add(identity, remote, reader, label, is_path=is_path)

    def _push_secret(self, spec: LiveObject, namespace: str | None, writer: str) -> None:
        for reference in spec.get("secretStoreRefs") or ():
            for label, identity in self._find_stores(reference, namespace):
                for each in spec.get("data") or ():
                    name = str(child(each, "match", "remoteRef").get("remoteKey") or "")
                    self._add(identity, name, writer, label)
                if spec.get("dataTo"):
                    # The written names come from the keys of a Secret: they may be any.
                    self._add(identity, None, writer, label)

    def _generator(self, spec: LiveObject, reader: str) -> None:
        provider = next(each for each in PROVIDERS.values() if each.generator == _GENERATOR)
        self._paths(provider.live_identity(child(spec, "provider")), (str(spec.get("path") or ""),), reader)

    def _provider_class(self, spec: LiveObject, reader: str) -> None:
        word, parameters = str(spec.get("provider") or ""), child(spec, "parameters")
        provider = provider_called(word)
        if provider is None or not provider.csi_names:
            self._paths(unknown_identity(word, parameters), (None,), reader)
            return
        said = provider.csi_settings(parameters)
        identity = provider.identity(said.get(provider.address), None, said.get("vaultNamespace"))
        objects = str(parameters.get("objects") or "")
        found = provider_objects(reader, objects) if len(objects) <= _LONGEST_OBJECTS else None
        self._paths(identity, [each.text(provider.csi_key) for each in found] if found else (None,), reader)

    def _paths(self, identity: StoreIdentity, paths: Iterable[str | None], reader: str) -> None:
        """Record who reads these API paths without a store object."""
        label = reader.replace(" ", "/")
        if (found := self._readers.register_store(label, identity)) is not None:
            for path in paths:
                self._add(found._replace(mount=None, version="v1"), path, reader, label)


def _name_of(each: LiveObject) -> tuple[str, str]:
    metadata = child(each, "metadata")
    return str(metadata.get("namespace") or ""), str(metadata.get("name") or "")


def _label(*parts: str) -> str:
    return "/".join(filter(None, parts))


def _reads(spec: LiveObject) -> Iterator[tuple[LiveObject, str, bool]]:
    """What a spec reads: the store reference, the name, and whether all names that begin with it are meant."""
    default = child(spec, "secretStoreRef")
    for each in spec.get("data") or ():
        yield _reference(each, default), str(child(each, "remoteRef").get("key") or ""), False
    for each in spec.get("dataFrom") or ():
        extract, find = each.get("extract"), each.get("find")
        if extract is not None:
            yield _reference(each, default), str(extract.get("key") or ""), False
        if find is not None:
            # By a pattern or by tags, which cannot be judged here: it may read any.
            yield _reference(each, default), str(find.get("path") or ""), True


def _reference(each: LiveObject, default: LiveObject) -> LiveObject:
    return child(each, "sourceRef").get("storeRef") or default
