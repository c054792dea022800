"""Finds, loads and validates a project's files, each once a run, and orders them into layers."""

from __future__ import annotations

import os
import re
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from compiler.model.document import MOST_OF_A_KIND, Diagnostic, Severity, Source, Span, file_error
from compiler.model.environment import lacks_base
from compiler.model.facts import MAX_LAYERS
from compiler.model.files import is_inside
from compiler.refusal import Refusal
from compiler.rules import ALL_RULES
from compiler.stages.files import read_text
from compiler.stages.load import load_text
from compiler.stages.resolve import merge
from compiler.stages.validate import validate
from compiler.text.wording import closest, command_line, quote, suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from compiler.model.document import Document, Node
    from compiler.rules.forms.schema_error import InputPlace

FOLDER = "environments"
LAYERS_FOLDER = "environments/layers"
BASE = "base"
CATALOGUE = "catalogue"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_VALUES = re.compile(r"values-(.+)\.yaml", re.DOTALL)
# Also `prod.yaml.bak`, `prod.YML` and `prod.json`.
_INPUT = re.compile(r"([^.]+)\.(?:ya?ml|json)\b", re.IGNORECASE)
# No project has as many; a hostile one may.
_MOST_FOLDERS = 1000


class Library:
    """Reads from the project's folder `root`, and gathers what is wrong in `diagnostics`.

    The texts of `unwritten`, by path, take the place of files. Unless it `validates`, files may break their schema.
    """

    def __init__(self, root: Path, unwritten: Mapping[str, str] | None = None, *, validates: bool = True) -> None:
        self._root = root
        self._validates = validates
        self._unwritten = unwritten or {}
        self._documents: dict[str, Document | None] = {}
        self._stores: set[str] = set()
        self._words: frozenset[str] | None = None
        self.diagnostics: list[Diagnostic] = []
        self.names = self._environment_names()
        self.layer_names = frozenset(self._stems(LAYERS_FOLDER))

    def select(self, names: Sequence[str]) -> tuple[str, ...]:
        """The environments to compile: `names` in the order of all, or all. Raises Refusal for another name."""
        for name in names:
            if name not in self.names:
                raise self._unknown_environment(name)
        return tuple(name for name in self.names if not names or name in names)

    def catalogue(self, *, may_be_empty: bool = False) -> Document | None:
        """The catalogue; None where it is unusable. One without content is, unless `may_be_empty`."""
        path = f"{FOLDER}/{CATALOGUE}.yaml"
        is_there = path in self._unwritten or os.path.lexists(self._root / path)
        if not is_there and (other := closest(CATALOGUE, self.names)) is not None:
            message, way_out = "there is no such file", f"rename {FOLDER}/{other}.yaml to {CATALOGUE}.yaml"
            self.diagnostics.append(file_error("unreadable-file", path, message, way_out))
            return None
        document = self._document(path, "catalogue")
        if document is None or may_be_empty or not document.is_blank:
            return document
        self._say_empty(document, f"add a secret with `{command_line('new', 'secret', 'NAME', '--key', 'KEY')}`")
        return None

    def documents(self) -> tuple[Document, ...]:
        """Every file read so far, in the order of reading."""
        return tuple(document for document in self._documents.values() if document is not None)

    def layers(self, name: str) -> tuple[Document, ...]:
        """The documents that make the environment `name`, lowest first, itself last; empty where one is unusable."""
        ordered: dict[str, Document] = {}
        usable = self._gather(f"{FOLDER}/{name}.yaml", ordered, ())
        if lacks_base(layers := tuple(ordered.values() if usable else ())):
            message = "there is no such file, and an environment without `extends:` builds on it"
            way_out = "restore it; or write `extends: []` into an environment that is whole by itself"
            self.diagnostics.append(file_error("unreadable-file", f"{FOLDER}/{BASE}.yaml", message, way_out))
        return layers

    def layer(self, name: str) -> Document | None:
        """The file that `name` means where `extends:` has it: base, a layer or an environment; None for an unusable."""
        path = self._layer_path(name, None)
        return self._document(path, "environment") if path is not None else None

    def values_files(self, folder: str) -> dict[str, str]:
        """The values files in `folder` by the environment's name, as paths shown to people."""
        found = {}
        # A values file keeps its owner where the input file is there but not read, as `prod.yml` or `Prod.yaml`.
        listed = (name for name in self._list_names(FOLDER) if name.endswith((".yaml", ".yml")))
        unread = {name.lower().rpartition(".")[0] for name in listed} - set(self.names)
        for name in self._list_names(folder):
            match = _VALUES.fullmatch(name)
            if match and match[1] not in unread:
                found[match[1]] = f"{folder}/{name}"
        return found

    def unread_files(self, names: Collection[str]) -> dict[str, str]:
        """The files below environments/ that may be those of `names`, which have values and no file that is read."""
        found: dict[str, str] = {}
        if not names or not is_inside(self._root, self._root / FOLDER):
            return found
        for folder, folders, files in islice(os.walk(self._root / FOLDER), _MOST_FOLDERS):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            below = os.path.relpath(folder, self._root)
            above = below.lower().split("/")[1:]
            for match in filter(None, map(_INPUT.match, sorted(files))):
                for name in {match[1].lower(), *above}.intersection(names):
                    found.setdefault(name, f"{below}/{match.string}")
        return found

    def _gather(self, path: str, ordered: dict[str, Document], above: tuple[str, ...]) -> bool:
        document = self._document(path, "environment")
        if document is None:
            return False
        if document.is_blank and path == f"{FOLDER}/{BASE}.yaml":
            self._say_empty(document, "write what all environments share, or remove the file")
            return False
        usable = True
        for name, node in self._extends(path, document):
            below = self._layer_path(name, node)
            if below is not None and len(above) + len(ordered) >= MAX_LAYERS and below not in ordered:
                message = f"an environment has at most {MAX_LAYERS} layers, one below the other or side by side"
                self._report("too-large", message, node, "merge some of them into one")
                return False
            if below is None:
                usable = False
                if len(self.diagnostics) > MOST_OF_A_KIND:
                    break
            elif below in (*above, path):
                message = f"{quote(name)} already extends this file, directly or not"
                self._report("layer-cycle", message, node, "remove one of the names")
                usable = False
            elif below not in ordered:
                usable = self._gather(below, ordered, (*above, path)) and usable
        ordered[path] = document
        return usable

    def _extends(self, path: str, document: Document) -> list[tuple[str, Node | None]]:
        written = document.root.get("extends")
        if written is not None:
            return [(item.value, item) for item in written.items if isinstance(item.value, str)]
        is_environment = path.rpartition("/")[0] == FOLDER and path != f"{FOLDER}/{BASE}.yaml"
        return [(BASE, None)] if is_environment and self._has_base else []

    def _layer_path(self, name: str, node: Node | None) -> str | None:
        if name == BASE:
            return f"{FOLDER}/{BASE}.yaml"
        if name in self.layer_names and name in self.names:
            self._report(
                "ambiguous-layer", f"{quote(name)} is both a layer and an environment", node, "rename one of the two"
            )
            return None
        if name in self.layer_names:
            return f"{LAYERS_FOLDER}/{name}.yaml"
        if name in self.names:
            return f"{FOLDER}/{name}.yaml"
        way_out = suggest(name, self._others(node), "layers")
        self._report("unknown-layer", f"there is no layer {quote(name)}", node, way_out)
        return None

    def _others(self, node: Node | None) -> list[str]:
        """The names that the file of `node` can extend: every layer and environment but itself."""
        files = {f"{FOLDER}/{BASE}.yaml": BASE} if self._has_base else {}
        files |= {f"{LAYERS_FOLDER}/{name}.yaml": name for name in sorted(self.layer_names)}
        files |= {f"{FOLDER}/{name}.yaml": name for name in self.names}
        own = node.source.path if node is not None else None
        return [name for path, name in files.items() if path != own]

    def _document(self, path: str, schema: str) -> Document | None:
        if path not in self._documents:
            text, found = (self._unwritten[path], ()) if path in self._unwritten else read_text(self._root, path)
            document = None
            if text is not None:
                document, found = load_text(path, text)
            if document is not None and self._validates:
                document, found = validate(document, schema, partial(self._place, path, schema))
            if found and text is not None and self._validates:
                from compiler.rules.forms.schema_error import foreign_file  # noqa: PLC0415 - only where all is wrong

                foreign = foreign_file(path, text, self._place(path, schema), is_read=document is not None)
                document, found = (document, found) if foreign is None else (None, (foreign,))
            self.diagnostics += found
            self._documents[path] = document
            if document is not None:
                self._stores |= document.root.members_at("stores").keys()
        return self._documents[path]

    def _place(self, path: str, schema: str) -> InputPlace:
        """The whole of a file, with the names that the project has, as far as it is read."""
        from compiler.rules.forms.schema_error import InputPlace  # noqa: PLC0415 - only where something is wrong

        own = next((name for name in self.names if path == f"{FOLDER}/{name}.yaml"), None)
        catalogue = self._documents.get(f"{FOLDER}/{CATALOGUE}.yaml")
        entries = catalogue.root.members_at("secrets") if catalogue is not None else {}
        words = self._words or frozenset(self._names_in(entries))
        if catalogue is not None:
            # There may be a thousand faulty files, and as many entries.
            self._words = words
        return InputPlace(schema, (), self.names, own, words, entries, self._stores)

    def _names_in(self, entries: Mapping[str, Node]) -> Iterator[str]:
        yield from (BASE, *self.layer_names, *self.names)
        yield from (rule.id for rule in ALL_RULES)
        for secret_id, entry in entries.items():
            yield secret_id
            for key, options in entry.members_at("keys").items():
                yield from (key, *options.texts_at("variants"))

    def _environment_names(self) -> tuple[str, ...]:
        names = []
        stems = self._stems(FOLDER)
        self._has_base = BASE in stems
        for stem in stems:
            if stem in (BASE, CATALOGUE):
                continue
            if _NAME.fullmatch(stem):
                names.append(stem)
            else:
                message = "the file's name is not a valid environment name"
                from compiler.rules.forms.schema_error import as_id  # noqa: PLC0415 - only where one is wrong
                from compiler.text.characters import foreign_character  # noqa: PLC0415 - likewise

                form, allowed = as_id(stem), "use lower-case letters, digits and inner hyphens, at most 63"
                renamed = f"rename {stem}.yaml to {form}.yaml" if form is not None else allowed
                help_text = foreign_character(stem) or renamed
                found = file_error("invalid-environment-name", f"{FOLDER}/{stem}.yaml", message, help_text)
                self.diagnostics.append(found)
        return tuple(names)

    def _unknown_environment(self, name: str) -> Refusal:
        message = f"there is no environment {quote(name)}"
        for other in self._list_names(FOLDER):
            if _NAME.fullmatch(name) and other != f"{name}.yaml" and other.lower() in (f"{name}.yml", f"{name}.yaml"):
                why = "input files end in `.yaml`" if other.lower().endswith(".yml") else "names are in lower case"
                return Refusal("usage", message, f"{why}: rename {FOLDER}/{other} to {name}.yaml")
        known = self.names
        listed = f"the environments are {', '.join(known)}" if known else "there are no environments"
        # A shell completes the file's path.
        stem = name.rpartition("/")[2].removesuffix(".yaml")
        return Refusal("usage", message, suggest(stem, known, "environments") or listed)

    def _stems(self, folder: str) -> list[str]:
        stems = []
        unwritten = (path.rpartition("/") for path in self._unwritten)
        for name in sorted({*self._list_names(folder), *(name for above, _, name in unwritten if above == folder)}):
            if name.endswith(".yaml"):
                stems.append(name.removesuffix(".yaml"))
            elif name.endswith(".yml"):
                message = "input files end in `.yaml`; this one is not read"
                way_out = f"rename {name} to {name.removesuffix('.yml')}.yaml"
                self.diagnostics.append(file_error("invalid-environment-name", f"{folder}/{name}", message, way_out))
        return stems

    def _list_names(self, folder: str) -> list[str]:
        try:
            if not is_inside(self._root, self._root / folder):
                # The names of files elsewhere are none that a message may list.
                return []
            return sorted(entry.name for entry in os.scandir(self._root / folder) if not entry.name.startswith("."))
        except OSError:
            return []

    def _say_empty(self, document: Document, way_out: str) -> None:
        if all(each.span.source is not document.source for each in self.diagnostics):
            span = document.root.span
            self.diagnostics.append(Diagnostic("empty-file", Severity.ERROR, "this file is empty", span, help=way_out))

    def _report(self, rule: str, message: str, node: Node | None, help_text: str | None = None) -> None:
        span = node.span if node is not None else Span(Source(FOLDER))
        self.diagnostics.append(Diagnostic(rule, Severity.ERROR, message, span, help=help_text))


class ProjectNames:
    """What the files of the project name, which are not validated; nothing where there is no project."""

    def __init__(self, root: Path | None) -> None:
        self._library = Library(root, validates=False) if root is not None else None
        self.environments = self._library.names if self._library is not None else ()

    def ids(self, environment: str, what: str) -> Iterable[str]:
        """The ids of the `secrets` or `stores` of an environment."""
        layers = self._library.layers(environment) if self._library and environment in self.environments else ()
        node = merge(layers)[0].get(what) if layers else None
        return node.children if node is not None else ()

    def keys(self, secret: str) -> Iterable[str]:
        """The keys of a secret of the catalogue."""
        catalogue = self._library.catalogue() if self._library is not None else None
        node = catalogue.root.get("secrets", secret, "keys") if catalogue is not None else None
        return node.children if node is not None else ()
