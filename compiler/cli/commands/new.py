"""Runs `new`, which creates a project, an environment, a secret or the chart, and never replaces what exists."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.compiling import by_compile, report
from compiler.cli.exit_codes import FOUND, OK
from compiler.cli.invocation import working_folder
from compiler.cli.terminal.interrupts import interruption
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.operations.edit.scaffold import new_secret
from compiler.operations.edit.start import (
    catalogue_to_extend,
    checked_name,
    new_chart,
    new_entry,
    new_environment,
    new_project,
    write_new,
)
from compiler.refusal import Refusal
from compiler.render.interface import Run
from compiler.text.command_line import command_line, name_project

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.stages.write import Output

DESCRIPTION = """Creates something new; existing files are not replaced.
  project: environments, schemas, the chart and editor settings in an empty folder (NAME, or the working folder)
  environment: environments/NAME.yaml, equal to what it extends until you edit it
  secret: an entry at the end of the catalogue; list it under `secrets:` of the environments that use it
  chart: the chart that the values files are for, in a project without one"""
EXAMPLES = (
    "platform-secrets new environment qa",
    "platform-secrets new environment prod-eu --extends prod",
    "platform-secrets new secret grafana --key GRAFANA_TOKEN --key GRAFANA_URL",
    "platform-secrets new project /tmp/platform",
)
_KINDS = ("project", "environment", "secret", "chart")


def configure(parser: Parser) -> None:
    parser.add_argument("kind", choices=_KINDS, help="what to create")
    parser.add_argument("name", metavar="NAME", nargs="?", help="its name; for a project, its folder")
    parser.add_argument(
        "--extends",
        metavar="LAYER",
        action="append",
        default=[],
        help="environment: layer to extend",
    )
    parser.add_argument(
        "--target", metavar="NAME", help="secret: name of the Kubernetes Secret; agent-NAME-secrets by default"
    )
    parser.add_argument("--description", metavar="TEXT", help="secret: what it is used for")
    parser.add_argument(
        "--key", metavar="NAME", action="append", default=[], help="secret: one of its keys; repeatable"
    )
    parser.add_argument("--vault", metavar="PATH", help="secret: its path in Vault")
    parser.add_argument("--azurekv", metavar="NAME", help="secret: its name in Key Vault")


def run(arguments: Namespace, invocation: Invocation) -> int:
    _refuse_foreign_options(arguments)
    if arguments.kind == "project":
        return _project(arguments)
    if arguments.kind == "chart":
        return _chart(arguments, invocation)
    name = checked_name(arguments.kind, arguments.name)
    if arguments.kind == "environment":
        return _environment(arguments, invocation, name)
    return _secret(arguments, invocation, name)


def _refuse_foreign_options(arguments: Namespace) -> None:
    of_kind = {"extends": "environment"} | dict.fromkeys(("target", "description", "key", "vault", "azurekv"), "secret")
    for option, kind in of_kind.items():
        if getattr(arguments, option) and arguments.kind != kind:
            raise Refusal("usage", f"--{option} is an option of `new {kind}`", f"leave --{option} out")


def _project(arguments: Namespace) -> int:
    folder = working_folder() if arguments.name is None else Path(arguments.name)
    _write(new_project(folder), folder)
    # From there on the project is found without being named.
    name_project(None)
    enter = "" if arguments.name is None else f"{shlex.join(['cd', arguments.name])}, then "
    _say_next(f"{enter}{command_line('new', 'secret', 'NAME')}, then {command_line('compile')}")
    return OK


def _chart(arguments: Namespace, invocation: Invocation) -> int:
    if arguments.name is not None:
        raise Refusal("usage", "a chart takes no name", "leave the name out")
    _write(new_chart(invocation.root), invocation.root)
    _say_next(command_line("render", "ENV"))
    return OK


def _environment(arguments: Namespace, invocation: Invocation, name: str) -> int:
    _write(new_environment(invocation.root, name, arguments.extends), invocation.root)
    _say_next(f"write what differs into it, then run {command_line('compile', name)}")
    return OK


def _secret(arguments: Namespace, invocation: Invocation, name: str) -> int:
    root = invocation.root
    document, found = catalogue_to_extend(root)
    if document is None:
        report(found, Run("new"), see_all=by_compile())
        raise Refusal("usage", "the catalogue has errors", "correct them first")
    remote = {"vault": arguments.vault, "azurekv": arguments.azurekv}
    secret = new_secret(name, arguments.target, arguments.description, remote, arguments.key)
    outputs, found = new_entry(root, document, secret)
    if found:
        report(found, Run("new"), see_all=by_compile())
        standard_error().lines(["nothing was written"])
        return FOUND
    _write(outputs, root)
    _say_next(f"list it in an environment, as `secrets: {{{name}: {{}}}}`, then run {command_line('compile')}")
    return OK


def _write(outputs: Sequence[Output], root: Path) -> None:
    with interruption("either all files were written or none"):
        write_new(outputs, root)
    with interruption("the files were written"):
        standard_output().lines(f"{output.shown}: written" for output in outputs)


def _say_next(step: str) -> None:
    standard_output().lines([f"next: {step}"])
