"""Makes the files of a new project, chart or environment, and refuses to overwrite existing ones."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.model.catalogue import AZURE_KEY_VAULT, VAULT
from compiler.model.source import Source, Span
from compiler.operations.chart.packaged import chart_files
from compiler.operations.edit.draft import Draft, given, judged
from compiler.operations.edit.new_project import IGNORE_FILE, project_files
from compiler.operations.edit.scaffold import NAME, environment_text
from compiler.operations.edit.splice import Splice
from compiler.pipeline import VALUES_FOLDER
from compiler.project_files import BASE, CATALOGUE, FOLDER, Library
from compiler.refusal import Refusal
from compiler.stages.merge import merge
from compiler.stages.write import Output, refuse_outside, write_all
from compiler.text.command_line import command_line, shell_line
from compiler.text.suggestion import suggest
from compiler.text.system_reason import system_reason
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from compiler.model.document import Node
    from compiler.operations.edit.new_project import Platform
    from compiler.pipeline import Result

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
