"""Adds a secret to the catalogue and lists it, or a log-in to a store, so that the chart makes the store's object.

A typed Secret comes with what is fetched for it, and the template of the rest.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compiler.edit.new_project import (
    Draft,
    address_scalar,
    compile_drafts,
    known_provider,
    option_span,
    refuse_unknown_layer,
)
from compiler.edit.yaml_edit import add_members, in_braces, listing, listing_value
from compiler.model.document import Diagnostic, Document, Node, Span
from compiler.model.environment import OWN_ID, TARGET, fill_pattern, placeholders
from compiler.model.provider import OPERATOR, LogIn, Provider
from compiler.model.store import DEFAULT_MOUNT
from compiler.pipeline import Result, compile_project
from compiler.project_files import BASE, Library
from compiler.refusal import Refusal
from compiler.rules import invalid_naming_pattern
from compiler.rules.api import Finding
from compiler.stages.emit import quote_yaml, scalar
from compiler.stages.files import Output
from compiler.stages.resolve import merge
from compiler.stores.registry import PATTERNS, PROVIDERS, STORE_OPTIONS
from compiler.text.wording import command_line, quote, suggest

_ALL = ", ".join(f'{member}: "{pattern}"' for member, pattern in PATTERNS.items())
_ADD = f"add `naming: {{{_ALL}}}` to the catalogue"

# A registry as Docker's configuration names it: a host, or an address as that of Docker Hub.
_SERVER = re.compile(
    r"(?:https://)?[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?(?:/[A-Za-z0-9._/-]*)?", re.ASCII
)
_PREFIX = "kubernetes.io/"


@dataclass(frozen=True, slots=True)
class SecretForm:
    """A typed Secret: the keys that are fetched, and the text of each key of the Secret."""

    type: str
    keys: Mapping[str, str]  # with a description each
    data: Mapping[str, str] = field(default_factory=dict)  # empty where the fetched keys are the Secret's
    server: str | None = None  # of a registry


def _docker(server: str) -> str:
    # As `kubectl create secret docker-registry` writes it.
    log_in = '"username": {{ .username | toJson }}, "password": {{ .password | toJson }}'
    auth = '"auth": {{ printf "%s:%s" .username .password | b64enc | toJson }}'
    return f'{{"auths": {{"{server}": {{{log_in}, {auth}}}}}}}'


_USER, _PASSWORD = "User name", "Password or token"
FORMS = {
    "dockerconfigjson": SecretForm(
        "kubernetes.io/dockerconfigjson", {"username": f"{_USER} at the registry", "password": f"{_PASSWORD} of it"}
    ),
    "tls": SecretForm(
        "kubernetes.io/tls",
        {"certificate": "Certificate with its chain as PEM text", "private_key": "Its private key as PEM text"},
        {"tls.crt": "{{ .certificate }}", "tls.key": "{{ .private_key }}"},
    ),
    "basic-auth": SecretForm("kubernetes.io/basic-auth", {"username": _USER, "password": _PASSWORD}),
    "ssh-auth": SecretForm("kubernetes.io/ssh-auth", {"ssh-privatekey": "Private key as PEM text"}),
}


def find_form(name: str, server: str | None) -> SecretForm:
    """The form of a type, named with or without `kubernetes.io/`. Raises Refusal."""
    short = name.removeprefix(_PREFIX)
    form = FORMS.get(short)
    if form is None:
        message = f"--type knows no {quote(name)}"
        raise Refusal("usage", message, f"{suggest(short, FORMS, 'types')}; for another type write `type` by hand")
    if short != "dockerconfigjson":
        if server is not None:
            raise Refusal("usage", f"a Secret of the type {form.type} has no server", "leave --server out")
        return form
    if server is None:
        raise Refusal("usage", "the pull Secret needs its registry", "name it, such as --server ghcr.io")
    if not _SERVER.fullmatch(server):
        raise Refusal("usage", "--server is not the name of a registry", "write its host, such as --server ghcr.io")
    return SecretForm(form.type, form.keys, {".dockerconfigjson": _docker(server)}, server)


# The names of a new secret by `target` and provider, each with where it is from.
Names = Mapping[str, tuple[str, Span]]


@dataclass(frozen=True, slots=True)
class SecretRequest:
    """What the command line says of a new secret."""

    id: str
    description: str | None
    names: Mapping[str, str | None]  # by `target` and provider, None where it says nothing
    keys: tuple[str, ...]
    into: tuple[str, ...] = ()
    namespace: str | None = None  # where `into` lists it, None for that of the environment
    taken: Mapping[str, str] = field(default_factory=dict)  # keys with another's value, and that key as ENTRY/KEY
    form: SecretForm | None = None  # of a typed Secret, whose keys `keys` and `taken` have together


def new_secret(root: Path, request: SecretRequest) -> tuple[list[Output], list[str], Result]:
    """The files to write, the paths of those that list the secret already, and what compiling would find then.

    No file where the catalogue or its patterns have errors. Raises Refusal for an id that is taken, a layer that there
    is not, and a file that cannot be edited.
    """
    library = Library(root)
    catalogue = _usable(library.catalogue(may_be_empty=True))
    if catalogue is None:
        return [], [], Result(None, tuple(library.diagnostics))
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
        return [], [], Result(None, (*library.diagnostics, *found))
    entry = add_members(catalogue, ("secrets", request.id), _entry_lines(request, names), "secret", is_apart=True)
    drafts, unchanged = [Draft(catalogue.source, entry, _origins(request, names))], []
    for document in layers:
        if document.root.get("secrets", request.id) is not None:
            _refuse_other_namespace(document, request)
            unchanged.append(document.source.path)
        else:
            drafts.append(_draft_listing(document, request))
    result = compile_drafts(root, drafts)
    helped = tuple(_with_option(each, names) for each in result.diagnostics)
    return [each.output(root) for each in drafts], unchanged, result._replace(diagnostics=helped)


def names_of(
    catalogue: Document, namespace: str | None, request: SecretRequest
) -> tuple[Names | None, tuple[Diagnostic, ...]]:
    """The new secret's names, given or by the catalogue's patterns; None and what is wrong with the patterns.

    `namespace` is that of `environments/base.yaml`. Raises Refusal where nothing names the Kubernetes Secret, or no
    provider has a name.
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
                names[member] = fill_pattern(str(pattern.value), known), pattern.span
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
        *([f"description: {quote_yaml(request.description)}"] if request.description is not None else ()),
        f"target: {scalar(names[TARGET][0])}",
        *(["remote:", *places] if places else ()),
        *(_form_lines(request.form) if request.form is not None else ()),
        "keys:",
        *(f"  {scalar(key)}: {_of_key(request, key)}" for key in request.keys),
        *(f"  {scalar(key)}: {{from: {scalar(other)}}}" for key, other in request.taken.items()),
    ]


