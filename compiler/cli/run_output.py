"""Shows the plan, progress and result of a writing command, and asks for confirmation where needed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from compiler.cli.defect import describe
from compiler.cli.exit_codes import INCOMPLETE, code_of_run
from compiler.cli.terminal.command_output import CommandOutput
from compiler.cli.terminal.interrupts import GOES_ON, NOTHING_WRITTEN, interruption, stoppable
from compiler.cli.terminal.outlet import standard_error, standard_output
from compiler.cli.terminal.progress import Progress
from compiler.cli.terminal.prompts import confirmed
from compiler.operations.change.plan import WRITING, State
from compiler.operations.change.run import Applying, End
from compiler.operations.cluster.connect import missing_for_cluster
from compiler.render.reports.plan_json import plan_report
from compiler.render.reports.plan_text import (
    blocked_reason,
    in_cluster_lines,
    outcome_lines,
    plan_lines,
    result_line,
    unaudited_lines,
    undo_lines,
)
from compiler.text.wording import counted

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping

    from compiler.cli.invocation import Invocation
    from compiler.operations.change.plan import Outcome, Plan, Result
    from compiler.operations.change.run import Ended
    from compiler.operations.live.refresh import RefreshTimes

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

        def report(result: Result) -> None:
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
