"""Makes the files of a new project, a store's log-in or the chart, and refuses to overwrite existing ones."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compiler.edit.scaffold import NAME, Draft, address_scalar, environment_text, given, judged, schema_line
from compiler.edit.yaml_edit import Splice, content_end, is_flow, lines_after, scalar, second_reading
from compiler.model.address import DEFAULT_MOUNT
from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT
from compiler.model.document import Document, Node, Source, Span
from compiler.model.environment import PATTERNS
from compiler.model.facts import ASKS_FIRST, SYNC_OPTIONS
from compiler.packaged import chart_files
from compiler.pipeline import VALUES_FOLDER, Result, compile_project
from compiler.project_files import BASE, CATALOGUE, FOLDER, Library
from compiler.refusal import Refusal, system_reason
from compiler.stages.emit import quote
from compiler.stages.files import Output, refuse_outside, write_all
from compiler.stages.load import load_text
from compiler.stages.resolve import merge
from compiler.stages.validate import read_schema
from compiler.text.command_line import command_line, shell_line
from compiler.text.wording import listed, quoted, suggest

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


# The id that a new project gives to the store of each provider.
STORES = {VAULT: "vault", AZURE_KEY_VAULT: "azure"}
# Of the AppProject: the platform's own Applications have its bare name.
_SUFFIX = "-secrets"
_LONGEST = 63 - len(_SUFFIX)
# Where Vault's own chart puts it, in a namespace of its name.
_USUAL_SERVER = "http://vault.vault.svc.cluster.local:8200"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a new project is told: its name, the namespace, the provider that serves secrets, and where stores are."""

    name: str
    namespace: str
    provider: str = VAULT
    server: str | None = None
    vault_url: str | None = None


def project_files(platform: Platform) -> dict[str, str]:
    """All of them by path. The chart and the schemas are those that this program compiles for."""
    base = _BASE.format(
        name=scalar(platform.name),
        namespace=scalar(platform.namespace),
        argocd_project=scalar(f"{platform.name[:_LONGEST].rstrip('-')}{_SUFFIX}"),
        sync_options=SYNC_OPTIONS,
        asks_first=ASKS_FIRST,
        store=STORES[platform.provider],
        server=address_scalar(platform.server or _USUAL_SERVER),
        mount=DEFAULT_MOUNT,
        vault_url=f"    vaultUrl: {address_scalar(platform.vault_url)}\n" if platform.vault_url else "",
    )
    patterns = "\n".join(f"  {member}: {quote(pattern)}" for member, pattern in PATTERNS.items())
    files = {
        "environments/base.yaml": f"{schema_line('environment')}\n{base}",
        "environments/dev.yaml": environment_text("dev", ()),
        "environments/catalogue.yaml": (
            f"{schema_line('catalogue')}\n{_CATALOGUE.format(name=scalar(platform.name), patterns=patterns)}"
        ),
        **chart_files(),
        "README.md": _README.format(name=platform.name),
        "Makefile": _MAKEFILE,
        IGNORE_FILE: _IGNORED,
        ".vscode/settings.json": _json(_EDITOR),
    }
    for name in ("environment", "catalogue", "values"):
        files[f"schemas/{name}.schema.json"] = _json(read_schema(name))
    return files


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


_EDITOR = {
    "yaml.schemas": {
        "./schemas/environment.schema.json": [
            "environments/*.yaml",
            "environments/layers/*.yaml",
            "!environments/catalogue.yaml",
        ],
        "./schemas/catalogue.schema.json": "environments/catalogue.yaml",
        "./schemas/values.schema.json": "chart/values-*.yaml",
    },
    "yaml.validate": True,
}
_BASE = """# What every environment shares. An environment says only what differs.
namespace: {namespace}
partOf: {name}
argocdProject: {argocd_project}
store: {store}
refreshInterval: 1h
fetch: perKey
externalSecretsOperator: "2.9"
# Argo CD deletes no ExternalSecret, and with it no Secret that pods mount, before a person confirms.
annotations:
  {sync_options}: {asks_first}
stores:
  vault:
    provider: vault
    name: vault-secret-store
    server: {server}
    mount: {mount}
  azure:
    provider: azurekv
    name: azure-keyvault-store
{vault_url}secrets: {{}}
"""
_CATALOGUE = """# Every secret that exists. Names are a contract with what stores and clusters already hold.
# How `platform-secrets new secret` names what it is not told; a change here renames nothing.
naming:
  name: {name}
{patterns}
"""
_README = """# Secrets of {name}

People write `environments/`; `platform-secrets` validates it and writes `chart/values-<env>.yaml`, which is reviewed
and committed. Helm or Argo CD renders `chart/` with it into ExternalSecrets.

| command | does |
|---|---|
| `platform-secrets new secret NAME --key KEY --into base` | adds a secret to the catalogue, and to every environment |
| `platform-secrets new environment NAME` | adds an environment |
| `platform-secrets new store vault --auth kubernetes` | has the chart make the ClusterSecretStore |
| `make help` | lists the tasks |
| `make values`, `make values ENV=dev` | compiles every environment, or one |
| `make check` | fails where a values file is stale or the input has an error, for CI |
| `platform-secrets render dev` | prints the manifests, through the Helm on PATH |
| `platform-secrets put dev NAME` | sets the keys of a secret in the store that serves it, by hidden prompts |
| `platform-secrets verify dev` | checks that the live stores hold what the cluster will read |

For Argo CD, `platform-secrets generate argocd dev --form application --repo URL` writes a project and an Application.
"""
_MAKEFILE = """.DEFAULT_GOAL := help
.PHONY: help values check

help: ## List the tasks
\t@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\\n", $$1, $$2}'

values: ## Compile every environment, or one: make values ENV=dev
\t@platform-secrets compile $(ENV)

check: ## Fail where a values file is stale or the input has an error
\t@platform-secrets compile --check
"""
IGNORE_FILE = ".gitignore"
# What a repository's own .gitignore needs too.
IGNORED = ("/.platform-secrets/", "*audit*.jsonl", "*.age", ".*.platform-secrets-tmp")
_IGNORED = f"""# Journals of the commands that write to stores: no values, but nobody else's business.
{IGNORED[0]}
# What `--audit` writes, by the names that the guides use.
{IGNORED[1]}
# Backups: encrypted, and for no repository all the same.
{IGNORED[2]}
# What a run that was killed leaves beside the files that it writes; the next one removes it.
{IGNORED[3]}
"""


