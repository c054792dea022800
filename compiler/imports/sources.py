"""Reads what an import is given: manifests of files and folders, or a cluster's objects; never a Secret's value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from compiler.cluster.view import EXTERNAL_SECRETS, SECRETS, ClusterError, ClusterView, keys_of
from compiler.consumers.look import STDIN, read_documents
from compiler.consumers.readers import Inventory, objects_in, take
from compiler.edit.new_project import option_span
from compiler.imports import kubernetes_external_secrets, secret_provider_class
from compiler.imports.external_secrets import (
    STORES,
    KeyNames,
    StoreObjects,
    is_of_operator,
    is_store,
    read_external_secret,
)
from compiler.imports.found import FoundObject, Reason, SourceStore
from compiler.imports.plan import ImportTarget
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Node, Source, Span, extent
from compiler.model.facts import MAX_MANIFEST_DEPTH
from compiler.model.store import DEFAULT_MOUNT
from compiler.refusal import Refusal
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import counted, shell_line, suggest

_REFERENCES = ("secretStoreRef", "storeRef")
_HELD = ("data", "stringData")
# Kinds that are refused as such. Who may not list them is not told of them.
_OTHERS = {"clusterexternalsecrets": "ClusterExternalSecret", "pushsecrets": "PushSecret"}
OPTIONAL = frozenset({SECRETS, *_OTHERS})
_NAMES_ALONE = 'go-template={{range $key, $value := .data}}{{$key}}{{"\\n"}}{{end}}'


@dataclass(slots=True)
class Findings:
    """What was read: the objects of the form, and the places of those that the reader of `consumers` alone knows."""

    objects: list[FoundObject] = field(default_factory=list)
    lost: list[Span] = field(default_factory=list)
    diagnostics: tuple[Diagnostic, ...] = ()
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class _Context:
    """What a reader of one object asks for: stores, those of `--store` by name, and the names of a Secret's keys."""

    stores: StoreObjects
    named: Mapping[str, SourceStore]
    key_names: KeyNames

    def read(self, form: str, documents: Iterable[Node], default: str, found: Findings) -> None:
        """Adds the objects of the form; one without a namespace is in `default`."""
        every = [(each, each.text("metadata", "namespace") or default) for each in documents]
        for each, inside in every:
            if is_store(each):
                self.stores.take(each, inside)
        for each, inside in every:
            read = _secret_with_values(each, inside) or _READERS[form](each, inside, self)
            known = Inventory()
            take(each, known, inside)
            made = [one for every in known.made.values() for one in every]
            if read is not None:
                keys = [one.keys for one in made if one.keys is not None]
                found.objects.append(replace(read, counted=sum(map(len, keys)) if len(keys) == len(made) else None))
            elif any(one.kind == _KINDS[form] for one in made):
                found.lost.append(each.span)


def read_sources(
    form: str, paths: Sequence[str], namespace: str | None, here: ImportTarget, named: Mapping[str, SourceStore]
) -> Findings:
    """The objects of `form` in the manifests of `paths`. Raises Refusal for what cannot be read or names no namespace.

    `namespace` is that of objects without one, by default the environment's. `named` are stores by the names of their
    objects.
    """
    documents: list[Node] = []
    piped = ("import", form, STDIN, "--environment", here.name)
    is_whole, diagnostics = read_documents(paths, lambda each: documents.extend(objects_in(each)), piped)
    found = Findings(diagnostics=diagnostics, is_whole=is_whole)
    _context(here, named, _unknown_names).read(form, documents, namespace or here.namespace, found)
    if not found.objects and is_whole:
        raise Refusal(
            "cannot run", f"{', '.join(paths)} has no object of the form {form}", "check the form and the files"
        )
    homeless = [each for each in found.objects if not each.namespace]
    if homeless:
        message = f"{counted(len(homeless), 'object')} without a namespace, such as {homeless[0].at.where}"
        raise Refusal("usage", message, "give --namespace")
    return found


def _context(here: ImportTarget, named: Mapping[str, SourceStore], key_names: KeyNames) -> _Context:
    known = {**{("", name): store for name, store in named.items()}, **here.known_stores()}
    return _Context(StoreObjects(known), named, key_names)


def read_cluster(
    view: ClusterView, namespace: str | None, here: ImportTarget, named: Mapping[str, SourceStore]
) -> Findings:
    """The ExternalSecrets of a cluster, or of one namespace, and the stores that they name. Raises Refusal."""
    found = Findings()
    try:
        documents = list(_cluster_documents(view, namespace))
        stores = {
            (kind, each.text("metadata", "namespace") or "", name)
            for each in documents
            for node in each.walk()
            for member in _REFERENCES
            if (name := node.text(member, "name")) and (kind := node.text(member, "kind") or STORES[1]) in STORES
        }
        for kind, inside, name in sorted(stores):
            if (store := view.store(kind, name, inside)) is not None:
                documents.append(_node({**store, "apiVersion": "external-secrets.io/v1", "kind": kind}, kind))
        _context(here, named, lambda *at: _live_names(view, *at)).read("external-secrets", documents, "", found)
    except ClusterError as error:
        raise Refusal("cannot run", f"the cluster cannot be asked: {error}", error.remedy) from None
    if not found.objects:
        raise Refusal("cannot run", "the cluster has no ExternalSecret there", "check --context and --namespace")
    return found


