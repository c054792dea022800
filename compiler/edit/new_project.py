"""Makes the files of a new project or environment, compiles them before they are written, and overwrites none.

A finding in a file that does not exist yet points at the option, the naming pattern or the line that caused it.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from compiler.edit.chart import chart_files, schema_files
from compiler.edit.yaml_edit import Splice, Splices, apply_splices, in_braces, offset_before
from compiler.model.document import Node, Source, Span
from compiler.model.facts import ASKS_FIRST, SYNC_OPTIONS
from compiler.model.provider import Provider
from compiler.model.store import DEFAULT_MOUNT
from compiler.pipeline import VALUES_FOLDER, Result, compile_edited
from compiler.project_files import BASE, CATALOGUE, FOLDER, Library
from compiler.refusal import Refusal, system_reason
from compiler.stages.emit import quote_yaml, scalar
from compiler.stages.files import Output, refuse_outside, write_all
from compiler.stages.load import load_text
from compiler.stages.resolve import merge
from compiler.stores.registry import PATTERNS, PROVIDERS
from compiler.text.wording import PROGRAM, command_line, list_names, quote, shell_line, suggest

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
FORM = "use lower-case letters, digits and inner hyphens, at most 63"
IGNORE_FILE = ".gitignore"
# What a repository's own .gitignore needs too.
IGNORED = ("/.platform-secrets/", "*audit*.jsonl", "*.age", ".*.platform-secrets-tmp")
# What a repository may have for itself, and what is the project's alone.
KEPT = ("README.md", "Makefile", IGNORE_FILE, ".vscode/settings.json")
_OWN_FOLDERS = (FOLDER, VALUES_FOLDER)
# What an option gives a store, by its provider: the option, and the store's key.
_ADDRESSES = {each.id: (each.option, each.address) for each in PROVIDERS.values() if each.option}
# The AppProject's: the platform's own Applications have its bare name.
_SUFFIX = "-secrets"
_LONGEST = 63 - len(_SUFFIX)


@dataclass(frozen=True)
class Draft:
    """A file as it is to be written: `splices` of the text that is there, which is empty for a new file."""

    source: Source
    splices: Splices
    # Where the new text came from, by the path of its value in the file; `()` for all else.
    origins: Mapping[tuple[str, ...], Span]

    @cached_property
    def text(self) -> str:
        return apply_splices(self.source.text, self.splices)

    def output(self, root: Path) -> Output:
        """The file to write. A link inside the project stays a link: what it leads to is replaced."""
        shown = self.source.path
        return Output((root / shown).resolve(), shown, self.text, replaces=self.source.text)

    def place(self, span: Span) -> Span:
        """What people know of `span` of the new text."""
        start = offset_before(self.splices, span.start)
        if start is not None:
            end = offset_before(self.splices, span.end)
            return Span(self.source, start, start if end is None else max(start, end))
        path = self._path(span.start)
        return next(self.origins[path[:length]] for length in range(len(path), -1, -1) if path[:length] in self.origins)

    def _path(self, offset: int) -> tuple[str, ...]:
        """The keys that lead to what is written at `offset` of the new text."""
        document, _ = load_text(self.source.path, self.text)
        node = document.root if document is not None else None
        path: tuple[str, ...] = ()
        while node is not None:
            before = {name: child for name, child in node.children.items() if child.key_start <= offset}
            name = max(before, key=lambda name: before[name].key_start, default=None)
            node, path = (before[name], (*path, name)) if name is not None else (None, path)
        return path


def option_span(option: str, value: str) -> Span:
    """The place of what the command line says, as that of a value in a file."""
    return Span(Source(option, value), 0, len(value))


def compile_drafts(root: Path, drafts: Sequence[Draft]) -> Result:
    """What compiling the project in `root` would make of `drafts` written; of the diagnostics, those that are new."""
    drafted = {draft.source.path: draft for draft in drafts}
    _, after, new = compile_edited(root, {path: draft.text for path, draft in drafted.items()})

    def place(span: Span) -> Span:
        return drafted[span.path].place(span) if span.path in drafted else span

    return Result(
        after.project,
        tuple(
            each._replace(
                span=place(each.span),
                related=tuple(other._replace(span=place(other.span)) for other in each.related),
                conceals=tuple(map(place, each.conceals)),
            )
            for each in new
        ),
    )


def known_layers(root: Path) -> tuple[str, ...]:
    """Every name that `extends:` may have: base, the layers and the environments."""
    library = Library(root)
    return (BASE, *sorted(library.layer_names), *library.names)


def refuse_unknown_layer(root: Path, name: str, files: str) -> None:
    """Raises Refusal where no environment or layer has that `name`; it suggests one of the `files`."""
    if name not in (known := known_layers(root)):
        raise Refusal("usage", f"there is no environment or layer {quote(name)}", suggest(name, known, files))


def known_provider(name: str) -> Provider:
    """The provider of that id. Raises Refusal."""
    if name not in PROVIDERS:
        message = f"{quote(name)} is not a provider of stores"
        raise Refusal("usage", message, suggest(name, PROVIDERS, "providers"))
    return PROVIDERS[name]


def check_name(kind: str, name: str | None) -> str:
    """The name of a new `kind`. Raises Refusal where there is none, or one that no file and no entry can have."""
    if name is None:
        raise Refusal("usage", f"the new {kind} needs a name", f"write it after `new {kind}`: {FORM}")
    if not NAME.fullmatch(name):
        raise Refusal("usage", f"the {kind}'s name is invalid", FORM)
    return name


def name_of_folder(folder: Path) -> str:
    """The name of a platform whose project lies in `folder`. Raises Refusal where the folder's name has no letter."""
    name = re.sub(r"[^a-z0-9]+", "-", folder.absolute().name.lower())[:63].strip("-")
    if not name:
        raise Refusal("usage", "the folder's name is not valid for a platform", f"give --name; {FORM}")
    return name