FORM = "use lower-case letters, digits and inner hyphens, at most 63"
# What a repository may have for itself, and what is the project's alone.
KEPT = ("README.md", "Makefile", IGNORE_FILE, ".vscode/settings.json")
_OWN_FOLDERS = (FOLDER, VALUES_FOLDER)
# What an option gives a store, by its provider: the option, and the store's key.
_ADDRESSES = {VAULT: ("--server", "server"), AZURE_KEY_VAULT: ("--vault-url", "vaultUrl")}


def checked_name(kind: str, name: str | None) -> str:
    """The name of a new `kind`. Raises Refusal where there is none, or one that no file and no entry can have."""
    if name is None:
        raise Refusal("usage", f"the new {kind} needs a name", FORM)
    if not NAME.fullmatch(name):
        raise Refusal("usage", f"the {kind}'s name is invalid", FORM)
    return name


def name_of_folder(folder: Path) -> str:
    """The name of a platform whose project lies in `folder`. Raises Refusal where the folder's name has no letter."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.absolute().name.lower())[:63].strip("-")
    if not name:
        raise Refusal("usage", "the folder's name is not valid for a platform", f"give --name; {FORM}")
    return name


def known_layers(root: Path) -> tuple[str, ...]:
    """Every name that `extends:` may have: base, the layers and the environments."""
    library = Library(root)
    return (BASE, *sorted(library.layer_names), *library.names)


def new_project(folder: Path, platform: Platform) -> tuple[list[Output], Result]:
    """The files of a project in `folder`, which is made, and what compiling them would find.

    In a Git repository it may have other files, of which `KEPT` stay as they are. Raises Refusal for other folders that
    are not empty, and where there is a project already.
    """
    files = project_files(platform)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = all(entry.name.startswith(".git") for entry in folder.iterdir())
        there = {path for path in (*files, *_OWN_FOLDERS) if os.path.lexists(folder / path)}
    except OSError as error:
        raise Refusal("cannot run", f"the folder cannot be used: {system_reason(error)}") from None
    if not is_empty and not any((each / ".git").exists() for each in (folder.resolve(), *folder.resolve().parents)):
        way_out = f"name another one, or make it a repository first: `{shell_line('git', 'init')}`"
        raise Refusal("usage", "the folder of a new project must be empty, or in a Git repository", way_out)
    for path in (*_OWN_FOLDERS, *files):
        if path in there and path not in KEPT:
            raise Refusal("usage", f"{path} already exists", f"name another folder, or move {path} away first")
    origins = {
        ("namespace",): given("--namespace", platform.namespace),
        ("stores", "vault", "server"): given("--server", platform.server or ""),
        ("stores", "azure", "vaultUrl"): given("--vault-url", platform.vault_url or ""),
    }
    inputs = {path: text for path, text in files.items() if path.startswith(f"{FOLDER}/")}
    result = judged(folder, [_draft(path, text, origins) for path, text in inputs.items()])
    return [Output(folder / path, path, text) for path, text in files.items() if path not in there], result


def new_chart(root: Path) -> list[Output]:
    """The chart's files for the project in `root`. Raises Refusal where one is there."""
    outputs = [Output(root / path, path, text) for path, text in chart_files().items()]
    for output in outputs:
        if output.path.exists() or output.path.is_symlink():
            raise Refusal("usage", f"{output.shown} already exists", "move it away first to add the chart again")
    return outputs


