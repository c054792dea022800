"""Reads what an import is given: manifests or a cluster's objects, and the environment.

It never reads a Secret's value, and shows no text that may be one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from compiler.cluster.view import EXTERNAL_SECRETS, SECRETS, ClusterError, ClusterView, keys_of
from compiler.consumers.look import STDIN, read_documents, read_files
from compiler.consumers.readers import ObjectIndex, objects_in, take
from compiler.edit.new_project import environment_text, option_span
from compiler.imports.forms import KINDS, FoundObject, KeyNames, bare_object, read_object
from compiler.imports.found_stores import OWN_STORE, STORE_OPTION, STORES, SourceStore, Stores
from compiler.model.document import Diagnostic, Document, Node, Source, Span, extent
from compiler.model.environment import ClusterPin, Entry, cluster_pin
from compiler.model.facts import MAX_MANIFEST_DEPTH
from compiler.model.store import DEFAULT_MOUNT
from compiler.model.values import child
from compiler.pipeline import compile_project
from compiler.project_files import FOLDER, Library
from compiler.refusal import Refusal
from compiler.rules.api import Finding
from compiler.stages.resolve import Outside, catalogue_of, merge
from compiler.stores.registry import PROVIDERS, provider_of
from compiler.text.wording import command_line, kubectl_line, pluralize, suggest

_REFERENCES = ("secretStoreRef", "storeRef")
_HELD = ("data", "stringData")
# What argocd-vault-plugin replaces in a manifest.
_PLACEHOLDER = re.compile(r"<[^<>]+>")
# Kinds that hold or move secrets, and that no form reads.
HOLDING = frozenset(
    {"Secret", "SealedSecret", "VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret", "SecretProviderClass"}
    | {"ExternalSecret", "PushSecret", "ClusterPushSecret", "AzureKeyVaultSecret", "InfisicalSecret", "OnePasswordItem"}
)
# Kinds that are refused as such. Who may not list them is not told of them.
_OTHERS = {"clusterexternalsecrets": "ClusterExternalSecret", "pushsecrets": "PushSecret"}
OPTIONAL = frozenset({SECRETS, *_OTHERS})
# The stores of `--store`, whose kind is not known, by kind and name.
NamedStores = dict[tuple[str, str], SourceStore]
_NAMES_ALONE = 'go-template={{range $key, $value := .data}}{{$key}}{{"\\n"}}{{end}}'


@dataclass(frozen=True, slots=True)
class ImportTarget:
    """The environment as it is, its own file and the catalogue; the file of a new environment is not there yet."""

    root: Path
    name: str
    own: Document
    merged: Node
    catalogue: Document
    entries: Mapping[str, Entry]
    is_new: bool

    @property
    def namespace(self) -> str:
        return self.merged.text("namespace") or ""

    @property
    def cluster(self) -> ClusterPin | None:
        return cluster_pin(self.name, self.merged)

    @property
    def secret_nodes(self) -> Mapping[str, Node]:
        return self.merged.members_at("secrets")

    @property
    def stores(self) -> Mapping[str, Node]:
        return self.merged.members_at("stores")

    def known_stores(self) -> dict[tuple[str, str], SourceStore]:
        """The environment's stores by the kind and name of their objects."""
        found = {}
        for node in self.stores.values():
            provider = provider_of(node.text("provider"))
            mount = {"mount": node.text("mount") or DEFAULT_MOUNT} if provider.has_mounts else {}
            written = {name: text for name in provider.settings if (text := node.text(name)) is not None}
            settings = tuple({**written, **mount}.items())
            name, kind = node.text("name") or "", store_kind(node)
            found[kind, name] = SourceStore(kind, name, provider, settings, node.key_span)
        return found


def store_kind(store: Node) -> str:
    """The kind of the object of an environment's store."""
    return store.text("kind") or "ClusterSecretStore"


def open_target(root: Path, name: str, outside: Outside | None = None) -> ImportTarget:
    """The environment `name`, there or new. Raises Refusal where the input has errors, with `outside` what it lacks."""
    shown = f"{FOLDER}/{name}.yaml"
    is_new = name not in Library(root).names
    has_errors = not is_new and compile_project(root, [name], outside).failed
    library = Library(root, {shown: environment_text(name, ())} if is_new else None)
    catalogue, layers = library.catalogue(may_be_empty=True), library.layers(name)
    is_damaged = catalogue is None or any(document.damaged for document in (catalogue, *layers))
    if catalogue is None or has_errors or is_damaged or not layers:
        raise Refusal("found", "the input has errors", f"`{command_line('compile')}` says which; nothing was written")
    entries = catalogue_of(catalogue).entries
    return ImportTarget(root, name, layers[-1], merge(layers)[0], catalogue, entries, is_new)


