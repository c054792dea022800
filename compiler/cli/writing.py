"""Runs the commands that write to stores: their common options, the steps from plan to report, and `--undo`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.exit_codes import FOUND
from compiler.cli.live_environment import live_environment, refusals
from compiler.cli.options import add_accept_cluster
from compiler.cli.run_output import RunOutput
from compiler.cli.terminal.interrupts import NOTHING_WRITTEN, interruption
from compiler.cli.terminal.outlet import standard_error
from compiler.cli.terminal.termination import orderly_termination
from compiler.operations.change.plan import OnConflict
from compiler.operations.change.run import Change, Ended, Setting, carry_out
from compiler.operations.change.undo_run import undo_run
from compiler.operations.live.readers import NOT_THE_SAME, every_environment
from compiler.operations.live.refresh import refresh_times
from compiler.operations.live.stores import LiveStores
from compiler.refusal import Refusal
from compiler.stages.outside import outside_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping
    from typing import Any

    from compiler.cli.invocation import Invocation
    from compiler.cli.options import Parser
    from compiler.model.environment import Environment


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What a writing command is asked for, and where: `setting` has its open stores."""

    arguments: Namespace
    environment: Environment
    setting: Setting
    output: RunOutput
    words: tuple[str, ...]

    @property
    def stores(self) -> LiveStores:
        return self.setting.stores


# A change and the command's own part of the report, or the end of a command with nothing to do.
Answer = tuple["Change | Ended", "Mapping[str, Any]"]


@dataclass(frozen=True, slots=True)
class WritingCommand:
    """One of the writing commands. `own` are its options and arguments that `--undo` does not take.

    They stand there as shown, with the name that argparse gives them; none of them holds a value of a secret. It
    `deletes` where its plans take remote secrets away, as otherwise those of an undo alone do.
    """

    name: str
    own: Mapping[str, str]
    answer: Callable[[Asked], Answer]
    deletes: bool = False


def add_writing(
    parser: Parser, *, apply_help: str = "write; without it, only show the plan", recovers: bool = True
) -> None:
    """The options of every command that writes to stores; `recovers` where it may find deleted ones in its way."""
    if recovers:
        parser.add_argument("--recover", action="store_true", help="recover deleted secrets in the store first")
    parser.add_argument("--apply", action="store_true", help=apply_help)
    parser.add_argument("--undo", metavar="RUN", help="undo what this run of the command wrote")
    parser.add_argument(
        NOT_THE_SAME,
        metavar="STORE",
        action="append",
        default=[],
        help="treat this store, named as in the plan, as a different one, and delete; repeatable",
    )
    add_accept_cluster(parser)
    parser.add_written_file("--audit", "append a line to this file before and after each write")
    parser.add_argument("--verbose", action="store_true", help="also show unchanged keys")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def run_writing(command: WritingCommand, arguments: Namespace, invocation: Invocation) -> int:
    """Carry out what the command answers to its arguments, or undo the run that they name; returns the exit code."""
    if arguments.not_the_same and not command.deletes and arguments.undo is None:
        raise Refusal("usage", f"{NOT_THE_SAME} needs --undo", "leave it out: nothing is deleted")
    with orderly_termination(), interruption(NOTHING_WRITTEN):
        environment = live_environment(arguments.environment, invocation)
        if environment is None:
            return FOUND
        output = RunOutput(arguments, invocation, command.name)
        with refusals(), LiveStores(os.environ) as stores:
            stores.tell_by(standard_error().note)
            stores.accept(arguments.accept_cluster)
            setting = _setting(arguments, invocation, stores)
            if arguments.undo is not None:
                return _undo(command, arguments, environment, setting, output)
            change, extra = command.answer(Asked(arguments, environment, setting, output, _words(command, arguments)))
            times = refresh_times(environment) if not command.deletes else None
            # From here on the change is enough; a large environment is more than all that is still to come.
            del environment
            ended = change if isinstance(change, Ended) else carry_out(change, output)
            return output.end(ended, extra, times=times)


def _setting(arguments: Namespace, invocation: Invocation, stores: LiveStores) -> Setting:
    audit = Path(arguments.audit) if arguments.audit is not None else None
    continues = bool(getattr(arguments, "continue_on_error", False))
    return Setting(
        invocation.root,
        stores,
        arguments.apply,
        continue_on_error=continues,
        audit=audit,
        environments=partial(every_environment, invocation.root, outside_of(None, os.environ, variable_counts=False)),
        not_the_same=tuple(dict.fromkeys(arguments.not_the_same)),
    )


def _undo(
    command: WritingCommand, arguments: Namespace, environment: Environment, setting: Setting, output: RunOutput
) -> int:
    given = [option for option, name in command.own.items() if getattr(arguments, name)]
    if given:
        # Not in silence: whoever says `--only github` does not mean the whole run.
        message = f"--undo undoes the whole run and cannot be combined with {given[0]}"
        raise Refusal("usage", message, f"leave {given[0]} out")
    ended = undo_run(command.name, arguments.undo, environment, setting, output)
    times = refresh_times(environment) if not command.deletes else None
    extra = {"undo": arguments.undo, "notTheSame": list(setting.not_the_same)}
    return output.end(ended, extra, times=times, is_undo=True)


def _words(command: WritingCommand, arguments: Namespace) -> tuple[str, ...]:
    """The command line of `arguments` without --only and --apply, and without what is the default."""
    words = [command.name, arguments.environment]
    for shown, name in {**command.own, "--accept-cluster": "accept_cluster", "--audit": "audit"}.items():
        given = getattr(arguments, name)
        if shown == "--only" or given == OnConflict.FAIL:
            continue
        values = given if isinstance(given, list) else [given] if isinstance(given, str) else []
        is_option = shown.startswith("--")
        words += [word for value in values for word in ([shown, value] if is_option else [value])]
        words += [shown] if given is True else []
    return tuple(words)
