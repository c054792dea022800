"""Provides what the writing commands share: their options, `--undo`, and the command line for `--recover`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.command_table import PROGRAM
from compiler.operations.change.run import Setting
from compiler.operations.change.undo_run import undo_run
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.cli.run_output import RunOutput
    from compiler.model.environment import Environment
    from compiler.operations.live.stores import LiveStores


def add_writing(parser: Parser, *, apply_help: str = "write; without it, only show the plan") -> None:
    """The options of every command that writes to stores."""
    parser.add_argument("--recover", action="store_true", help="recover deleted secrets in the store first")
    parser.add_argument("--apply", action="store_true", help=apply_help)
    parser.add_argument("--undo", metavar="RUN", help="undo what this run of the command wrote")
    parser.add_written_file("--audit", "append a line to this file before and after each write")
    parser.add_argument("--verbose", action="store_true", help="also show unchanged keys")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def setting_of(arguments: Namespace, invocation: Invocation, stores: LiveStores, *, asks: bool = False) -> Setting:
    """The settings of a run, from a writing command's arguments."""
    audit = Path(arguments.audit) if arguments.audit is not None else None
    continues = bool(getattr(arguments, "continue_on_error", False))
    return Setting(invocation.root, stores, arguments.apply, asks, continues, audit)


def undo(
    arguments: Namespace, environment: Environment, setting: Setting, output: RunOutput, others: Mapping[str, str]
) -> int:
    """Undo the run that `arguments` name, or show the plan of that; returns the exit code.

    `others` are the command's options and arguments that an undo does not take, as shown and as argparse names them.
    """
    given = [option for option, name in others.items() if getattr(arguments, name)]
    if given:
        # Not in silence: whoever says `--only github` does not mean the whole run.
        message = f"--undo undoes the whole run and cannot be combined with {given[0]}"
        raise Refusal("usage", message, f"leave {given[0]} out")
    ended = undo_run(output.command, arguments.undo, environment, setting, output)
    return output.end(ended, {"undo": arguments.undo})


def recovering(arguments: Namespace, invocation: Invocation, command: str, others: Mapping[str, str]) -> str:
    """The command line of `arguments` with `--recover` added, which plans recovering deleted secrets too.

    `others` are the command's own options and arguments, as for `undo`; none of them holds a value of a secret.
    """
    root = ["--root", invocation.options.root] if invocation.options.root is not None else []
    words = [PROGRAM, *root, command, arguments.environment]
    for shown, name in {**others, "--audit": "audit"}.items():
        given = getattr(arguments, name)
        values = given if isinstance(given, list) else [given] if isinstance(given, str) else []
        is_option = shown.startswith("--")
        words += [word for value in values for word in ([shown, value] if is_option else [value])]
        words += [shown] if given is True else []
    return shlex.join([*words, "--recover"])