def _form_lines(form: SecretForm) -> Iterator[str]:
    yield f"type: {scalar(form.type)}"
    if form.data:
        yield from (
            "template:",
            "  data:",
            *(f"    {scalar(key)}: {_in_quotes(text)}" for key, text in form.data.items()),
        )


def _in_quotes(text: str) -> str:
    # Most texts have double quotes, which people read better as they are.
    return quote_yaml(text) if "'" in text or '"' not in text else f"'{text}'"


def _of_key(request: SecretRequest, key: str) -> str:
    description = request.form.keys.get(key) if request.form is not None else None
    return in_braces({"description": description}) if description is not None else "{}"


def _draft_listing(document: Document, request: SecretRequest) -> Draft:
    path = ("secrets", request.id)
    origins: dict[tuple[str, ...], Span] = {(): option_span("--into", document.source.path)}
    if request.namespace is not None:
        origins[*path, "namespace"] = option_span("--namespace", request.namespace)
    return Draft(document.source, add_members(document, path, listing_value(request.namespace), "secret"), origins)


def _refuse_other_namespace(document: Document, request: SecretRequest) -> None:
    if request.namespace not in (None, document.root.text("secrets", request.id, "namespace")):
        message = f"{document.source.path} lists {quote(request.id)} already, and not in {quote(request.namespace)}"
        raise Refusal("usage", message, "write `namespace` there, and leave --namespace out")


def _with_option(diagnostic: Diagnostic, names: Names) -> Diagnostic:
    """With the option that gives another name than a pattern made."""
    member = next((member for member, (_, span) in names.items() if span is diagnostic.span), None)
    if member is None or diagnostic.span.path == f"--{member}":
        return diagnostic
    other = f"--{member} gives the secret another name"
    return diagnostic._replace(help=f"{diagnostic.help}; {other}" if diagnostic.help else other)


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


@dataclass(frozen=True, slots=True)
class StoreRequest:
    """What the command line says of a store."""

    id: str
    auth: str
    into: str  # the layer or environment that it is written into
    provider: str | None = None  # None for a store that is there
    name: str | None = None  # that of its object in the cluster
    addresses: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)  # by the flags of `STORE_OPTIONS`

    def settings(self) -> Iterator[tuple[str, str, str]]:
        """Each setting that an option gives, with its value and the flag: the addresses first."""
        flags = {each.address: each.option for each in PROVIDERS.values()}
        yield from ((key, value, flags[key]) for key, value in self.addresses.items())
        for flag, value in self.options.items():
            if setting := STORE_OPTIONS[flag].setting:
                yield setting, value, flag


