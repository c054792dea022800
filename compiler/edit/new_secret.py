"""Adds a secret to the catalogue, by its naming patterns, and lists it in the files that are named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from compiler.edit.new_project import known_layers
from compiler.edit.scaffold import Draft, NewSecret, given, judged, with_secret
from compiler.edit.yaml_edit import listing, with_listed
from compiler.model.catalogue import PROVIDERS
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Document, Node, Span
from compiler.model.environment import OWN_ID, PATTERNS, TARGET, filled, placeholders
from compiler.pipeline import Result
from compiler.project_files import BASE, Library
from compiler.refusal import Refusal
from compiler.rules import invalid_naming_pattern
from compiler.rules.api import Finding
from compiler.stages.files import Output
from compiler.text.wording import quoted, suggest

_ALL = ", ".join(f'{member}: "{pattern}"' for member, pattern in PATTERNS.items())
_ADD = f"add `naming: {{{_ALL}}}` to the catalogue"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a secret by `target` and provider, and where each is from."""

    texts: Mapping[str, str]
    origins: Mapping[str, Span]


def names_of(
    document: Document,
    namespace: str | None,
    secret: str,
    said: Mapping[str, str | None],
    *,
    has_place: bool = True,
) -> tuple[Names | None, tuple[Diagnostic, ...]]:
    """The names of the new `secret` of the catalogue `document`, or None and what is wrong with its patterns.

    `namespace` is that of `environments/base.yaml`, and `said` the names that were given, by `target` and provider.
    One without a place of its own in a store needs no name there. Raises Refusal where nothing names the Kubernetes
    Secret, or no provider has a name.
    """
    meanings = {"namespace": namespace, "name": document.root.text("naming", "name") or namespace, OWN_ID: secret}
    known = {name: meaning for name, meaning in meanings.items() if meaning is not None}
    texts: dict[str, str] = {}
    origins: dict[str, Span] = {}
    found: list[Finding] = []
    for member in PATTERNS:
        own, pattern = said.get(member), document.root.get("naming", member)
        if own is not None:
            texts[member], origins[member] = own, given(f"--{member}", own)
        elif pattern is not None:
            faults = [*invalid_naming_pattern.findings(pattern)] or [*_without_meaning(pattern, known)]
            found += faults
            if not faults:
                texts[member], origins[member] = filled(str(pattern.value), known), pattern.span
    if found:
        return None, tuple(map(invalid_naming_pattern.check.diagnostic, found))
    if TARGET not in texts:
        raise Refusal("usage", "nothing names the Kubernetes Secret", f"give --target, or {_ADD}")
    if has_place and not any(provider in texts for provider in PROVIDERS):
        options = " or ".join(f"--{provider}" for provider in PROVIDERS)
        raise Refusal("usage", "nothing names the secret in a store", f"give {options}, or its pattern in `naming`")
    return Names(texts, origins), ()


def _without_meaning(pattern: Node, known: Mapping[str, str]) -> Iterator[Finding]:
    for name in placeholders(str(pattern.value)):
        if name not in known:
            message = f"{{{name}}} stands for nothing: environments/base.yaml has no namespace"
            yield Finding(message, pattern, help="write `namespace` there, or the name itself in place of it")


@dataclass(frozen=True, slots=True)
class Wanted:
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
class NewEntry:
    """The files to write, those that list the secret already, and what compiling would find with them written."""

    outputs: tuple[Output, ...]
    unchanged: tuple[str, ...]
    result: Result

    def listed_by(self, secret: str) -> tuple[str, ...]:
        """The environments that have the secret, once the files are written."""
        environments = self.result.project.environments if self.result.project is not None else ()
        return tuple(each.name for each in environments if secret in each.secrets)