@dataclass(frozen=True, slots=True)
class NewEnvironment:
    """The file, the findings about the given options, and the address key that its store still lacks, if any."""

    output: Output
    result: Result
    lacks: str | None


def new_environment(
    root: Path, name: str, extends: Sequence[str], store: str | None = None, addresses: Mapping[str, str] | None = None
) -> NewEnvironment:
    """The environment `name`, to be written.

    `store` is the id of the store that serves it, and `addresses` where a store is reached, by its provider. Raises
    Refusal for a name that is taken, and for a layer or store that there is not.
    """
    if name in (BASE, CATALOGUE):
        message = f'"{name}" is a reserved name'
        raise Refusal("usage", message, f"{FOLDER}/{name}.yaml is shared by all environments")
    known = known_layers(root)
    for layer in extends:
        if layer not in known:
            raise Refusal("usage", f"there is no layer {quoted(layer)}", suggest(layer, known, "layers"))
    shown = f"{FOLDER}/{name}.yaml"
    if (root / shown).exists() or (root / shown).is_symlink():
        raise Refusal("usage", f"{shown} already exists", "choose another name, or edit the file")
    placed: dict[str, tuple[str, str]] = {}
    lacks = None
    if store is not None or addresses:
        below = _below(root, shown, environment_text(name, extends))
        listed_stores = below.get("stores")
        stores = listed_stores.children if listed_stores is not None else {}
        if store is not None and store not in stores:
            raise Refusal("usage", f"there is no store {quoted(store)}", suggest(store, stores, "stores"))
        placed = _placed(addresses or {}, store, stores)
        lacks = _lacking(stores[store]) if store is not None and store not in placed else None
        store = None if store == below.text("store") else store
    text = environment_text(name, extends, store, placed)
    options = {key: option for option, key in _ADDRESSES.values()}
    origins: dict[tuple[str, ...], Span] = {
        ("stores", store_id, key): given(options[key], address) for store_id, (key, address) in placed.items()
    }
    result = judged(root, [_draft(shown, text, origins)])
    # What else it lacks is to be written into it, and `compile` tells with the line.
    said = tuple(each for each in result.diagnostics if each.span in origins.values())
    return NewEnvironment(Output(root / shown, shown, text), replace(result, diagnostics=said), lacks)


def _below(root: Path, shown: str, text: str) -> Node:
    """What the new environment has from its layers."""
    library = Library(root, {shown: text})
    layers = library.layers(shown.removeprefix(f"{FOLDER}/").removesuffix(".yaml"))
    if not layers:
        raise Refusal("found", "the layers of the environment have errors", f"`{command_line('compile')}` says which")
    return merge(layers)[0]


def _placed(addresses: Mapping[str, str], store: str | None, stores: Mapping[str, Node]) -> dict[str, tuple[str, str]]:
    """For each store that gets one of the `addresses`, its key and the address.

    What a layer below says already is left out: it would be an override that changes nothing.
    """
    providers = {store_id: node.text("provider") or "" for store_id, node in stores.items()}
    found = {_addressed(each, store, providers): (_ADDRESSES[each][1], url) for each, url in addresses.items()}
    return {store_id: (key, url) for store_id, (key, url) in found.items() if stores[store_id].text(key) != url}


def _lacking(store: Node) -> str | None:
    """The key of the address that the store has nowhere."""
    _, key = _ADDRESSES.get(store.text("provider") or "", ("", ""))
    return key if key and store.get(key) is None else None


def _addressed(provider: str, store: str | None, providers: Mapping[str, str]) -> str:
    """The id of the store that an address is for: the chosen one, else the only one of the provider."""
    option, key = _ADDRESSES[provider]
    of_provider = [store_id for store_id, each in providers.items() if each == provider]
    if store in of_provider:
        return store or ""
    if len(of_provider) == 1:
        return of_provider[0]
    if not of_provider:
        message = f"{option} is for a store with `provider: {provider}`, and the environment has none"
        raise Refusal("usage", message, f"add one to `stores` of {FOLDER}/{BASE}.yaml")
    message = f"{option} may be for {listed(of_provider)}"
    raise Refusal("usage", message, f"choose one with --store, or write its `{key}` into the file")


def _draft(path: str, text: str, origins: Mapping[tuple[str, ...], Span]) -> Draft:
    """A file that is not there yet."""
    source = Source(path)
    return Draft(source, (Splice(0, 0, text),), {(): Span(source), **origins})


def write_new(outputs: Sequence[Output], root: Path) -> None:
    """Writes all of them or none, and none where a link leads one out of the project `root`. Raises Refusal."""
    try:
        for output in outputs:
            # Before the folder is made: that would be outside already.
            if found := refuse_outside(output.path.parent, output.shown, root):
                raise Refusal("cannot run", found[0].message, "replace the link with a folder")
            output.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal("cannot run", f"a folder cannot be created: {system_reason(error)}") from None
    failures = write_all(outputs, root)
    if failures:
        raise Refusal("cannot run", failures[0].message, failures[0].help if outputs[0].replaces is not None else None)
