"""Runs a command that writes to stores from its arguments to its report: plans, asks, applies, prints."""

from __future__ import annotations

import gc
import os
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from compiler.change.plan import WRITING, OnConflict, Outcome, Plan, State
from compiler.change.plan import Result as WriteResult
from compiler.change.run import Applying, Change, End, Ended, Setting, carry_out
from compiler.change.undo import undo_run
from compiler.cli.compiling import compiled, environments
from compiler.cli.defect import describe
from compiler.cli.exit_codes import FOUND, INCOMPLETE, code_of_run
from compiler.cli.invocation import Invocation
from compiler.cli.parser import Parser, add_accept_cluster
from compiler.cli.terminal.interrupts import GOES_ON, NOTHING_WRITTEN, interruption, orderly_termination, stoppable
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.cli.terminal.progress import Progress
from compiler.cli.terminal.prompts import confirmed
from compiler.cluster.connect import missing_for_cluster
from compiler.live.read_many import RefreshTimes, refresh_times
from compiler.live.readers import NOT_THE_SAME, every_environment
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.refusal import Refusal, system_reason
from compiler.render.content import Data, Line
from compiler.render.reports.plan import (
    blocked_reason,
    in_cluster_lines,
    outcome_lines,
    plan_lines,
    plan_report,
    result_line,
    unaudited_lines,
    undo_lines,
)
from compiler.stages.resolve import STORE_VARIABLE, outside_of
from compiler.text.wording import counted


class CommandOutput:
    """Prints either `lines` or `report`, as `--format` asks; the other one prints nothing."""

    def __init__(self, arguments: Namespace, invocation: Invocation) -> None:
        self.is_json = arguments.format == "json"
        self.is_debug = invocation.options.is_debug

    def lines(self, lines: Iterable[Line], *, is_error: bool = False) -> None:
        """Print what is for people: on standard output, or on standard error."""
        if not self.is_json:
            outlet = standard_error() if is_error else standard_output()
            outlet.lines(lines)
            outlet.flush()

    def report(self, content: Callable[[], Mapping[str, Any]]) -> None:
        """Print what is for programs: the whole of standard output."""
        if self.is_json:
            standard_output().show(Data(content()))


def live_environment(name: str, invocation: Invocation) -> Environment | None:
    """The environment as its files alone define it; where it has errors, shows them and returns None."""
    found = live_environments([name], invocation)
    return found[0] if found else None


def live_environments(names: Sequence[str], invocation: Invocation) -> tuple[Environment, ...]:
    """The environments `names`, or all, as their files alone define them; where one has errors, shows them."""
    if os.environ.get(STORE_VARIABLE):
        standard_error().note(f"{STORE_VARIABLE} is ignored: commands on live stores use only the files and options")
    result = compiled(invocation.root, names, outside_of(None, os.environ, variable_counts=False))
    found = environments(result)
    # What is compiled stays to the end. From here on the run is long, and errors and their frames make cycles.
    gc.freeze()
    gc.enable()
    return found


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an OSError of the run's own files into a Refusal."""
    try:
        yield
    except OSError as error:
        where = f' "{error.filename}"' if error.filename else ""
        reason = system_reason(error)
        failure = Refusal("cannot run", f"cannot use the run's files:{where} {reason}")
    else:
        return
    raise failure from None


_FINE = frozenset({State.DONE, State.KEPT})
_LAST = {
    End.SHOWN: "nothing was written; add --apply to write this plan",
    End.NOTHING: "nothing was written: there are no changes to write",
    End.UNDONE: "nothing was written: there is nothing to undo",
    End.STUCK: "nothing was written: what is left of the run cannot be undone",
    End.DECLINED: NOTHING_WRITTEN,
    End.CHANGED: "nothing was written: the store changed after the plan was shown; run the command again",
}


class RunOutput(CommandOutput):
    """Tells people and programs how a run of the writing command `command` goes."""

    def __init__(self, arguments: Namespace, invocation: Invocation, command: str) -> None:
        super().__init__(arguments, invocation)
        self.command = command
        self._is_quiet = arguments.quiet
        self._is_verbose = arguments.verbose
        self._can_continue = hasattr(arguments, "continue_on_error")

    def waits(self, holder: str) -> None:
        standard_error().note(f"waiting for another run: {holder}")

    def resumes(self, run: str) -> None:
        standard_error().note(f"resuming run {run}")

    def shows(self, plan: Plan) -> None:
        self.lines(plan_lines(plan, verbose=self._is_verbose))

    def agrees(self, plan: Plan) -> bool:
        keys = counted(sum(step.kind in WRITING for step in plan.steps), "key")
        where = f" ({'; '.join(plan.said)})" if plan.said else ""
        return confirmed(f"Write {keys} to {plan.environment}{where}?")

    @contextmanager
    def applying(self, plan: Plan) -> Iterator[Applying]:
        bar = Progress(len(plan.writes), quiet=self._is_quiet)

        def report(result: WriteResult) -> None:
            # Why one is not fine is for the end to say, once.
            bar.step(result_line(result), is_fine=result.state in _FINE)

        with interruption(GOES_ON), stoppable() as stop:
            try:
                yield Applying(stop, report)
            finally:
                # An interrupt is told on a line of its own.
                bar.close()

    def end(
        self,
        ended: Ended,
        extra: Mapping[str, Any] | None = None,
        *,
        times: RefreshTimes | None = None,
        is_undo: bool = False,
    ) -> int:
        """Tell how the run ended, with `extra` in the report for programs; returns the exit code.

        `times` are those of the secrets that read what is written, None where what is deleted is read by none.
        """
        code = code_of_run(ended)
        with interruption(GOES_ON if ended.outcome is not None else NOTHING_WRITTEN):
            if ended.outcome is not None:
                self._tell(ended.outcome)
            if ended.end is End.BLOCKED:
                self.lines([blocked_reason(ended.plan, can_continue=self._can_continue)])
            elif ended.end is not End.APPLIED:
                self.lines([_LAST[ended.end]])
            elif ended.outcome is not None and not ended.outcome.is_incomplete:
                if code == INCOMPLETE:
                    self.lines([f"incomplete; {GOES_ON}"])
                elif times is not None:
                    self.lines(in_cluster_lines(ended, times, missing_for_cluster(os.environ)))
                    self.lines(undo_lines(ended) if not is_undo else ())
            self.report(lambda: plan_report(self.command, ended, code, extra))
        return code

    def _tell(self, outcome: Outcome) -> None:
        outlet = standard_error()
        if outcome.defect is not None or outcome.unrecorded or outcome.unaudited:
            standard_output().flush()
        if outcome.defect is not None:
            outlet.write(describe(outcome.defect, is_debug=self.is_debug))
        if outcome.unrecorded:
            outlet.error(f"the end of the run could not be recorded: {outcome.unrecorded}")
        if outcome.unaudited:
            outlet.lines(unaudited_lines(outcome.unaudited))
        self.lines(outcome_lines(outcome))
        if outcome.is_incomplete:
            word = "interrupted" if outcome.interrupted else "incomplete"
            self.lines([f"{word}; {GOES_ON}"])


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
