"""What a migration or its undo did, in; lines or one object on standard output, and the exit code, out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.defect import describe
from compiler.cli.exit_codes import FOUND, INCOMPLETE, INTERRUPTED, OK
from compiler.cli.terminal.command_output import CommandOutput
from compiler.cli.terminal.progress import Progress
from compiler.operations.change.plan import State
from compiler.operations.runs.audit import AuditLog
from compiler.operations.runs.notes import Notes
from compiler.render.reports.migration import result_line, unaudited_lines

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from compiler.cli.invocation import Invocation
    from compiler.operations.change.plan import Outcome, Result
    from compiler.operations.runs.journal import Journal
    from compiler.stores.interface import SecretWriter

GOES_ON = "run the same command again to go on from here"
_FINE = frozenset({State.DONE, State.KEPT})


class RunOutput(CommandOutput):
    """Prints how a run goes, too."""

    def __init__(self, arguments: Namespace, invocation: Invocation) -> None:
        super().__init__(arguments, invocation)
        # The outlet paints, and only what a renderer says is to be painted.
        self.may_colour = False
        self._is_quiet = arguments.quiet

    @contextmanager
    def progress(self, total: int, store: str) -> Iterator[Callable[[Result], None]]:
        """Called with each result of `total`, show how far it is; why one is not fine is for the end to say, once."""
        bar = Progress(total, quiet=self._is_quiet)
        try:
            yield lambda result: bar.step(
                result_line(store, replace(result, reason="", remedy="")), is_fine=result.state in _FINE
            )
        finally:
            # An interrupt is told on a line of its own.
            bar.close()

    def outcome(self, outcome: Outcome, store: str) -> None:
        """Tell what is not as it should be, and how it ended."""
        if outcome.defect is not None:
            sys.stdout.flush()
            sys.stderr.write(describe(outcome.defect, is_debug=self.is_debug))
        if outcome.unnoted:
            sys.stdout.flush()
            sys.stderr.write(f"error: the run's end is not noted: {outcome.unnoted}\n")
        if outcome.unaudited:
            sys.stdout.flush()
            sys.stderr.writelines(f"{line}\n" for line in unaudited_lines(store, outcome.unaudited))
        done = outcome.count(*_FINE)
        self.lines(result_line(store, result) for result in outcome.results if result.state not in _FINE)
        self.lines([f"run {outcome.run}: {done} of {len(outcome.results)} done and verified"])
        if outcome.is_incomplete:
            word = "interrupted" if outcome.interrupted else "incomplete"
            self.lines([f"{word}; {GOES_ON}"])


def notes_of(
    stack: ExitStack,
    journal: Callable[[], Journal],
    environment: str,
    destination: SecretWriter,
    audit: str | None,
    *,
    is_audited: bool = False,
) -> Notes:
    """Where a run is written down. The audit file is opened first: a run that cannot be noted there is not begun.

    With `is_audited` an earlier part of the run had one.
    """
    log, who = None, ""
    if audit is not None:
        log = stack.enter_context(AuditLog(Path(audit)))
        who = destination.whoami().subject
    opened = journal()
    stack.callback(opened.close)
    return Notes(opened, environment, log, who, is_audited)


def code_of(outcome: Outcome, *, is_clean: bool) -> int:
    """The exit code of a run or an undo; of a plan that is not clean it is never 0."""
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.is_incomplete:
        return INCOMPLETE
    return OK if is_clean and not outcome.has_differences else FOUND
