"""Runs a command that writes to stores from its arguments to its report: plans, asks, applies, prints."""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from compiler.change.apply import Change, carry_out
from compiler.change.plan import WRITING, End, Kind, OnConflict, Options, Outcome, Plan, State, WriteResult
from compiler.cli.invocation import (
    GOES_ON,
    NOTHING_WRITTEN,
    Invocation,
    files_alone,
    interruption,
    live_environments,
    open_stores,
    refusals,
    stoppable,
    tell_waiting,
)
from compiler.cli.parser import own_arguments
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.files import missing_for_cluster
from compiler.model.inventory import Inventory, RefreshTimes
from compiler.refusal import FOUND, INCOMPLETE, INTERRUPTED, OK, describe_defect
from compiler.render.reports.plan import (
    explain_block,
    in_cluster_lines,
    outcome_lines,
    plan_content,
    plan_lines,
    result_pieces,
    undo_lines,
)
from compiler.text.wording import pluralize

_FINE = frozenset({State.DONE, State.KEPT})
_LAST = {
    End.SHOWN: "nothing was written; add --apply to write this plan",
    End.NOTHING: "nothing was written: there are no changes to write",
    End.UNDONE: "nothing was written: there is nothing to undo",
    End.STUCK: "nothing was written: what is left of the run cannot be undone",
    End.DECLINED: NOTHING_WRITTEN,
    End.CHANGED: "nothing was written: the store changed after the plan was shown; run the command again",
}
# Of the bar on a terminal.
_BAR_WIDTH = 24
_REDRAW_SECONDS = 0.1
_MINUTE = 60


class Progress:
    """Shows on standard error how far `total` pieces of work are; nothing at all when `quiet`."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total = total
        self._outlet = standard_error()
        self._done = self._failed = 0
        self._started = time.monotonic()
        self._drawn = 0.0
        self._is_quiet = quiet
        self._is_bar = not quiet and self._outlet.isatty()

    def step(self, line: str, *, is_fine: bool = True) -> None:
        """One more is done; `line` says which. On a terminal the bar counts those that are not fine."""
        self._done += 1
        self._failed += not is_fine
        if self._is_quiet:
            return
        if not self._is_bar:
            self._outlet.show([f"{self._done}/{self._total} {line}"])
            self._outlet.flush()
            return
        now = time.monotonic()
        if not is_fine or now - self._drawn >= _REDRAW_SECONDS or self._done == self._total:
            self._drawn = now
            self._outlet.progress(self._bar(now))

    def close(self) -> None:
        """Take the bar away."""
        if self._is_bar and self._done:
            self._outlet.progress()

    def _bar(self, now: float) -> str:
        filled = _BAR_WIDTH * self._done // max(1, self._total)
        rate = self._done / max(now - self._started, 0.001)
        left = round((self._total - self._done) / rate)
        bar = "#" * filled + "." * (_BAR_WIDTH - filled)
        failed = f"  {self._failed} not done" if self._failed else ""
        return f"[{bar}] {self._done}/{self._total}{failed}  {rate:.0f}/s  {left // _MINUTE}:{left % _MINUTE:02} left"


class RunOutput:
    """Tells people and programs how a run of a writing command goes."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._arguments = invocation.arguments
        self._lines = invocation.lines

    def waits(self, holder: str) -> None:
        tell_waiting(holder)

    def shows(self, plan: Plan) -> None:
        self._lines(plan_lines(plan, verbose=self._arguments.verbose))

    def agrees(self, plan: Plan) -> bool:
        from compiler.cli.terminal.dialogue import confirm  # noqa: PLC0415 - `put` alone asks

        written = [step.kind for step in plan.steps if step.kind in WRITING]
        keys = pluralize(len(written), "key")
        where = f" ({'; '.join(plan.store_notes)})" if plan.store_notes else ""
        if Kind.REMOVE in written:
            return confirm(f"Remove {keys} from {', '.join(plan.stores)} for {plan.environment}{where}?")
        return confirm(f"Write {keys} to {plan.environment}{where}?")

    @contextmanager
    def applying(self, plan: Plan) -> Iterator[tuple[threading.Event, Callable[[WriteResult], None]]]:
        bar = Progress(len(plan.writes), quiet=self._arguments.quiet)

        def report(result: WriteResult) -> None:
            # Why one is not fine is for the end to say, once.
            bar.step("".join(result_pieces(result)), is_fine=result.state in _FINE)

        with interruption(GOES_ON), stoppable() as stop:
            try:
                yield stop, report
            finally:
                # An interrupt is told on a line of its own.
                bar.close()

    def end(
        self,
        outcome: Outcome,
        extra: Mapping[str, Any] | None = None,
        *,
        times: RefreshTimes | None = None,
        has_way_back: bool = True,
    ) -> int:
        """Tell how the run ended, with `extra` in the report for programs; returns the exit code.

        `times` are those of the secrets that read what is written, None where what is deleted is read by none.
        The line that undoes it is told where it `has_way_back`.
        """
        return self.report(outcome, self.tell(outcome, times=times, has_way_back=has_way_back), extra)

    def report(self, outcome: Outcome, code: int, extra: Mapping[str, Any] | None = None) -> int:
        """The report for programs, where one is asked for; returns the `code`."""
        return self._invocation.report(lambda: plan_content(outcome, extra), code, outcome.plan.environment)

    def tell(self, outcome: Outcome, *, times: RefreshTimes | None = None, has_way_back: bool = True) -> int:
        """Tell people how the run ended, as `end` does; returns the exit code."""
        code = code_of_run(outcome)
        with interruption(GOES_ON if outcome.run else NOTHING_WRITTEN):
            if outcome.run:
                self._tell(outcome)
            if outcome.end is End.BLOCKED:
                self._lines([explain_block(outcome.plan, can_continue=hasattr(self._arguments, "continue_on_error"))])
            elif outcome.end is not End.APPLIED:
                self._lines([_LAST[outcome.end]])
            elif not outcome.is_incomplete:
                if code == INCOMPLETE:
                    self._lines([f"incomplete; {GOES_ON}"])
                else:
                    if times is not None:
                        self._lines(in_cluster_lines(outcome, times, missing_for_cluster(os.environ)))
                    self._lines(outcome.plan.unserved)
                    self._lines(undo_lines(outcome) if has_way_back else ())
        return code

    def _tell(self, outcome: Outcome) -> None:
        outlet = standard_error()
        if outcome.defect is not None or outcome.unrecorded:
            standard_output().flush()
        if outcome.defect is not None:
            outlet.write(describe_defect(outcome.defect, is_debug=self._invocation.is_debug))
        if outcome.unrecorded:
            outlet.error(f"the end of the run could not be recorded: {outcome.unrecorded}")
        self._lines(outcome_lines(outcome))
        if outcome.is_incomplete:
            word = "interrupted" if outcome.interrupted else "incomplete"
            self._lines([f"{word}; {GOES_ON}"])


