"""Defines the exit codes and derives them from what a command found; scripts and CI rely on them."""

from __future__ import annotations

TYPE_CHECKING = False  # not from typing: `--help` is to start at once
if TYPE_CHECKING:
    from collections.abc import Collection

    from compiler.change.plan import Outcome
    from compiler.model.diagnostic import Diagnostic

OK = 0
# Diagnostics of error severity (with `--strict` warnings too), a stale file, or a difference.
FOUND = 1
USAGE = 2
# Unreachable, no permission, a program that is missing, or a defect of this one.
COULD_NOT_RUN = 3
# A part is done, and the same command goes on from there.
INCOMPLETE = 4
INTERRUPTED = 130

# The code of a command that ends with a refusal, by the refusal's kind.
OF_REFUSAL = {"usage": USAGE, "cannot run": COULD_NOT_RUN, "found": FOUND}

MEANINGS = {
    OK: "success",
    FOUND: "errors in the input, a stale file, differences, or a plan that is blocked",
    USAGE: "the command line is wrong",
    COULD_NOT_RUN: "could not run: something is unreachable, not permitted or missing",
    INCOMPLETE: "incomplete; run the same command again to continue",
    INTERRUPTED: "interrupted",
}


def code_of(diagnostics: Collection[Diagnostic], *, is_strict: bool = False, is_answered: bool = True) -> int:
    """The exit code of a command that found `diagnostics`; `is_strict` counts warnings too."""
    from compiler.model.diagnostic import Severity  # noqa: PLC0415 - see above

    if not is_answered:
        return COULD_NOT_RUN
    grave = {Severity.ERROR, Severity.WARNING} if is_strict else {Severity.ERROR}
    return FOUND if any(each.severity in grave for each in diagnostics) else OK


def code_of_run(outcome: Outcome) -> int:
    """The exit code of a writing command or an undo; never 0 where something is left out or stops its plan."""
    from compiler.change.plan import End  # noqa: PLC0415 - see above

    if outcome.interrupted:
        return INTERRUPTED
    is_partial = (outcome.end is End.APPLIED and bool(outcome.plan.left_out)) or bool(outcome.plan.unsettled)
    if is_partial or outcome.is_incomplete:
        return INCOMPLETE
    is_found = outcome.end in {End.BLOCKED, End.CHANGED} or not outcome.plan.is_clean
    return FOUND if is_found or outcome.has_differences else OK
