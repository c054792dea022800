"""Has the chart make a store's object: writes `render: true` and a log-in into a store of a layer, or a new store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.model.address import DEFAULT_MOUNT
from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT
from compiler.operations.edit.draft import Draft, given, judged
from compiler.operations.edit.scaffold import address_scalar
from compiler.operations.edit.scalar import scalar
from compiler.operations.edit.second_reading import second_reading
from compiler.operations.edit.splice import Splice, lines_after
from compiler.operations.edit.start import known_layers
from compiler.operations.edit.text_lines import content_end, is_flow
from compiler.pipeline import compile_project
from compiler.project_files import Library
from compiler.refusal import Refusal
from compiler.stages.load import load_text
from compiler.stages.merge import merge
from compiler.stages.write import Output
from compiler.text.command_line import command_line
from compiler.text.suggestion import suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from compiler.model.document import Document, Node
    from compiler.model.source import Span
    from compiler.pipeline import Result

# Where the operator's own chart runs it, and the ServiceAccount that it runs as.
_OPERATOR = "external-secrets"
_HAVE_ROLES = ("kubernetes", "jwt", "appRole")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says of a store. `into` is the layer or environment that it is written into.

    `provider` may be None for a store that is there, `name` is that of its object in the cluster, and `role` the role
    of Vault, or the role id of an AppRole.
    """

    id: str
    auth: str
    into: str
    provider: str | None = None
    name: str | None = None
    addresses: Mapping[str, str] | None = None
    role: str | None = None
    tenant: str | None = None


def new_store(root: Path, wanted: Wanted) -> tuple[Output, Result]:
    """The file with the store in it, and what compiling would find then.

    Raises Refusal for a log-in or a layer that there is not, a store that has a log-in, and a form without a place.
    """
    known = known_layers(root)
    if wanted.into not in known:
        message = f"there is no environment or layer {quoted(wanted.into)}"
        raise Refusal("usage", message, suggest(wanted.into, known, "files that may hold it"))
    library = Library(root)
    document, layers = library.layer(wanted.into), library.layers(wanted.into)
    if document is None or document.damaged or not layers:
        raise Refusal("found", "the input has errors", f"`{command_line('compile')}` says which; nothing was written")
    merged = merge(layers)[0]
    lines = _lines(wanted, merged.get("stores", wanted.id), merged, _namespaces(root, wanted, merged))
    splices = (_splice(document, wanted.id, lines),)
    draft = Draft(document.source, splices, {(): given("ID", wanted.id), **_origins(wanted)})
    _refuse_unproven(document, draft.text, wanted.id, lines)
    shown = document.source.path
    output = Output((root / shown).resolve(), shown, draft.text, replaces=document.source.text)
    return output, judged(root, [draft])


def _provider(wanted: Wanted, store: Node | None, merged: Node) -> str:
    """The provider of the store. Raises Refusal for one that is not there, and for a log-in that it cannot have."""
    provider = store.text("provider") if store is not None else wanted.provider
    if provider is None:
        stores = merged.get("stores")
        way_out = suggest(wanted.id, stores.children if stores is not None else {}, "stores")
        raise Refusal("usage", f"there is no store {quoted(wanted.id)}", f"{way_out}; for a new one give --provider")
    if provider not in LOG_INS:
        message = f"{quoted(provider)} is not a provider of stores"
        raise Refusal("usage", message, suggest(provider, LOG_INS, "providers"))
    if wanted.provider not in (None, provider):
        raise Refusal("usage", f"the provider of {quoted(wanted.id)} is {provider}", "leave --provider out")
    if wanted.auth not in LOG_INS[provider]:
        message = f"{quoted(wanted.auth)} is not a log-in of {provider}"
        raise Refusal("usage", message, suggest(wanted.auth, LOG_INS[provider], "log-ins"))
    if wanted.role is not None and wanted.auth not in _HAVE_ROLES:
        raise Refusal("usage", f"{wanted.auth} has no role", "leave --role out")
    return provider


def _lines(wanted: Wanted, store: Node | None, merged: Node, namespaces: list[str]) -> list[str]:
    """The members to write, of a store that the layers have, or of a new one."""
    provider = _provider(wanted, store, merged)
    if store is not None and (store.get("auth") is not None or store.get("render") is not None):
        raise Refusal("usage", f"the store {quoted(wanted.id)} has `auth` or `render` already", "edit it there")
    if wanted.auth == "servicePrincipal" and not (wanted.tenant or (store is not None and store.text("tenantId"))):
        raise Refusal("usage", "a service principal needs --tenant-id", "give the id of its tenant")
    is_own = store is not None and store.text("kind") == "SecretStore"
    lines = [] if store is not None else [f"provider: {provider}", f"name: {scalar(wanted.name or wanted.id)}"]
    if store is not None and wanted.name is not None:
        lines.append(f"name: {scalar(wanted.name)}")
    lines += [f"{key}: {address_scalar(address)}" for key, address in (wanted.addresses or {}).items()]
    if store is None and provider == VAULT:
        lines.append(f"mount: {DEFAULT_MOUNT}")
    if wanted.tenant is not None:
        lines.append(f"tenantId: {scalar(wanted.tenant)}")
    lines.append("render: true")
    if not is_own:
        lines.append(f"conditions: {{namespaces: [{', '.join(map(scalar, namespaces))}]}}")
    log_in = [
        f"    {line}" for line in LOG_INS[provider][wanted.auth](wanted, "" if is_own else f", namespace: {_OPERATOR}")
    ]
    return [*lines, "auth:", f"  {wanted.auth}:{'' if log_in else ' {}'}", *log_in]


