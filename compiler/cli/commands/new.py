"""`new`: a project, an environment, a secret or the chart started; nothing that exists is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.compiling import report
from compiler.cli.errors import CannotRunError, UsageError
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.invocation import working_folder
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.operations.chart.packaged import chart_files
from compiler.operations.edit.new_project import project_files
from compiler.operations.edit.scaffold import (
    NAME,
    NoPlaceError,
    environment_text,
    new_secret,
    with_secret,
)
from compiler.project_files import BASE, CATALOGUE, FOLDER, LAYERS_FOLDER, Library
from compiler.render.interface import Run
from compiler.stages.write import Output, write_all
from compiler.text.suggestion import suggest

if TYPE_CHECKING:
    from argparse import Namespace

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser

DESCRIPTION = """Starts something new and changes nothing that is there.
project: input, schemas, the chart and editor settings in an empty folder (NAME, or the working folder).
environment: environments/NAME.yaml, which is what it extends until something is written into it.
secret: an entry at the end of the catalogue; list it under `secrets:` where it is wanted.
chart: the chart that the values files are for, in a project that has none."""
EXAMPLES = (
    "platform-secrets new environment qa",
    "platform-secrets new environment prod-eu --extends prod",
    "platform-secrets new secret grafana --key GRAFANA_TOKEN --key GRAFANA_URL",
    "platform-secrets new project /tmp/platform",
)
_KINDS = ("project", "environment", "secret", "chart")
_FORM = "use lower-case letters, digits and inner hyphens, at most 63"


def configure(parser: Parser) -> None:
    parser.add_argument("kind", choices=_KINDS, help="what to start")
    parser.add_argument("name", metavar="NAME", nargs="?", help="its name; of a project, its folder")
    parser.add_argument("--extends", metavar="LAYER", action="append", default=[], help="environment: a layer below it")
    parser.add_argument("--target", metavar="NAME", help="secret: the Kubernetes Secret; agent-NAME-secrets by default")
    parser.add_argument("--description", metavar="TEXT", help="secret: what it is for")
    parser.add_argument(
        "--key", metavar="NAME", action="append", default=[], help="secret: a key of it; may be repeated"
    )
    parser.add_argument("--vault", metavar="PATH", help="secret: its path in Vault")
    parser.add_argument("--azurekv", metavar="NAME", help="secret: its name in Key Vault")


def run(arguments: Namespace, invocation: Invocation) -> int:
    _refuse_foreign_options(arguments)
    if arguments.kind == "project":
        return _project(arguments)
    if arguments.kind == "chart":
        return _chart(arguments, invocation)
    if arguments.name is None:
        raise UsageError(f"the new {arguments.kind} needs a name", _FORM)
    if not NAME.fullmatch(arguments.name):
        raise UsageError(f"the {arguments.kind}'s name has another form", _FORM)
    return _environment(arguments, invocation) if arguments.kind == "environment" else _secret(arguments, invocation)


def _refuse_foreign_options(arguments: Namespace) -> None:
    of_kind = {"extends": "environment"} | dict.fromkeys(("target", "description", "key", "vault", "azurekv"), "secret")
    for option, kind in of_kind.items():
        if getattr(arguments, option) and arguments.kind != kind:
            raise UsageError(f"--{option} is for `new {kind}`")


def _project(arguments: Namespace) -> int:
    folder = working_folder() if arguments.name is None else Path(arguments.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise CannotRunError(f"the folder cannot be used: {_reason(error)}") from None
    if any(not name.startswith(".git") for name in there):
        raise UsageError("the folder of a new project must be empty", "name another one")
    # A repository's own .gitignore stays as it is.
    _write([Output(folder / path, path, text) for path, text in project_files().items() if path not in there])
    _say_next("platform-secrets new secret NAME, then platform-secrets compile")
    return OK


def _chart(arguments: Namespace, invocation: Invocation) -> int:
    if arguments.name is not None:
        raise UsageError("the chart's name is its own", "leave the name out")
    root = invocation.root
    outputs = [Output(root / path, path, text) for path, text in chart_files().items()]
    for output in outputs:
        if output.path.exists() or output.path.is_symlink():
            raise UsageError(f"{output.shown} exists already", "to take it anew, move it away first")
    _write(outputs)
    _say_next("platform-secrets render ENV")
    return OK


def _environment(arguments: Namespace, invocation: Invocation) -> int:
    root, name = invocation.root, arguments.name
    library = Library(root)
    if name in (BASE, CATALOGUE):
        raise UsageError(f'"{name}" is a reserved name', f"{FOLDER}/{name}.yaml is shared by all environments")
    shown = f"{FOLDER}/{name}.yaml"
    layers = root / LAYERS_FOLDER
    known = [BASE, *(sorted(each.stem for each in layers.glob("*.yaml")) if layers.is_dir() else ()), *library.names]
    for layer in arguments.extends:
        if layer not in known:
            raise UsageError(f'there is no layer "{layer}"', suggest(layer, known, "layers"))
    if (root / shown).exists() or (root / shown).is_symlink():
        raise UsageError(f"{shown} exists already", "choose another name, or edit the file")
    _write([Output(root / shown, shown, environment_text(name, arguments.extends))])
    _say_next(f"write what differs into it, then platform-secrets compile {name}")
    return OK


def _secret(arguments: Namespace, invocation: Invocation) -> int:
    root, name = invocation.root, arguments.name
    library = Library(root)
    document = library.catalogue()
    if document is None or document.damaged:
        report(library.diagnostics, Run("new"))
        raise UsageError("the catalogue has errors", "correct them first")
    if document.root.get("secrets", name) is not None:
        raise UsageError(f'the catalogue has a secret "{name}" already', "choose another name, or edit the entry")
    remote = {"vault": arguments.vault, "azurekv": arguments.azurekv}
    secret = new_secret(name, arguments.target, arguments.description, remote, arguments.key)
    try:
        text, diagnostics = with_secret(document, secret)
    except NoPlaceError as error:
        raise UsageError(str(error), error.help) from None
    if diagnostics:
        report(diagnostics, Run("new"))
        standard_error().lines(["nothing was written"])
        return FOUND
    # A link inside the project stays a link: what it leads to is replaced.
    path = (root / document.source.path).resolve()
    _write([Output(path, document.source.path, text)])
    _say_next(f"list it in an environment, as `secrets: {{{name}: {{}}}}`, then platform-secrets compile")
    return OK


def _write(outputs: list[Output]) -> None:
    try:
        for output in outputs:
            output.path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRunError(f"a folder cannot be made: {_reason(error)}") from None
    failures = write_all(outputs)
    if failures:
        raise CannotRunError(failures[0].message)
    standard_output().lines(f"{output.shown}: written" for output in outputs)


def _say_next(step: str) -> None:
    standard_output().lines([f"next: {step}"])


def _reason(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()