# A change and the command's own part of the report, or the end of a command with nothing to do.
Answer = tuple["Change | Outcome", "Mapping[str, Any]"]


def run_writing(
    answer: Callable[[Invocation, Environment, Options], Answer], invocation: Invocation, *, deletes: bool = False
) -> int:
    """Carry out what the command answers to its arguments, or undo the run that they name; returns the exit code.

    It `deletes` where its plans take remote secrets away, as otherwise those of an undo alone do.
    """
    with writing(invocation) as (environment, options, output):
        times = Inventory(environment).refresh_times() if not deletes else None
        if invocation.arguments.undo is not None:
            from compiler.change.undo import undo_run  # noqa: PLC0415 - most runs undo nothing

            undone = undo_run(invocation.name, invocation.arguments.undo, environment, options, output)
            return output.end(undone, of_undo(options, invocation.arguments.undo), times=times, has_way_back=False)
        change, part = answer(invocation, environment, options)
        # From here on the change is enough; a large environment is more than all that is still to come.
        del environment
        outcome = change if isinstance(change, Outcome) else carry_out(change, output)
        return output.end(outcome, part, times=times)


@contextmanager
def writing(invocation: Invocation) -> Iterator[tuple[Environment, Options, RunOutput]]:
    """The environment that a writing command names, how it was asked to write, and what tells of its run."""
    with open_live(invocation) as (environment, stores):
        yield environment, _options(invocation, stores), RunOutput(invocation)


@contextmanager
def open_live(invocation: Invocation) -> Iterator[tuple[Environment, LiveStores]]:
    """The environment that a command names, and its stores."""
    environments = list(live_environments([invocation.arguments.environment], invocation))
    with refusals(), open_stores(invocation, LiveStores) as stores:
        # Not kept here: a command frees a large environment once its change is enough.
        yield environments.pop(), stores


def of_undo(options: Options, run: str) -> dict[str, Any]:
    """An undo's own part of the report."""
    return {"undo": run, "notTheSame": list(options.not_the_same)}


def _every_environment(invocation: Invocation) -> Sequence[Environment]:
    from compiler.live.readers import every_environment  # noqa: PLC0415 - most runs ask for no other environment

    return every_environment(invocation.root, files_alone())


def _options(invocation: Invocation, stores: LiveStores) -> Options:
    given = vars(invocation.arguments)
    return Options(
        only=tuple(given.get("only", ())),
        all_properties=given.get("all_properties", False),
        on_conflict=OnConflict(given.get("on_conflict") or OnConflict.FAIL),
        recover=given.get("recover", False),
        stringify=given.get("stringify", False),
        words=_words(invocation),
        applies=given["apply"],
        root=invocation.root,
        stores=stores,
        continue_on_error=given.get("continue_on_error", False),
        audit=Path(given["audit"]) if given["audit"] is not None else None,
        environments=partial(_every_environment, invocation),
        not_the_same=tuple(dict.fromkeys(given["not_the_same"])),
    )


def _words(invocation: Invocation) -> tuple[str, ...]:
    """The command line of a writing command without --only and --apply, and without what is the default."""
    words = [invocation.name, invocation.arguments.environment]
    for shown, name in {
        **own_arguments(invocation.parser),
        "--accept-cluster": "accept_cluster",
        "--audit": "audit",
    }.items():
        given = getattr(invocation.arguments, name)
        if shown == "--only" or given == OnConflict.FAIL:
            continue
        values = given if isinstance(given, list) else [given] if isinstance(given, str) else []
        is_option = shown.startswith("--")
        words += [word for value in values for word in ([shown, value] if is_option else [value])]
        words += [shown] if given is True else []
    return tuple(words)


def code_of_run(outcome: Outcome) -> int:
    """The exit code of a writing command or an undo; never 0 where something is left out or stops its plan."""
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.is_incomplete:
        return INCOMPLETE
    is_found = outcome.end in {End.BLOCKED, End.CHANGED} or not outcome.plan.is_clean
    return FOUND if is_found or outcome.has_differences else OK