def _role(wanted: Wanted, place: str) -> list[str]:
    return [f"role: {scalar(wanted.role or _OPERATOR)}", _account(place, ", audiences: [vault]")]


def _account(place: str, more: str = "") -> str:
    return f"serviceAccount: {{name: {_OPERATOR}{place}{more}}}"


def _secret(wanted: Wanted, place: str, part: str, key: str) -> str:
    return f"{part}: {{name: {scalar(f'{wanted.id}-log-in')}, key: {key}{place}}}"


def _app_role(wanted: Wanted, place: str) -> list[str]:
    if wanted.role is None:
        raise Refusal("usage", "an AppRole needs --role", "give its role id, which is no credential")
    return [f"roleId: {scalar(wanted.role)}", _secret(wanted, place, "secretId", "secret-id")]


def _token(wanted: Wanted, place: str) -> list[str]:
    return [f"name: {scalar(f'{wanted.id}-log-in')}", "key: token", *([place.removeprefix(", ")] if place else [])]


def _principal(wanted: Wanted, place: str) -> list[str]:
    parts = {"clientId": "client-id", "clientSecret": "client-secret"}
    return [_secret(wanted, place, part, key) for part, key in parts.items()]


# The members of each log-in of a provider; `place` is the namespace of what they refer to.
LOG_INS: Mapping[str, Mapping[str, Callable[[Wanted, str], list[str]]]] = {
    VAULT: {"kubernetes": _role, "jwt": _role, "appRole": _app_role, "token": _token},
    AZURE_KEY_VAULT: {
        "workloadIdentity": lambda _, place: [_account(place)],
        "managedIdentity": lambda _, __: [],
        "servicePrincipal": _principal,
    },
}


def _namespaces(root: Path, wanted: Wanted, merged: Node) -> list[str]:
    """Those of the layer, and of each secret that reads the store in an environment as it is now."""
    project = compile_project(root).project
    environments = project.environments if project is not None else ()
    read = [
        secret.namespace
        for environment in environments
        if wanted.into in {layer.source.path.rpartition("/")[2].removesuffix(".yaml") for layer in environment.layers}
        for secret in environment.secrets.values()
        if secret.store is not None and secret.store.id == wanted.id
    ]
    return list(dict.fromkeys(name for name in (merged.text("namespace"), *read) if name is not None))


def _splice(document: Document, store: str, lines: list[str]) -> Splice:
    """The edit that adds `lines` to the store, or a store of them to the file, every other byte kept."""
    text, stores, here = document.source.text, document.root.get("stores"), document.root.get("stores", store)
    holder = here if here is not None else stores
    if is_flow(document.root) or (holder is not None and (not holder.children or is_flow(holder))):
        raise Refusal("usage", f"`stores` in {document.source.path} is not written as a block", "add the store by hand")
    if holder is None:
        return lines_after(text, len(text), ["stores:", f"  {scalar(store)}:", *(f"    {line}" for line in lines)])
    indent = " " * (next(iter(holder.children.values())).key_span.column - 1)
    added = lines if here is not None else [f"{scalar(store)}:", *(f"  {line}" for line in lines)]
    return lines_after(text, content_end(holder), [f"{indent}{line}" for line in added])


def _refuse_unproven(document: Document, text: str, store: str, lines: list[str]) -> None:
    """Raises Refusal where one of two YAML parsers reads more or less than the store with `lines`."""
    for read in (_first_reading, second_reading):
        before, after, members = read(document.source.text) or {}, read(text), read("\n".join(lines) + "\n")
        if isinstance(before, dict) and isinstance(members, dict):
            stores = before.get("stores") or {}
            if after == {**before, "stores": {**stores, store: {**(stores.get(store) or {}), **members}}}:
                continue
        message = f"{document.source.path} has a form that no store can be added to"
        raise Refusal("usage", message, "add it by hand")


def _first_reading(text: str) -> object:
    document, _ = load_text("", text)
    return document.root.plain_data() if document is not None else None


def _origins(wanted: Wanted) -> dict[tuple[str, ...], Span]:
    at = ("stores", wanted.id)
    options = {"name": "--name", "server": "--server", "vaultUrl": "--vault-url", "tenantId": "--tenant-id"}
    said = {"name": wanted.name, "tenantId": wanted.tenant, **(wanted.addresses or {})}
    found: dict[tuple[str, ...], Span] = {(*at, "auth"): given("--auth", wanted.auth)}
    return found | {(*at, key): given(options[key], value) for key, value in said.items() if value is not None}
