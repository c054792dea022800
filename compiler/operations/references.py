"""Lists what ExternalSecrets read from stores, a reference for each key, and resolves it as the operator does.

The ExternalSecrets are an environment's or a values file's. Of a property's path only names with dots between them are
followed, by gjson's documented syntax (https://github.com/tidwall/gjson/blob/master/SYNTAX.md), not its code.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, cast

from compiler.live.stores import secret_named, store_named
from compiler.model.address import DEFAULT_MOUNT
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.document import Document, Node, Span
from compiler.model.environment import BUNDLE, Environment, Secret, SecretKey, Store
from compiler.model.provider import Provider, Spec, UnprovenReferenceError
from compiler.model.store import place_in
from compiler.model.values import subchart_of
from compiler.refusal import Refusal
from compiler.rules.missing_remote import way_out
from compiler.stages.files import read_text
from compiler.stages.load import load_text
from compiler.stages.validate import validate
from compiler.stores.interface import RemoteSecret
from compiler.stores.registry import PROVIDERS, provider_of
from compiler.stores.secret_value import JsonKind, SecretValue, object_members, write_object
from compiler.text.command_line import command_line
from compiler.text.wording import quoted, suggest


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """One key that the cluster will read from `store`.

    `remote_key` and `property` are those of ESO's `remoteRef`; a property of None means the whole value. `by_name`
    marks a key that a template takes from `dataFrom.extract`. `key_at` is the key's line, `secret_at` the secret's.
    `environment` is None where a values file asks; `is_elsewhere` tells that `store` is not the secret's own.
    `holder` is the secret that has the value where it is taken from another one's key. `source` is the id of the store
    that a copy could come from, None where there is none, or several.
    """

    secret: str
    key: str
    store: Store
    remote_key: str
    property: str | None
    by_name: bool
    key_at: Span
    secret_at: Span
    environment: str | None = None
    is_elsewhere: bool = False
    holder: str | None = None
    source: str | None = None


def references_of(
    environment: Environment, secrets: Sequence[str] = (), store: Store | None = None
) -> tuple[tuple[Reference, ...], tuple[Diagnostic, ...]]:
    """The references of `secrets`, or of all, to their own stores or to `store`.

    A diagnostic `missing-remote` for each key that the catalogue gives no place in that store's provider.
    """
    found: list[Reference] = []
    diagnostics: list[Diagnostic] = []
    for secret in environment.secrets.values():
        if secrets and secret.id not in secrets:
            continue
        chosen = store if store is not None else secret.store
        if chosen is None:
            continue
        source = _source(environment, secret, chosen)
        for item in _keys(environment, secret, store):
            if item.place is None:
                diagnostics.append(_no_place(secret, item, chosen))
                continue
            place = item.place
            found.append(
                Reference(
                    secret.id,
                    item.key.name,
                    chosen,
                    place.remote_key,
                    place.property,
                    secret.fetch == BUNDLE,
                    item.key.node.key_span,
                    secret.node.key_span,
                    environment.name,
                    is_elsewhere=chosen is not secret.store,
                    holder=item.key.origin.entry.id if item.key.origin is not None else None,
                    source=source,
                )
            )
    return tuple(found), tuple(diagnostics)


def _source(environment: Environment, secret: Secret, store: Store) -> str | None:
    """The store that the secret reads, where that is another one than `store`; else the only other one."""
    if secret.store is not None and secret.store.id != store.id:
        return secret.store.id
    others = [other for other in environment.stores if other != store.id]
    return others[0] if len(others) == 1 else None


def _keys(environment: Environment, secret: Secret, store: Store | None) -> Iterator[SecretKey]:
    if store is None:
        yield from secret.keys
        return
    secrets = environment.root.get("secrets")
    for item in secret.keys:
        yield SecretKey(item.key, place_in(store, secret.entry, item.key, secrets))


def _no_place(secret: Secret, item: SecretKey, store: Store) -> Diagnostic:
    message = f'"{item.key.name}" of "{secret.id}" has no place in the store "{store.id}"'
    help_text = way_out(item.key.holder(secret.entry), store.provider)
    return Diagnostic("missing-remote", Severity.ERROR, message, item.key.node.key_span, help=help_text)


SECRETS = "externalSecrets"
_STORE_KINDS = {"ClusterSecretStore": "clusterSecretStores", "SecretStore": "secretStores"}


def secrets_of_values(document: Document) -> tuple[str, ...]:
    """The ids of the secrets that the values file has."""
    return tuple(document.root.nearest(SECRETS).children) if document.root.get(SECRETS) is not None else ()


def references_of_values(
    document: Document, environ: Mapping[str, str], secrets: Sequence[str] = ()
) -> tuple[Reference, ...]:
    """The references of `secrets`, or of all, in a values file.

    A store that the file renders tells its own provider and address. The provider of any other follows from its name,
    or from which of the variables of their addresses is set. Raises Refusal where neither tells.
    """
    stores: dict[tuple[str, str], Store] = {}
    found: list[Reference] = []
    for secret_id in secrets_of_values(document):
        node = document.root.nearest(SECRETS, secret_id)
        if secrets and secret_id not in secrets:
            continue
        chosen = node.text("storeRef", "kind") or "", node.text("storeRef", "name") or ""
        if chosen not in stores:
            stores[chosen] = _store(*chosen, node.nearest("storeRef"), document.root, environ)
        found += _references(secret_id, node, stores[chosen])
    return tuple(found)


def _references(secret_id: str, node: Node, store: Store) -> Iterator[Reference]:
    by_name = node.text("fetch") == BUNDLE
    remote = node.text("remoteKey") or ""
    for item in node.nearest("keys").items:
        if isinstance(item.value, str):
            yield Reference(secret_id, item.value, store, remote, item.value, by_name, item.span, node.key_span)
    data = node.get("data")
    for key, place in (data.children if data is not None else {}).items():
        yield Reference(
            secret_id,
            key,
            store,
            place.text("key") or "",
            place.text("property"),
            by_name=False,
            key_at=place.key_span,
            secret_at=node.key_span,
        )


def _store(kind: str, name: str, node: Node, root: Node, environ: Mapping[str, str]) -> Store:
    rendered = _rendered(kind, name, root)
    provider = provider_of(next(iter(rendered.nearest("provider").children))) if rendered else _guess(name, environ)
    settings = rendered.nearest("provider", provider.id) if rendered else None
    written = provider.read_spec(cast("dict[str, Any]", settings.plain_data())) if settings is not None else Spec(None)
    address = written.url
    if not address and (value := environ.get(provider.variable)):
        address = provider.url_of(value, settings.text if settings is not None else lambda _: None)
    return Store(
        id=name,
        provider=provider,
        name=name,
        kind=kind,
        # The names in a values file have their prefix already.
        prefix="",
        address=address or None,
        mount=(written.mount or DEFAULT_MOUNT) if provider.has_mounts else "",
        vault_namespace=written.namespace,
        rendered=rendered is not None,
        node=node,
    )


def _rendered(kind: str, name: str, root: Node) -> Node | None:
    stores = root.get(_STORE_KINDS.get(kind, ""))
    for store in stores.children.values() if stores is not None else ():
        if store.text("name") == name and any(store.get("provider", each) for each in PROVIDERS):
            return store
    return None


def _guess(name: str, environ: Mapping[str, str]) -> Provider:
    # The platform's stores have always had these names.
    if known := [each for each in PROVIDERS.values() if each.store_name == name]:
        return known[0]
    given = [each for each in PROVIDERS.values() if environ.get(each.address_variable(environ) or each.variable)]
    if len(given) == 1:
        return given[0]
    # VAULT_ADDR is named, whatever OpenBao's set has.
    names = filter(None, (each.address_variable({}) or each.variable for each in PROVIDERS.values()))
    message = f"the provider of the store {quoted(name)} is unknown"
    raise Refusal("usage", message, f"set either {' or '.join(names)}")


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """The references of `subject`, an environment or a file; None where it cannot be used, as `diagnostics` say."""

    subject: str
    references: tuple[Reference, ...] | None
    diagnostics: tuple[Diagnostic, ...] = ()


def collect_references(
    environment: Environment, secrets: Sequence[str] = (), store: str | None = None, others: Container[str] = ()
) -> ReferenceSet:
    """The references of `secrets`, or of all, to their own stores or to the store that `store` names.

    Raises Refusal for a secret or a store that the environment does not have; `others` are names of environments, of
    which one may be meant.
    """
    for name in secrets:
        if name in others and name not in {*environment.secrets, *environment.disabled}:
            its = [each for each in secrets if each in environment.secrets or each not in others]
            raise _another_environment(name, its, store)
        secret_named(environment, name)
    chosen = store_named(environment, store) if store is not None else None
    references, diagnostics = references_of(environment, secrets, chosen)
    return ReferenceSet(environment.name, references, diagnostics)


def _another_environment(name: str, secrets: Sequence[str], store: str | None) -> Refusal:
    message = f"{quoted(name)} is an environment, and a run verifies one environment and secrets of it"
    line = command_line("verify", name, *secrets, *(["--store", store] if store is not None else ()))
    return Refusal("usage", message, f"for that one, run `{line}`")


def collect_references_of_file(shown: str, secrets: Sequence[str], environ: Mapping[str, str]) -> ReferenceSet:
    """The references of `secrets`, or of all, in the values file `shown`.

    Raises Refusal for a secret that it does not have, for a file of another kind, and where neither the file nor
    `environ` tells a store's provider.
    """
    document, diagnostics = _loaded(shown)
    if document is None:
        return ReferenceSet(shown, None, diagnostics)
    known = secrets_of_values(document)
    for name in secrets:
        if name not in known:
            closer = suggest(name, known, "secrets")
            way_out = "with --values, name secrets only, no environment"
            raise Refusal(
                "usage", f"{quoted(shown)} has no secret {quoted(name)}", f"{way_out}; {closer}" if closer else way_out
            )
    return ReferenceSet(shown, references_of_values(document, environ, secrets))


def _loaded(shown: str) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    path = Path(shown)
    text, unreadable = read_text(path.parent, path.name)
    if text is None:
        return None, tuple(_shown_as(shown, each) for each in unreadable)
    document, diagnostics = load_text(shown, text, is_output=True)
    if document is None:
        return None, diagnostics
    name = subchart_of({key: tuple(child.children) for key, child in document.root.children.items()})
    if name is not None:
        document = replace(document, root=document.root.children[name])
    if document.root.get(SECRETS) is None:
        # Not "nothing to check, so all is OK": most often it is the wrong file.
        message = f'{quoted(shown)} has no "{SECRETS}"'
        raise Refusal("usage", message, "name a compiled values file, chart/values-<env>.yaml")
    document, diagnostics = validate(document, "values")
    return (None, diagnostics) if diagnostics else (document, ())


def _shown_as(path: str, diagnostic: Diagnostic) -> Diagnostic:
    span = diagnostic.span
    return diagnostic._replace(span=span._replace(source=replace(span.source, path=path)))


# Names of these characters mean the same to gjson and to a look-up by name.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
# Names with dots between them. A backslash takes the next character as it is; other signs are syntax to gjson.
_NAME = r"(?:[^\\.|*?#@!{\[]|\\.)+"
_NAMES, _PATH = re.compile(_NAME, re.DOTALL), re.compile(rf"{_NAME}(?:\.{_NAME})*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
# Of the name of a Secret's key, in bytes.
_LONGEST = 253


class Absence(Enum):
    """Why there is no value although the remote secret was read."""

    NO_PROPERTY = "no-property"
    NOT_JSON = "not-json"


class UnextractedError(Exception):
    """The operator refuses to make a bundle of the remote secret, whichever keys are wanted. The text says why."""


def resolve(
    provider: Provider, remote: RemoteSecret, wanted: str | None, *, by_name: bool = False
) -> SecretValue | Absence:
    """The value that the operator writes for the property `wanted`; None means the whole value.

    `by_name` is how a template finds it in what is `extracted`: by the property's name only. The operator looks a
    path up with gjson: after a look-up by name, or before one that takes dots as part of a name.
    Raises UnprovenReferenceError.
    """
    if wanted is None:
        return remote.whole if remote.whole is not None else _whole_document(provider, remote)
    if not remote.is_object:
        return Absence.NOT_JSON
    named = remote.properties.get(wanted)
    if by_name or _PLAIN.fullmatch(wanted) or (provider.by_name_first and named is not None):
        return named if named is not None else Absence.NO_PROPERTY
    found = _find(remote.properties, wanted)
    if found is None and not provider.by_name_first and "." in wanted:
        # The operator's second try: every dot is part of a name.
        found = _find(remote.properties, wanted.replace(".", "\\."))
    return found if found is not None else Absence.NO_PROPERTY


def _find(properties: Mapping[str, SecretValue], path: str) -> SecretValue | None:
    """The value at a path of names; a null is a value too. Raises UnprovenReferenceError for any other gjson."""
    if not _PATH.fullmatch(path):
        raise UnprovenReferenceError("its property uses gjson syntax that this program does not evaluate")
    *above, last = (_ESCAPED.sub(r"\1", name) for name in _NAMES.findall(path))
    members = properties
    for name in above:
        found = members.get(name)
        if found is None:
            return None
        if found.kind is JsonKind.ARRAY:
            raise UnprovenReferenceError("its property leads into a list, which this program does not evaluate")
        members = object_members(found)
    return members.get(last)


def extracted(remote: RemoteSecret) -> RemoteSecret:
    """What `dataFrom.extract` makes of it: in a property's name, what no Secret's key can have becomes `_`.

    Raises UnextractedError where the operator then refuses all of it, whichever keys are wanted.
    """
    found: dict[str, SecretValue] = {}
    names: dict[str, str] = {}
    for name, value in remote.properties.items():
        key = "".join(each if each in "-._" or unicodedata.category(each)[0] in "LN" else "_" for each in name)
        if key in found:
            raise UnextractedError(f"its properties {quoted(names[key])} and {quoted(name)} become one key")
        if len(key.encode()) > _LONGEST:
            raise UnextractedError(f"the name of a property is longer than {_LONGEST} bytes")
        found[key], names[key] = value, name
    return replace(remote, properties=found)


def _whole_document(provider: Provider, remote: RemoteSecret) -> SecretValue:
    # What the operator serialises again has sorted names.
    ordered = sorted(remote.properties) if provider.sorts_names else list(remote.properties)
    return SecretValue(write_object({name: remote.properties[name] for name in ordered}), JsonKind.OBJECT)