@dataclass(slots=True)
class Findings:
    """What was read: the objects of the form, and the places of those that the reader of `consumers` alone knows."""

    objects: list[FoundObject] = field(default_factory=list)
    lost: list[Span] = field(default_factory=list)
    diagnostics: tuple[Diagnostic, ...] = ()
    is_whole: bool = True
    broken: list[Diagnostic] = field(default_factory=list)  # why documents that name no object of the form are no YAML
    others: Counter[str] = field(default_factory=Counter)  # documents of other kinds
    placed: int = 0  # how many objects name no namespace, and get `namespace`
    namespace: str = ""


def _take_documents(
    found: Findings, form: str, documents: Iterable[Node], default: str, stores: Stores, key_names: KeyNames
) -> None:
    """Add the objects of the form; one without a namespace is in `default`."""
    every = [(each, each.text("metadata", "namespace") or default) for each in documents]
    found.namespace = default
    for each, inside in every:
        stores.take(each, inside)
    for each, inside in every:
        read = _secret_with_values(each, inside) or read_object(form, each, inside, stores, key_names)
        known = ObjectIndex()
        take(each, known, inside)
        made = [one for every in known.made.values() for one in every]
        if read is None and not any(one.kind == KINDS[form] for one in made) and each.text("kind") not in STORES:
            found.others[each.text("kind") or "without a kind"] += 1
        if read is not None:
            found.placed += each.text("metadata", "namespace") is None
            keys = [one.keys for one in made if one.keys is not None]
            found.objects.append(replace(read, counted=sum(map(len, keys)) if len(keys) == len(made) else None))
        elif any(one.kind == KINDS[form] for one in made):
            found.lost.append(each.span)


def _keep_objects(kept: list[Node], document: Node) -> None:
    kept.extend(objects_in(document))


_DIVIDER, _BROKEN = re.compile(r"^---(?=\s|$)", re.MULTILINE), "document"


def _read_parts(
    found: Findings, form: str, shown: str, text: str, piped: Sequence[str]
) -> tuple[list[Node], tuple[Diagnostic, ...]]:
    """The documents of a file of which one is broken: that one is refused alone, if it is an object of the form."""
    kept: list[Node] = []
    diagnostics: tuple[Diagnostic, ...] = ()
    starts = [0, *(match.start() for match in _DIVIDER.finditer(text))]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        # Empty lines in front keep the numbers of its lines.
        part, own = "\n" * text.count("\n", 0, start) + text[start:end], list[Node]()
        is_whole, said = read_documents([(shown, part)], partial(_keep_objects, own), piped)
        if is_whole:
            kept += own
            diagnostics += said
        elif f"kind: {KINDS[form]}" in part:
            reasons = [Finding(each.message, each.span, each.help) for each in said]
            found.objects.append(FoundObject(_BROKEN, "", shown, said[0].span, reasons=tuple(reasons)))
        else:
            found.others["that is no YAML"] += 1
            found.broken += said
    return kept, diagnostics


def read_sources(
    form: str, paths: Sequence[str], namespace: str | None, here: ImportTarget, named: NamedStores
) -> Findings:
    """The objects of `form` in the manifests of `paths`; `namespace` is that of objects without one. Raises Refusal."""
    documents: list[Node] = []
    piped = ("import", form, STDIN, "--environment", here.name)
    found = Findings()
    for shown, text in read_files(paths):
        kept: list[Node] = []
        is_whole, diagnostics = read_documents([(shown, text)], partial(_keep_objects, kept), piped)
        if not is_whole:
            kept, diagnostics = _read_parts(found, form, shown, text, piped)
        documents += kept
        found.diagnostics += diagnostics
    known = Stores({**named, **here.known_stores()})
    _take_documents(found, form, documents, namespace or here.namespace, known, _unknown_names)
    if not found.objects and found.broken:
        # Nothing else is there: what is wrong with it is all that can be said.
        return replace(found, diagnostics=(*found.diagnostics, *found.broken), is_whole=False)
    if not found.objects:
        raise Refusal(
            "cannot run", f"{', '.join(paths)} has no object of the form {form}", "check the form and the files"
        )
    homeless = [each for each in found.objects if not each.namespace and each.kind != _BROKEN]
    if homeless:
        message = f"{pluralize(len(homeless), 'object')} without a namespace, such as {homeless[0].at.where}"
        raise Refusal("usage", message, "give --namespace")
    return found


