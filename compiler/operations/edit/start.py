"""Makes the files of a new project, chart, environment or secret, and refuses to overwrite existing ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from compiler.operations.chart.packaged import chart_files
from compiler.operations.edit.new_project import project_files
from compiler.operations.edit.scaffold import NAME, environment_text, with_secret
from compiler.project_files import BASE, CATALOGUE, FOLDER, LAYERS_FOLDER, Library
from compiler.refusal import Refusal
from compiler.stages.write import Output, refuse_outside, write_all
from compiler.text.suggestion import suggest
from compiler.text.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.document import Document
    from compiler.operations.edit.scaffold import NewSecret

_FORM = "use lower-case letters, digits and inner hyphens, at most 63"


def checked_name(kind: str, name: str | None) -> str:
    """The name of a new `kind`. Raises Refusal where there is none, or one that no file and no entry can have."""
    if name is None:
        raise Refusal("usage", f"the new {kind} needs a name", _FORM)
    if not NAME.fullmatch(name):
        raise Refusal("usage", f"the {kind}'s name is invalid", _FORM)
    return name


def new_project(folder: Path) -> list[Output]:
    """The files of a project in `folder`, which is made. Raises Refusal where it holds anything but what Git has."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise Refusal("cannot run", f"the folder cannot be used: {_reason(error)}") from None
    if any(not name.startswith(".git") for name in there):
        raise Refusal("usage", "the folder of a new project must be empty", "name another one")
    # A repository's own .gitignore stays as it is.
    return [Output(folder / path, path, text) for path, text in project_files().items() if path not in there]


def new_chart(root: Path) -> list[Output]:
    """The chart's files for the project in `root`. Raises Refusal where one is there."""
    outputs = [Output(root / path, path, text) for path, text in chart_files().items()]
    for output in outputs:
        if output.path.exists() or output.path.is_symlink():
            raise Refusal("usage", f"{output.shown} already exists", "move it away first to add the chart again")
    return outputs


def new_environment(root: Path, name: str, extends: Sequence[str]) -> list[Output]:
    """The file of the environment `name`. Raises Refusal for a name that is taken and for an unknown layer."""
    if name in (BASE, CATALOGUE):
        message = f'"{name}" is a reserved name'
        raise Refusal("usage", message, f"{FOLDER}/{name}.yaml is shared by all environments")
    layers = root / LAYERS_FOLDER
    stems = sorted(each.stem for each in layers.glob("*.yaml")) if layers.is_dir() else []
    known = [BASE, *stems, *Library(root).names]
    for layer in extends:
        if layer not in known:
            raise Refusal("usage", f"there is no layer {quoted(layer)}", suggest(layer, known, "layers"))
    shown = f"{FOLDER}/{name}.yaml"
    if (root / shown).exists() or (root / shown).is_symlink():
        raise Refusal("usage", f"{shown} already exists", "choose another name, or edit the file")
    return [Output(root / shown, shown, environment_text(name, extends))]


def catalogue_to_extend(root: Path) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The project's catalogue, or None and what is wrong with it: nothing is added to one with errors."""
    library = Library(root)
    document = library.catalogue(may_be_empty=True)
    usable = document is not None and not document.damaged
    return document if usable else None, tuple(library.diagnostics)


def new_entry(root: Path, document: Document, secret: NewSecret) -> tuple[list[Output], tuple[Diagnostic, ...]]:
    """The catalogue `document` with `secret` in it, and what is wrong with the entry: then there is no file.

    Raises Refusal for an id that is taken, and for a key that is given with a value.
    """
    if any("=" in key for key in secret.keys):
        # Not quoted: what stands after the sign is a secret.
        message = "a value cannot be an argument: the shell's history and the process list would show it"
        raise Refusal("usage", message, "give only the key's name, and replace that value: it is exposed")
    if document.root.get("secrets", secret.id) is not None:
        message = f'the catalogue already has a secret "{secret.id}"'
        raise Refusal("usage", message, "choose another name, or edit the entry")
    text, diagnostics = with_secret(document, secret)
    if diagnostics:
        # Nothing was written: the lines of the new text exist nowhere.
        listed = document.root.get("secrets")
        at = listed.key_span if listed is not None else document.root.span
        return [], tuple(replace(each, span=at, related=()) for each in diagnostics)
    # A link inside the project stays a link: what it leads to is replaced.
    path = (root / document.source.path).resolve()
    return [Output(path, document.source.path, text)], ()


def write_new(outputs: Sequence[Output], root: Path) -> None:
    """Writes all of them or none, and none where a link leads one out of the project `root`. Raises Refusal."""
    try:
        for output in outputs:
            # Before the folder is made: that would be outside already.
            if found := refuse_outside(output.path.parent, output.shown, root):
                raise Refusal("cannot run", found[0].message, "replace the link with a folder")
            output.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refusal("cannot run", f"a folder cannot be created: {_reason(error)}") from None
    failures = write_all(outputs, root)
    if failures:
        raise Refusal("cannot run", failures[0].message)


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
