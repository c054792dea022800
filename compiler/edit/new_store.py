"""Has the chart make a store's object: writes `render: true` and a log-in to a store of a layer or a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.edit.draft import Draft, compile_drafts, option_span, refuse_unknown_layer
from compiler.edit.new_project import address_scalar, known_provider
from compiler.edit.yaml_edit import add_members
from compiler.model.address import DEFAULT_MOUNT
from compiler.model.document import Node, Span
from compiler.model.facts import ValuesData
from compiler.model.provider import OPERATOR, LogIn, Provider
from compiler.pipeline import Result, compile_project
from compiler.project_files import Library
from compiler.refusal import Refusal
from compiler.stages.emit import scalar
from compiler.stages.files import Output
from compiler.stages.resolve import merge
from compiler.stores.registry import PROVIDERS
from compiler.text.command_line import command_line
from compiler.text.wording import quoted, suggest


@dataclass(frozen=True, slots=True)
class StoreRequest:
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


def new_store(root: Path, request: StoreRequest) -> tuple[Output, Result]:
    """The file with the store in it, and what compiling would find then.

    Raises Refusal for a log-in or a layer that there is not, a store that has a log-in, and a form without a place.
    """
    refuse_unknown_layer(root, request.into, "files that may hold it")
    library = Library(root)
    document, layers = library.layer(request.into), library.layers(request.into)
    if document is None or document.damaged or not layers:
        raise Refusal("found", "the input has errors", f"`{command_line('compile')}` says which; nothing was written")
    merged = merge(layers)[0]
    lines = _lines(request, merged.get("stores", request.id), merged, _namespaces(root, request, merged))
    splices = add_members(document, ("stores", request.id), lines, "store")
    draft = Draft(document.source, splices, {(): option_span("ID", request.id), **_origins(request)})
    shown = document.source.path
    output = Output((root / shown).resolve(), shown, draft.text, replaces=document.source.text)
    return output, compile_drafts(root, [draft])


def _provider(request: StoreRequest, store: Node | None, merged: Node) -> tuple[Provider, LogIn]:
    """The provider of the store and its log-in. Raises Refusal for one that is not there, or that it cannot have."""
    provider = store.text("provider") if store is not None else request.provider
    if provider is None:
        stores = merged.get("stores")
        way_out = suggest(request.id, stores.children if stores is not None else {}, "stores")
        raise Refusal("usage", f"there is no store {quoted(request.id)}", f"{way_out}; for a new one give --provider")
    found = known_provider(provider)
    if request.provider not in (None, provider):
        raise Refusal("usage", f"the provider of {quoted(request.id)} is {provider}", "leave --provider out")
    log_in = found.log_ins.get(request.auth)
    if log_in is None:
        message = f"{quoted(request.auth)} is not a log-in of {provider}"
        raise Refusal("usage", message, suggest(request.auth, found.log_ins, "log-ins"))
    if request.role is not None and not log_in.has_role:
        raise Refusal("usage", f"{request.auth} has no role", "leave --role out")
    return found, log_in


def _lines(request: StoreRequest, store: Node | None, merged: Node, namespaces: list[str]) -> list[str]:
    """The members to write, of a store that the layers have, or of a new one."""
    provider, log_in = _provider(request, store, merged)
    if store is not None and (store.get("auth") is not None or store.get("render") is not None):
        raise Refusal("usage", f"the store {quoted(request.id)} has `auth` or `render` already", "edit it there")
    if "tenantId" in log_in.needs and not (request.tenant or (store is not None and store.text("tenantId"))):
        raise Refusal("usage", f"{log_in.title} needs --tenant-id", "give the id of its tenant")
    if log_in.needs_role and request.role is None:
        raise Refusal("usage", f"{log_in.title} needs --role", log_in.needs_role)
    is_own = store is not None and store.text("kind") == "SecretStore"
    lines = [] if store is not None else [f"provider: {provider.id}", f"name: {scalar(request.name or request.id)}"]
    if store is not None and request.name is not None:
        lines.append(f"name: {scalar(request.name)}")
    lines += [f"{key}: {address_scalar(address)}" for key, address in (request.addresses or {}).items()]
    if store is None and provider.has_mounts:
        lines.append(f"mount: {DEFAULT_MOUNT}")
    if request.tenant is not None:
        lines.append(f"tenantId: {scalar(request.tenant)}")
    lines.append("render: true")
    if not is_own:
        lines.append(f"conditions: {{namespaces: [{', '.join(map(scalar, namespaces))}]}}")
    members = log_in.members(request.id, request.role, None if is_own else OPERATOR)
    auth = [f"    {key}: {_flow(member)}" for key, member in members.items()]
    return [*lines, "auth:", f"  {request.auth}:{'' if auth else ' {}'}", *auth]


def _flow(data: ValuesData) -> str:
    """The data in one line of YAML."""
    if isinstance(data, dict):
        return f"{{{', '.join(f'{key}: {_flow(member)}' for key, member in data.items())}}}"
    return f"[{', '.join(map(_flow, data))}]" if isinstance(data, list) else scalar(str(data))


def _namespaces(root: Path, request: StoreRequest, merged: Node) -> list[str]:
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


def _origins(request: StoreRequest) -> dict[tuple[str, ...], Span]:
    at = ("stores", request.id)
    options = {
        "name": "--name",
        "tenantId": "--tenant-id",
        **{each.address: each.option for each in PROVIDERS.values()},
    }
    said = {"name": request.name, "tenantId": request.tenant, **(request.addresses or {})}
    found: dict[tuple[str, ...], Span] = {(*at, "auth"): option_span("--auth", request.auth)}
    return found | {(*at, key): option_span(options[key], value) for key, value in said.items() if value is not None}