def _cluster_documents(view: ClusterView, namespace: str | None) -> Iterable[Node]:
    if namespace is not None:
        every: Mapping[str, Iterable[Mapping[str, object]]] = {
            "ExternalSecret": view.external_secrets(namespace).values()
        }
    else:
        plurals = {EXTERNAL_SECRETS: "ExternalSecret", **_OTHERS}
        every = {kind: view.every_object(plural) or () for plural, kind in plurals.items()}
    for kind, objects in every.items():
        for each in objects:
            yield _node({**each, "apiVersion": "external-secrets.io/v1", "kind": kind}, kind)


def _node(found: Mapping[str, object], kind: str) -> Node:
    """A live object as a document, whose place is its kind and name."""
    metadata = found.get("metadata")
    names = (
        [str(metadata[key]) for key in ("namespace", "name") if metadata.get(key)] if isinstance(metadata, dict) else []
    )
    source = Source(f"{kind} {'/'.join(names)}")

    def built(data: object, depth: int = 0) -> Node:
        if depth > MAX_MANIFEST_DEPTH:
            raise ClusterError(f"{source.path} is nested too deeply", "check that object")
        if isinstance(data, Mapping):
            return Node({str(key): built(each, depth + 1) for key, each in data.items()}, source, extent(0, 0))
        if isinstance(data, list | tuple):
            return Node(tuple(built(each, depth + 1) for each in data), source, extent(0, 0))
        return Node(data if isinstance(data, bool) or data is None else str(data), source, extent(0, 0))

    return built(found)


def _live_names(view: ClusterView, namespace: str, name: str, at: Span) -> frozenset[str] | Reason:
    """The keys that a Secret has, by the metadata that says who wrote them: its values are never asked for."""
    secret = (view.by_name(SECRETS, namespace) or {}).get(name)
    if secret is not None and (names := keys_of(secret)):
        return names
    line = shell_line("kubectl", "--namespace", namespace, "get", "secret", name, "-o", _NAMES_ALONE)
    message = "the Secret's metadata does not name the keys that its `dataFrom` gives it"
    return Reason(at, message, f"`{line}` prints their names; name each under `data`")


def _unknown_names(namespace: str, name: str, at: Span) -> Reason:
    del namespace, name
    help_text = "read them from the cluster with --cluster, or name each under `data`"
    return Reason(at, "the manifest does not name the keys of its `dataFrom`", help_text)


def _group(document: Node) -> str:
    return (document.text("apiVersion") or "").partition("/")[0]


def _external_secret(document: Node, namespace: str, context: _Context) -> FoundObject | None:
    if (_group(document), document.text("kind")) == (kubernetes_external_secrets.GROUP, "ExternalSecret"):
        return kubernetes_external_secrets.read_kubernetes_external_secret(document, namespace, context.named)
    if is_of_operator(document):
        return read_external_secret(document, namespace, context.stores, context.key_names)
    return None


def _secret_provider_class(document: Node, namespace: str, context: _Context) -> FoundObject | None:
    if _group(document) == secret_provider_class.GROUP and document.text("kind") == "SecretProviderClass":
        return secret_provider_class.read_secret_provider_class(document, namespace, context.named)
    return None


def _secret_with_values(document: Node, namespace: str) -> FoundObject | None:
    """A Secret's manifest, whose values nothing may take from a file."""
    held = next((found for member in _HELD if (found := document.get(member)) is not None and found.children), None)
    if (document.text("apiVersion"), document.text("kind")) != ("v1", "Secret") or held is None:
        return None
    name = document.nearest("metadata", "name")
    help_text = "remove the file, replace the values, which are exposed, and set the new ones with `put`"
    reason = Reason(held.key_span, "it holds values in the clear", help_text)
    return FoundObject("Secret", namespace, document.text("metadata", "name") or "", name.span, reasons=(reason,))


_READERS: dict[str, Callable[[Node, str, _Context], FoundObject | None]] = {
    "external-secrets": _external_secret,
    "secret-provider-class": _secret_provider_class,
}
# The kind whose objects are read in each form.
_KINDS = {"external-secrets": "ExternalSecret", "secret-provider-class": "SecretProviderClass"}
ENV_EXAMPLE = "env-example"
FORMS = (*_READERS, ENV_EXAMPLE)


def named_stores(words: Sequence[str], addresses: Mapping[str, str]) -> dict[str, SourceStore]:
    """The stores of `--store NAME=PROVIDER`, at the usual mount, which the plan shows. Raises Refusal.

    `addresses` are those that options give, by provider.
    """
    found = {}
    for word in words:
        name, _, provider = word.partition("=")
        if not name or provider not in PROVIDERS:
            help_text = suggest(provider, PROVIDERS, "providers") or f"the providers are {', '.join(PROVIDERS)}"
            message = "names no provider" if name and provider else "is not of the form NAME=PROVIDER"
            raise Refusal("usage", f"--store {message}", help_text)
        chosen = PROVIDERS[provider]
        settings = {chosen.address: addresses[provider]} if provider in addresses else {}
        settings |= {"mount": DEFAULT_MOUNT} if chosen.has_mounts else {}
        found[name] = SourceStore("", name, chosen, tuple(settings.items()), option_span("--store", word))
    return found
