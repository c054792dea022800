"""Adds a secret to the catalogue, named by `naming` patterns unless options say otherwise, and lists it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from compiler.edit.draft import Draft, compile_drafts, option_span, refuse_unknown_layer
from compiler.edit.yaml_edit import add_members, listing, listing_value
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Document, Node, Span
from compiler.model.environment import OWN_ID, TARGET, filled, placeholders
from compiler.model.facts import NEW_SECRET_WAVE
from compiler.pipeline import Result
from compiler.project_files import BASE, Library
from compiler.refusal import Refusal
from compiler.rules import invalid_naming_pattern
from compiler.rules.api import Finding
from compiler.stages.emit import quote, scalar
from compiler.stages.files import Output
from compiler.stores.registry import PATTERNS, PROVIDERS
from compiler.text.wording import quoted

_ALL = ", ".join(f'{member}: "{pattern}"' for member, pattern in PATTERNS.items())
_ADD = f"add `naming: {{{_ALL}}}` to the catalogue"

# The names of a new secret by `target` and provider, each with where it is from.
Names = Mapping[str, tuple[str, Span]]


@dataclass(frozen=True, slots=True)
class SecretRequest:
    """What the command line says of a new secret: its names by `target` and provider, None where it says nothing.

    `namespace` is where the files of `into` list it, None for that of the environment. `taken` are its keys with
    another's value, and that key as ENTRY/KEY.
    """

    id: str
    description: str | None
    names: Mapping[str, str | None]
    keys: tuple[str, ...]
    into: tuple[str, ...] = ()
    namespace: str | None = None
    taken: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewSecret:
    """The files to write, those that list the secret already, and what compiling would find with them written."""

    outputs: tuple[Output, ...]
    unchanged: tuple[str, ...]
    result: Result

    def listed_by(self, secret: str) -> tuple[str, ...]:
        """The environments that have the secret, once the files are written."""
        environments = self.result.project.environments if self.result.project is not None else ()
        return tuple(each.name for each in environments if secret in each.secrets)


def new_secret(root: Path, request: SecretRequest) -> tuple[NewSecret | None, tuple[Diagnostic, ...]]:
    """The files with the secret in them, or None and what is wrong with the catalogue or its patterns.

    Raises Refusal for an id that is taken, a layer that there is not, and a file that cannot be edited.
    """
    library = Library(root)
    catalogue = _usable(library.catalogue(may_be_empty=True))
    if catalogue is None:
        return None, tuple(library.diagnostics)
    if catalogue.root.get("secrets", request.id) is not None:
        message = f'the catalogue already has a secret "{request.id}"'
        line = f"`{listing(request.id, request.namespace)}` under `secrets:` there"
        to_list = f", or write {line} to list it" if request.into else ""
        raise Refusal("usage", message, f"choose another name, or edit the entry{to_list}")
    into = dict.fromkeys(request.into)
    for name in into:
        refuse_unknown_layer(root, name, "files that may list it")
    layers = [document for name in into if (document := _usable(library.layer(name))) is not None]
    names, found = names_of(catalogue, _namespace(Library(root)), request)
    if names is None or len(layers) < len(into):
        return None, (*library.diagnostics, *found)
    entry = add_members(catalogue, ("secrets", request.id), _entry_lines(request, names), "secret", is_apart=True)
    drafts, unchanged = [Draft(catalogue.source, entry, _origins(request, names))], []
    for document in layers:
        if document.root.get("secrets", request.id) is not None:
            _refuse_other_namespace(document, request)
            unchanged.append(document.source.path)
        else:
            drafts.append(_listed(document, request))
    # A link inside the project stays a link: what it leads to is replaced.
    outputs = [
        Output((root / each.source.path).resolve(), each.source.path, each.text, replaces=each.source.text)
        for each in drafts
    ]
    result = compile_drafts(root, drafts)
    helped = tuple(_with_option(each, names) for each in result.diagnostics)
    return NewSecret(tuple(outputs), tuple(unchanged), replace(result, diagnostics=helped)), ()


def names_of(
    catalogue: Document, namespace: str | None, request: SecretRequest
) -> tuple[Names | None, tuple[Diagnostic, ...]]:
    """The names of the new secret, given or by the catalogue's patterns, or None and what is wrong with those.

    `namespace` is that of `environments/base.yaml`. A secret without a key of its own needs no name in a store. Raises
    Refusal where nothing names the Kubernetes Secret, or no provider has a name.
    """
    naming = {"namespace": namespace, "name": catalogue.root.text("naming", "name") or namespace, OWN_ID: request.id}
    known = {name: meaning for name, meaning in naming.items() if meaning is not None}
    names: dict[str, tuple[str, Span]] = {}
    found: list[Finding] = []
    for member in PATTERNS:
        given, pattern = request.names.get(member), catalogue.root.get("naming", member)
        if given is not None:
            names[member] = given, option_span(f"--{member}", given)
        elif pattern is not None:
            faults = [*invalid_naming_pattern.findings(pattern)] or [*_without_meaning(pattern, known)]
            found += faults
            if not faults:
                names[member] = filled(str(pattern.value), known), pattern.span
    if found:
        return None, tuple(map(invalid_naming_pattern.check.diagnostic, found))
    if TARGET not in names:
        raise Refusal("usage", "nothing names the Kubernetes Secret", f"give --target, or {_ADD}")
    if request.keys and not any(provider in names for provider in PROVIDERS):
        options = " or ".join(f"--{provider}" for provider in PROVIDERS)
        raise Refusal("usage", "nothing names the secret in a store", f"give {options}, or its pattern in `naming`")
    return names, ()


def _without_meaning(pattern: Node, known: Mapping[str, str]) -> Iterator[Finding]:
    for name in placeholders(str(pattern.value)):
        if name not in known:
            message = f"{{{name}}} stands for nothing: environments/base.yaml has no namespace"
            yield Finding(message, pattern, help="write `namespace` there, or the name itself in place of it")


def _entry_lines(request: SecretRequest, names: Names) -> list[str]:
    # A place by a pattern is for keys of its own; one that was given is judged.
    places = [
        f"  {provider}: {scalar(name)}"
        for provider, (name, _) in names.items()
        if provider != TARGET and (request.keys or request.names.get(provider) is not None)
    ]
    return [
        *([f"description: {quote(request.description)}"] if request.description is not None else ()),
        f"target: {scalar(names[TARGET][0])}",
        *(["remote:", *places] if places else ()),
        f"syncWave: {NEW_SECRET_WAVE}",
        "keys:",
        *(f"  {scalar(key)}: {{}}" for key in request.keys),
        *(f"  {scalar(key)}: {{from: {scalar(other)}}}" for key, other in request.taken.items()),
    ]


def _listed(document: Document, request: SecretRequest) -> Draft:
    path = ("secrets", request.id)
    origins: dict[tuple[str, ...], Span] = {(): option_span("--into", document.source.path)}
    if request.namespace is not None:
        origins[*path, "namespace"] = option_span("--namespace", request.namespace)
    return Draft(document.source, add_members(document, path, listing_value(request.namespace), "secret"), origins)


def _refuse_other_namespace(document: Document, request: SecretRequest) -> None:
    if request.namespace not in (None, document.root.text("secrets", request.id, "namespace")):
        message = f"{document.source.path} lists {quoted(request.id)} already, and not in {quoted(request.namespace)}"
        raise Refusal("usage", message, "write `namespace` there, and leave --namespace out")


def _with_option(diagnostic: Diagnostic, names: Names) -> Diagnostic:
    """With the option that gives another name than a pattern made."""
    member = next((member for member, (_, span) in names.items() if span is diagnostic.span), None)
    if member is None or diagnostic.span.path == f"--{member}":
        return diagnostic
    other = f"--{member} gives the secret another name"
    return replace(diagnostic, help=f"{diagnostic.help}; {other}" if diagnostic.help else other)


def _usable(document: Document | None) -> Document | None:
    """The document, where it has no errors: nothing is added to one that has."""
    return None if document is None or document.damaged else document


def _namespace(library: Library) -> str | None:
    """The namespace that base.yaml gives to all environments."""
    written = (layer.root.text("namespace") for layer in reversed(library.layers(BASE)))
    return next((namespace for namespace in written if namespace is not None), None)


def _origins(request: SecretRequest, names: Names) -> dict[tuple[str, ...], Span]:
    """Where each part of the entry was said."""
    entry = ("secrets", request.id)
    return {
        (): option_span("NAME", request.id),
        (*entry, "description"): option_span("--description", request.description or ""),
        **{(*entry, *(() if name == TARGET else ("remote",)), name): span for name, (_, span) in names.items()},
        **{(*entry, "keys", key): option_span("--key", key) for key in request.keys},
        **{(*entry, "keys", key): option_span("--from", key) for key in request.taken},
        **{(*entry, "keys", key, "from"): option_span("--from", other) for key, other in request.taken.items()},
    }