def new_entry(root: Path, wanted: Wanted) -> tuple[NewEntry | None, tuple[Diagnostic, ...]]:
    """The files with the entry of `wanted` in them, or None and what is wrong with the catalogue or its patterns.

    Raises Refusal for an id that is taken, a layer that there is not, and a file that cannot be edited.
    """
    library = Library(root)
    catalogue = _usable(library.catalogue(may_be_empty=True))
    if catalogue is None:
        return None, tuple(library.diagnostics)
    if catalogue.root.get("secrets", wanted.id) is not None:
        message = f'the catalogue already has a secret "{wanted.id}"'
        line = f"`{listing(wanted.id, wanted.namespace)}` under `secrets:` there"
        to_list = f", or write {line} to list it" if wanted.into else ""
        raise Refusal("usage", message, f"choose another name, or edit the entry{to_list}")
    known = known_layers(root)
    for name in wanted.into:
        if name not in known:
            message = f"there is no environment or layer {quoted(name)}"
            raise Refusal("usage", message, suggest(name, known, "files that may list it"))
    into = dict.fromkeys(wanted.into)
    layers = [document for name in into if (document := _usable(library.layer(name))) is not None]
    names, found = names_of(catalogue, _namespace(Library(root)), wanted.id, wanted.names, has_place=bool(wanted.keys))
    if names is None or len(layers) < len(into):
        return None, (*library.diagnostics, *found)
    # A place by a pattern is for keys of its own; one that was given is judged.
    remote = {
        provider: text
        for provider, text in names.texts.items()
        if provider != "target" and (wanted.keys or wanted.names.get(provider) is not None)
    }
    secret = NewSecret(wanted.id, names.texts["target"], wanted.description, remote, wanted.keys, wanted.taken)
    drafts = [Draft(catalogue.source, with_secret(catalogue, secret), _origins(wanted, names.origins))]
    unchanged = []
    for document in layers:
        if document.root.get("secrets", wanted.id) is not None:
            _refuse_other_namespace(document, wanted)
            unchanged.append(document.source.path)
        else:
            drafts.append(_listed(document, wanted))
    # A link inside the project stays a link: what it leads to is replaced.
    outputs = [
        Output((root / each.source.path).resolve(), each.source.path, each.text, replaces=each.source.text)
        for each in drafts
    ]
    result = judged(root, drafts)
    helped = tuple(_with_option(each, names) for each in result.diagnostics)
    return NewEntry(tuple(outputs), tuple(unchanged), replace(result, diagnostics=helped)), ()


def _listed(document: Document, wanted: Wanted) -> Draft:
    origins: dict[tuple[str, ...], Span] = {(): given("--into", document.source.path)}
    if wanted.namespace is not None:
        origins["secrets", wanted.id, "namespace"] = given("--namespace", wanted.namespace)
    return Draft(document.source, with_listed(document, wanted.id, wanted.namespace), origins)


def _refuse_other_namespace(document: Document, wanted: Wanted) -> None:
    if wanted.namespace not in (None, document.root.text("secrets", wanted.id, "namespace")):
        message = f"{document.source.path} lists {quoted(wanted.id)} already, and not in {quoted(wanted.namespace)}"
        raise Refusal("usage", message, "write `namespace` there, and leave --namespace out")


def _with_option(diagnostic: Diagnostic, names: Names) -> Diagnostic:
    """With the option that gives another name than a pattern made."""
    member = next((member for member, span in names.origins.items() if span is diagnostic.span), None)
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


def _origins(wanted: Wanted, names: Mapping[str, Span]) -> dict[tuple[str, ...], Span]:
    """Where each part of the entry was said."""
    entry = ("secrets", wanted.id)
    return {
        (): given("NAME", wanted.id),
        (*entry, "description"): given("--description", wanted.description or ""),
        **{(*entry, *(("target",) if name == "target" else ("remote", name))): span for name, span in names.items()},
        **{(*entry, "keys", key): given("--key", key) for key in wanted.keys},
        **{(*entry, "keys", key): given("--from", key) for key in wanted.taken},
        **{(*entry, "keys", key, "from"): given("--from", other) for key, other in wanted.taken.items()},
    }