def read_cluster(view: ClusterView, namespace: str | None, here: ImportTarget, named: NamedStores) -> Findings:
    """The ExternalSecrets of a cluster, or of one namespace, and the stores that they name. Raises Refusal."""
    found = Findings()
    try:
        documents = list(_cluster_documents(view, namespace))
        stores = {
            (kind, each.text("metadata", "namespace") or "", name)
            for each in documents
            for node in each.walk()
            for member in _REFERENCES
            if (name := node.text(member, "name")) and (kind := node.text(member, "kind") or OWN_STORE) in STORES
        }
        for kind, inside, name in sorted(stores):
            if (store := view.store(kind, name, inside)) is not None:
                documents.append(_node(store, kind))
        known = Stores({**named, **here.known_stores()})
        _take_documents(found, "external-secrets", documents, "", known, partial(_live_names, view))
    except ClusterError as error:
        raise Refusal("cannot run", f"the cluster cannot be asked: {error}", error.remedy) from None
    if not found.objects:
        raise Refusal("cannot run", "the cluster has no ExternalSecret there", "check --context and --namespace")
    return found


def _cluster_documents(view: ClusterView, namespace: str | None) -> Iterator[Node]:
    if namespace is not None:
        yield from (_node(each, "ExternalSecret") for each in view.external_secrets(namespace).values())
        return
    for plural, kind in {EXTERNAL_SECRETS: "ExternalSecret", **_OTHERS}.items():
        yield from (_node(each, kind) for each in view.every_object(plural) or ())


def _node(found: Mapping[str, object], kind: str) -> Node:
    """A live object of the operator as a document, whose place is its kind and name."""
    metadata = child(found, "metadata")
    names = [str(metadata[key]) for key in ("namespace", "name") if metadata.get(key)]
    source = Source(f"{kind} {'/'.join(names)}")

    def build(data: object, depth: int = 0) -> Node:
        if depth > MAX_MANIFEST_DEPTH:
            raise ClusterError(f"{source.path} is nested too deeply", "check that object")
        if isinstance(data, Mapping):
            return Node({str(key): build(each, depth + 1) for key, each in data.items()}, source, extent(0, 0))
        if isinstance(data, list | tuple):
            return Node(tuple(build(each, depth + 1) for each in data), source, extent(0, 0))
        return Node(data if isinstance(data, bool) or data is None else str(data), source, extent(0, 0))

    return build({**found, "apiVersion": "external-secrets.io/v1", "kind": kind})


def _live_names(view: ClusterView, namespace: str, name: str, at: Span) -> frozenset[str] | Finding:
    """The keys that a Secret has, by the metadata that says who wrote them: its values are never asked for."""
    secret = (view.by_name(SECRETS, namespace) or {}).get(name)
    if secret is not None and (names := keys_of(secret)):
        return names
    line = kubectl_line("--namespace", namespace, "get", "secret", name, "-o", _NAMES_ALONE)
    message = "the Secret's metadata does not name the keys that its `dataFrom` gives it"
    return Finding(message, at, f"`{line}` prints their names; name each under `data`")


def _unknown_names(_namespace: str, _name: str, at: Span) -> Finding:
    help_text = "read them from the cluster with --cluster, or name each under `data`"
    return Finding("the manifest does not name the keys of its `dataFrom`", at, help_text)


def _secret_with_values(document: Node, namespace: str) -> FoundObject | None:
    """A Secret's manifest, whose values nothing may take from a file."""
    held = next((found for member in _HELD if (found := document.get(member)) is not None and found.children), None)
    if (document.text("apiVersion"), document.text("kind")) != ("v1", "Secret") or held is None:
        return None
    if all(_PLACEHOLDER.fullmatch(str(each.value).strip()) for each in held.children.values()):
        return None
    help_text = "remove the file, replace the values, which are exposed, and set the new ones with `put`"
    return bare_object(document, namespace).refuse(Finding("it holds values in the clear", held.key_span, help_text))


def parse_stores(words: Sequence[str], addresses: Mapping[str, str]) -> NamedStores:
    """The stores of `--store NAME=PROVIDER`, at the usual mount, with the addresses by provider. Raises Refusal."""
    found: NamedStores = {}
    for word in words:
        name, _, provider = word.partition("=")
        if not name or provider not in PROVIDERS:
            help_text = suggest(provider, PROVIDERS, "providers") or f"the providers are {', '.join(PROVIDERS)}"
            message = "names no provider" if name and provider else "is not of the form NAME=PROVIDER"
            raise Refusal("usage", f"{STORE_OPTION} {message}", help_text)
        chosen = PROVIDERS[provider]
        settings = {chosen.address: addresses[provider]} if provider in addresses else {}
        settings |= {"mount": DEFAULT_MOUNT} if chosen.has_mounts else {}
        found["", name] = SourceStore("", name, chosen, tuple(settings.items()), option_span(STORE_OPTION, word))
    return found