def new_store(root: Path, request: StoreRequest) -> tuple[Output, Result]:
    """The file with the store in it, and what compiling would find then. Raises Refusal."""
    refuse_unknown_layer(root, request.into, "files that may hold it")
    library = Library(root)
    document, layers = library.layer(request.into), library.layers(request.into)
    if document is None or document.damaged or not layers:
        raise Refusal("found", "the input has errors", f"`{command_line('compile')}` says which; nothing was written")
    merged = merge(layers)[0]
    lines = _store_lines(request, merged.get("stores", request.id), merged, _store_namespaces(root, request, merged))
    splices = add_members(document, ("stores", request.id), lines, "store")
    draft = Draft(document.source, splices, {(): option_span("ID", request.id), **_store_origins(request)})
    return draft.output(root), compile_drafts(root, [draft])


def _provider(request: StoreRequest, store: Node | None, merged: Node) -> tuple[Provider, LogIn]:
    """The provider of the store and its log-in. Raises Refusal for one that is not there, or that it cannot have."""
    provider = store.text("provider") if store is not None else request.provider
    if provider is None:
        way_out = suggest(request.id, merged.members_at("stores"), "stores")
        raise Refusal("usage", f"there is no store {quote(request.id)}", f"{way_out}; for a new one give --provider")
    found = known_provider(provider)
    if request.provider not in (None, provider):
        raise Refusal("usage", f"the provider of {quote(request.id)} is {provider}", "leave --provider out")
    log_in = found.log_ins.get(request.auth)
    if log_in is None:
        message = f"{quote(request.auth)} is not a log-in of {provider}"
        raise Refusal("usage", message, suggest(request.auth, found.log_ins, "log-ins"))
    for flag in request.options:
        if not STORE_OPTIONS[flag].setting and flag not in log_in.takes:
            raise Refusal("usage", f"{request.auth} has no {flag.removeprefix('--')}", f"leave {flag} out")
    return found, log_in


def _store_lines(request: StoreRequest, store: Node | None, merged: Node, namespaces: list[str]) -> list[str]:
    """The members to write, of a store that the layers have, or of a new one."""
    provider, log_in = _provider(request, store, merged)
    if store is not None and (store.get("auth") is not None or store.get("render") is not None):
        raise Refusal("usage", f"the store {quote(request.id)} has `auth` or `render` already", "edit it there")
    for flag, what in log_in.options_needed:
        if flag not in request.options and not (store is not None and store.text(STORE_OPTIONS[flag].setting)):
            raise Refusal("usage", f"{log_in.title} needs {flag}", what)
    is_own = store is not None and store.text("kind") == "SecretStore"
    lines = [] if store is not None else [f"provider: {provider.id}", f"name: {scalar(request.name or request.id)}"]
    if store is not None and request.name is not None:
        lines.append(f"name: {scalar(request.name)}")
    lines += [f"{key}: {address_scalar(address)}" for key, address in request.addresses.items()]
    if store is None and provider.has_mounts:
        lines.append(f"mount: {DEFAULT_MOUNT}")
    lines += [f"{key}: {scalar(value)}" for key, value, _ in request.settings() if key not in request.addresses]
    lines.append("render: true")
    if not is_own:
        lines.append(f"conditions: {in_braces({'namespaces': namespaces})}")
    members = log_in.members(request.id, request.options, None if is_own else OPERATOR)
    auth = [f"    {key}: {in_braces(member)}" for key, member in members.items()]
    return [*lines, "auth:", f"  {request.auth}:{'' if auth else ' {}'}", *auth]


def _store_namespaces(root: Path, request: StoreRequest, merged: Node) -> list[str]:
    """Those of the layer, and of each secret that reads the store in an environment as it is now."""
    project = compile_project(root).project
    environments = project.environments if project is not None else ()
    read = [
        secret.namespace
        for environment in environments
        if request.into in {layer.source.path.rpartition("/")[2].removesuffix(".yaml") for layer in environment.layers}
        for secret in environment.secrets.values()
        if secret.store is not None and secret.store.id == request.id
    ]
    return list(dict.fromkeys(name for name in (merged.text("namespace"), *read) if name is not None))


def _store_origins(request: StoreRequest) -> dict[tuple[str, ...], Span]:
    at = ("stores", request.id)
    named = [("name", request.name, "--name")] if request.name is not None else []
    said = [("auth", request.auth, "--auth"), *named, *request.settings()]
    return {(*at, key): option_span(flag, value) for key, value, flag in said}
