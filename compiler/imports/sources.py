"""Reads what an import is given: manifests of files and folders, or a cluster's objects; never a Secret's value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.consumers.look import STDIN, read_documents
from compiler.consumers.readers import Inventory, objects_in, take
from compiler.edit.new_project import option_span
from compiler.imports.external_secrets import StoreObjects, is_of_operator, is_store, read_external_secret
from compiler.imports.found import FoundObject, Reason, SourceStore
from compiler.imports.plan import ImportTarget
from compiler.model.address import DEFAULT_MOUNT
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Node, Span
from compiler.refusal import Refusal
from compiler.stores.registry import PROVIDERS
from compiler.text.wording import counted, quoted, suggest

EXTERNAL_SECRETS = "external-secrets"
_HELD = ("data", "stringData")


@dataclass(slots=True)
class Findings:
    """What was read: the objects of the form, and what the reader of `consumers` says that these make."""

    objects: list[FoundObject] = field(default_factory=list)
    made: Inventory = field(default_factory=Inventory)
    diagnostics: tuple[Diagnostic, ...] = ()
    is_whole: bool = True


def read_sources(
    form: str, paths: Sequence[str], namespace: str | None, here: ImportTarget, named: Mapping[str, SourceStore]
) -> Findings:
    """The objects of `form` in the manifests of `paths`. Raises Refusal for what cannot be read or names no namespace.

    `namespace` is that of objects without one, by default the environment's. `named` are stores by the names of their
    objects.
    """
    documents: list[Node] = []
    default = namespace or here.namespace
    piped = ("import", form, STDIN, "--environment", here.name)
    is_whole, diagnostics = read_documents(paths, lambda each: documents.extend(objects_in(each)), piped)
    found = Findings(diagnostics=diagnostics, is_whole=is_whole)
    stores = StoreObjects({**{("", name): store for name, store in named.items()}, **here.known_stores()})
    for each in documents:
        if is_store(each):
            stores.take(each, _namespace(each, default))
    for each in documents:
        inside = _namespace(each, default)
        read = _READERS[form](each, inside, stores)
        if read is not None:
            found.objects.append(read)
            take(each, found.made, inside)
    if not found.objects and is_whole:
        raise Refusal("cannot run", f"there is nothing to import in {', '.join(paths)}", "check the form and the files")
    homeless = [each for each in found.objects if not each.namespace]
    if homeless:
        message = f"{counted(len(homeless), 'object')} without a namespace, such as {quoted(homeless[0].name)}"
        raise Refusal("usage", message, "give --namespace")
    return found


def _namespace(document: Node, default: str) -> str:
    return document.text("metadata", "namespace") or default


def _external_secret(document: Node, namespace: str, stores: StoreObjects) -> FoundObject | None:
    if is_of_operator(document):
        return read_external_secret(document, namespace, stores, _unknown_names)
    return _secret_with_values(document, namespace)


def _unknown_names(namespace: str, name: str, at: Span) -> Reason:
    del namespace, name
    help_text = "read them from the cluster with --cluster, or name each under `data`"
    return Reason(at, "the manifest does not name the keys of its `dataFrom`", help_text)


def _secret_with_values(document: Node, namespace: str) -> FoundObject | None:
    """A Secret's manifest, whose values nothing may take from a file."""
    held = [document.get(member) for member in _HELD if document.get("kind") and document.get(member) is not None]
    if (document.text("apiVersion"), document.text("kind")) != ("v1", "Secret") or not any(held):
        return None
    name = document.nearest("metadata", "name")
    help_text = "remove the file, replace the values, which are exposed, and set the new ones with `put`"
    reason = Reason(next(filter(None, held)).key_span, "it holds values in the clear", help_text)
    return FoundObject("Secret", namespace, str(name.value), name.span, reasons=(reason,))


_READERS: dict[str, Callable[[Node, str, StoreObjects], FoundObject | None]] = {EXTERNAL_SECRETS: _external_secret}
FORMS = tuple(_READERS)


def named_stores(words: Sequence[str], addresses: Mapping[str, str]) -> dict[str, SourceStore]:
    """The stores of `--store NAME=PROVIDER`, at the usual mount, which the plan shows. Raises Refusal.

    `addresses` are those that options give, by provider.
    """
    found = {}
    for word in words:
        name, _, provider = word.partition("=")
        if not name or provider not in PROVIDERS:
            help_text = suggest(provider, PROVIDERS, "providers") or f"the providers are {', '.join(PROVIDERS)}"
            raise Refusal("usage", "--store is not of the form NAME=PROVIDER", help_text)
        chosen = PROVIDERS[provider]
        settings = {chosen.address: addresses[provider]} if provider in addresses else {}
        settings |= {"mount": DEFAULT_MOUNT} if chosen.has_mounts else {}
        found[name] = SourceStore("", name, chosen, tuple(settings.items()), option_span("--store", word))
    return found