def new_project(
    folder: Path, name: str, namespace: str, provider: str, addresses: Mapping[str, str]
) -> tuple[list[Output], Result]:
    """The files of a project in `folder`, which is made, and what compiling them would find.

    In a Git repository it may have other files, of which `KEPT` stay as they are. Raises Refusal for other folders that
    are not empty, for files in its environments/, and where there is a project already.
    """
    files = project_files(name, namespace, provider, addresses)
    _refuse_environments(folder.resolve())
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
    origins: dict[tuple[str, ...], Span] = {("namespace",): option_span("--namespace", namespace)}
    for each in PROVIDERS.values():
        origins["stores", each.store_id, each.address] = option_span(each.option, addresses.get(each.id, ""))
    inputs = {path: text for path, text in files.items() if path.startswith(f"{FOLDER}/")}
    result = compile_drafts(folder, [new_draft(path, text, origins) for path, text in inputs.items()])
    return [Output(folder / path, path, text) for path, text in files.items() if path not in there], result


def _refuse_environments(folder: Path) -> None:
    """Raises Refusal for the environments/ of a project, and a folder in it."""
    for above in (folder, *folder.parents):
        if above.name == FOLDER and any(os.path.lexists(above / f"{name}.yaml") for name in (BASE, CATALOGUE)):
            line = shell_line(PROGRAM, "--root", str(above.parent), "new", "environment", "NAME")
            message = f"{quote(str(above))} belongs to the project in the folder above it"
            raise Refusal("usage", message, f"name another folder; `{line}` makes one more environment there")


def new_environment(
    root: Path, name: str, extends: Sequence[str], store: str | None = None, addresses: Mapping[str, str] | None = None
) -> tuple[Output, Result, str | None]:
    """The environment's file, the findings about the options, and the address key that its store lacks.

    Raises Refusal for a name that is taken, and for a layer or store that does not exist.
    """
    if name in (BASE, CATALOGUE):
        message = f'"{name}" is a reserved name'
        raise Refusal("usage", message, f"{FOLDER}/{name}.yaml is shared by all environments")
    known = known_layers(root)
    for layer in extends:
        if layer not in known:
            raise Refusal("usage", f"there is no layer {quote(layer)}", suggest(layer, known, "layers"))
    shown = f"{FOLDER}/{name}.yaml"
    if (root / shown).exists() or (root / shown).is_symlink():
        raise Refusal("usage", f"{shown} already exists", "choose another name, or edit the file")
    placed: dict[str, tuple[str, str]] = {}
    lacks = None
    if store is not None or addresses:
        below = _below(root, shown, environment_text(name, extends))
        stores = below.members_at("stores")
        if store is not None and store not in stores:
            raise Refusal("usage", f"there is no store {quote(store)}", suggest(store, stores, "stores"))
        placed = _place_addresses(addresses or {}, store, stores)
        lacks = _lacking(stores[store]) if store is not None and store not in placed else None
        store = None if store == below.text("store") else store
    text = environment_text(name, extends, store, placed)
    options = {key: option for option, key in _ADDRESSES.values()}
    origins: dict[tuple[str, ...], Span] = {
        ("stores", store_id, key): option_span(options[key], address) for store_id, (key, address) in placed.items()
    }
    result = compile_drafts(root, [new_draft(shown, text, origins)])
    # What else it lacks is to be written into it, and `compile` tells with the line.
    said = tuple(each for each in result.diagnostics if each.span in origins.values())
    return Output(root / shown, shown, text), result._replace(diagnostics=said), lacks


def _below(root: Path, shown: str, text: str) -> Node:
    """What the new environment has from its layers."""
    library = Library(root, {shown: text})
    layers = library.layers(shown.removeprefix(f"{FOLDER}/").removesuffix(".yaml"))
    if not layers:
        raise Refusal("found", "the layers of the environment have errors", f"`{command_line('compile')}` says which")
    return merge(layers)[0]


