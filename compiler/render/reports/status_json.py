"""Reports the status of environments to programs: every row with its reasons and dates; never a value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.render.envelope import envelope

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from compiler.operations.status.next_step import Next
    from compiler.operations.status.row import Row, Seen
    from compiler.operations.status.so_far import Looked
    from compiler.operations.status.wait import Waited


def status_report(found: Sequence[tuple[Looked, Next]], exit_code: int) -> dict[str, Any]:
    """The whole object: what was found of each environment with what comes next."""
    name = found[0][0].status.environment.name if len(found) == 1 else None
    content = {"environments": [_status(looked, step) for looked, step in found]}
    return envelope("status", name, exit_code, content)


def _wait(waited: Waited) -> dict[str, Any]:
    return {
        "end": str(waited.end),
        "timeoutSeconds": round(waited.seconds),
        "unanswered": waited.unanswered or None,
        "notCompared": [{"secret": name, "what": list(what)} for name, what in waited.not_compared.items()],
    }


def _status(looked: Looked, step: Next) -> dict[str, Any]:
    status, progress = looked.status, looked.status.progress
    return {
        "environment": status.environment.name,
        "moves": None
        if progress is None
        else {
            "to": progress.to.id,
            "steps": [list(step) for step in progress.steps],
            "next": progress.next + 1 if progress.next is not None else None,
        },
        "secrets": [_row(row) for row in status.rows],
        "notAnswered": list(status.closed),
        "waysOut": list(dict.fromkeys(status.helps[why] for why in status.closed if why in status.helps)),
        "first": step.first or None,
        "next": list(step.commands),
        "forced": list(looked.forced),
        "wait": _wait(looked.waited) if looked.waited is not None else None,
    }


def _row(row: Row) -> dict[str, Any]:
    values = row.values
    return {
        "secret": row.secret.id,
        "target": f"{row.secret.namespace}/{row.secret.entry.target}",
        "store": row.store.id,
        "to": row.to.id if row.to is not None else None,
        "step": row.step,
        "other": {
            "store": row.other.id if row.other is not None else None,
            "comparison": str(values.likeness),
            "different": list(values.different),
            "missing": list(values.missing),
            "onlyThere": list(values.only_there),
        },
        "faults": list(values.faults),
        "written": _date(values.written),
        "expires": _date(values.expires),
        "live": _seen(row.seen) if row.seen is not None else None,
    }


def _seen(seen: Seen) -> dict[str, Any]:
    return {
        "state": str(seen.state),
        "problems": [{"state": str(each.state), "message": each.message} for each in seen.problems],
        "causes": list(seen.causes),
        "nextTrySeconds": seen.next_try,
        "help": seen.helps[0] if seen.helps else None,
        "helps": list(seen.helps),
        "notes": list(seen.notes),
        "refreshed": _date(seen.refreshed),
        "pods": seen.pods,
        "notAsked": list(seen.not_asked),
    }


def _date(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
