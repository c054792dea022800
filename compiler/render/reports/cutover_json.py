"""Reports the plan of a switch to programs: the gate, the edit, the changes and the commands; never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.render.envelope import envelope
from compiler.render.reports.changes import as_data

if TYPE_CHECKING:
    from compiler.operations.cutover.check import Check
    from compiler.operations.cutover.run import Cutover, Effect


def cutover_report(
    cutover: Cutover, written: tuple[str, ...], commit: tuple[str, str] | None, exit_code: int
) -> dict[str, Any]:
    """The whole object; `commit` is None where nothing can be committed."""
    request, progress = cutover.commands.request, cutover.wish.progress
    comparison = cutover.comparison
    changes = cutover.trial.changes() if not cutover.is_refused else {}
    content = {
        "mode": str(request.mode),
        "to": cutover.wish.store.id,
        "step": progress.next + 1 if progress is not None and progress.next is not None else None,
        "steps": [list(step) for step in progress.steps] if progress is not None else [],
        "alreadyThere": list(cutover.wish.there),
        "switches": [_switch(each) for each in cutover.effects()],
        "keys": [
            {
                "environment": each.switch.environment.name,
                "secret": each.switch.secret,
                "key": each.key,
                "comparison": str(each.likeness),
            }
            for each in (comparison.keys if comparison is not None else ())
        ],
        "checks": [_check(each) for each in cutover.checks],
        "dependants": list(cutover.trial.names),
        "file": cutover.file,
        "diff": list(cutover.diff()),
        "changes": [{"environment": name, **as_data(each)} for name, found in changes.items() for each in found],
        "written": list(written),
        "commit": list(commit) if commit is not None else [],
    }
    return envelope("cutover", cutover.trial.before.name, exit_code, content)


def _switch(effect: Effect) -> dict[str, Any]:
    switch = effect.switch
    return {
        "environment": switch.environment.name,
        "secret": switch.secret,
        "from": switch.source.id,
        "to": switch.destination.id,
        "target": effect.title,
        "changing": list(effect.changing),
        "unknown": list(effect.unknown),
        "readers": list(effect.readers),
    }


def _check(check: Check) -> dict[str, Any]:
    return {
        "about": str(check.about),
        "verdict": str(check.verdict),
        "message": check.message,
        "mend": "; ".join(check.mends) or None,
    }