def _place_addresses(
    addresses: Mapping[str, str], store: str | None, stores: Mapping[str, Node]
) -> dict[str, tuple[str, str]]:
    """For each store that gets an address, its key and the address; without what a layer below says already."""
    providers = {store_id: node.text("provider") or "" for store_id, node in stores.items()}
    found = {_store_for(each, store, providers): (_ADDRESSES[each][1], url) for each, url in addresses.items()}
    return {store_id: (key, url) for store_id, (key, url) in found.items() if stores[store_id].text(key) != url}


def _lacking(store: Node) -> str | None:
    """The key of the address that the store has nowhere."""
    _, key = _ADDRESSES.get(store.text("provider") or "", ("", ""))
    return key if key and store.get(key) is None else None


def _store_for(provider: str, store: str | None, providers: Mapping[str, str]) -> str:
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
    message = f"{option} may be for {list_names(of_provider)}"
    raise Refusal("usage", message, f"choose one with --store, or write its `{key}` into the file")


def new_draft(path: str, text: str, origins: Mapping[tuple[str, ...], Span]) -> Draft:
    """A file that is not there yet."""
    source = Source(path)
    return Draft(source, (Splice(0, 0, text),), {(): Span(source), **origins})


def write_new(outputs: Sequence[Output], root: Path) -> None:
    """Writes all of them or none, and none where a link leads one out of the project `root`. Raises Refusal."""
    for output in outputs:
        if found := refuse_outside(output.path.parent, output.shown, root):
            raise Refusal("cannot run", found[0].message, "replace the link with a folder")
    if failures := write_all(outputs, root):
        raise Refusal("cannot run", failures[0].message, failures[0].help if outputs[0].replaces is not None else None)


def environment_text(
    name: str, extends: Sequence[str], store: str | None = None, addresses: Mapping[str, tuple[str, str]] | None = None
) -> str:
    """The text of an environment that only sets its store and the addresses of stores, by store id."""
    below = " and ".join(extends) or "base"
    lines = [schema_line("environment"), f"# What {name} sets differently from {below}."]
    if extends:
        lines.append(f"extends: {in_braces(extends)}")
    if store is not None:
        lines.append(f"store: {scalar(store)}")
    if addresses:
        lines.append("stores:")
        for store_id, (key, address) in addresses.items():
            lines += [f"  {scalar(store_id)}:", f"    {key}: {address_scalar(address)}"]
    return "\n".join(lines) + "\n"


def address_scalar(url: str) -> str:
    """A URL without quotes, any other text in quotes."""
    return url if re.fullmatch(r"https?://[A-Za-z0-9.:/-]*[A-Za-z0-9/]", url) else quote_yaml(url)


def schema_line(name: str) -> str:
    """The first line of an input file: what an editor checks it with."""
    return f"# yaml-language-server: $schema=../schemas/{name}.schema.json"


def project_files(name: str, namespace: str, provider: str, addresses: Mapping[str, str]) -> dict[str, str]:
    """All of them by path. The chart and the schemas are those that this program compiles for."""
    base = _text("base.yaml").format(
        name=scalar(name),
        namespace=scalar(namespace),
        argocd_project=scalar(f"{name[:_LONGEST].rstrip('-')}{_SUFFIX}"),
        sync_options=SYNC_OPTIONS,
        asks_first=ASKS_FIRST,
        store=PROVIDERS[provider].store_id,
        stores="".join(line for each in PROVIDERS.values() for line in _store_lines(each, addresses)),
    )
    patterns = "\n".join(f"  {member}: {quote_yaml(pattern)}" for member, pattern in PATTERNS.items())
    return {
        "environments/base.yaml": f"{schema_line('environment')}\n{base}",
        "environments/dev.yaml": environment_text("dev", ()),
        "environments/catalogue.yaml": (
            f"{schema_line('catalogue')}\n{_text('catalogue.yaml').format(name=scalar(name), patterns=patterns)}"
        ),
        **chart_files(),
        "README.md": _text("README.md").format(name=name),
        "Makefile": _text("Makefile"),
        IGNORE_FILE: _text("gitignore").format(*IGNORED),
        ".vscode/settings.json": _text("settings.json"),
        **schema_files(),
    }


def _text(name: str) -> str:
    """A file of a new project, in most of which `{}` is to be filled in."""
    return (Path(__file__).parent / "project" / name).read_text("utf-8")


def _store_lines(provider: Provider, addresses: Mapping[str, str]) -> Iterator[str]:
    yield f"  {provider.store_id}:\n    provider: {provider.id}\n    name: {provider.store_name}\n"
    if address := addresses.get(provider.id, provider.usual_address):
        yield f"    {provider.address}: {address_scalar(address)}\n"
    if provider.has_mounts:
        yield f"    mount: {DEFAULT_MOUNT}\n"
