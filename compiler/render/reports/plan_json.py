"""Reports the plan and result of a writing command to programs: names, versions and states, never a value."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from compiler.operations.change.plan import Kind
from compiler.operations.change.run import End
from compiler.render.envelope import envelope
from compiler.render.reports.version_loss import loss_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.operations.change.plan import Location, Note, Plan, Result, Step
    from compiler.operations.change.run import Ended


def plan_report(command: str, ended: Ended, exit_code: int, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Everything about a plan, and about a run where there was one; `extra` is the command's own."""
    plan, outcome = ended.plan, ended.outcome
    found = Counter(step.kind for step in plan.steps)
    secrets = {write.target: write.steps[0].secret for write in plan.writes if write.steps}
    content = {
        **(extra or {}),
        "sources": [
            {"store": store, "address": address, **_served(plan, store)} for store, address in plan.sources.items()
        ],
        "destinations": [
            {"store": store, "address": address, "caller": plan.who.get(store), **_served(plan, store)}
            for store, address in plan.destinations.items()
        ],
        "onConflict": str(plan.options.on_conflict),
        "steps": [_step(step) for step in plan.steps],
        "deletions": [
            {"store": write.store, "name": write.name, "versions": list(write.versions)}
            for write in plan.writes
            if write.versions and not write.recover
        ],
        "counts": {str(kind): found[kind] for kind in Kind},
        "extras": [_place(place) for place in plan.extras],
        "skipped": [{"secret": secret, "reason": why} for secret, why in plan.skipped],
        "leftOut": [{"store": store, "name": name} for store, name in plan.left_out],
        "notes": [
            *map(_note, plan.notes),
            *(loss_note(loss, secrets.get(loss.target)) for loss in plan.losses),
        ],
        "blocked": plan.is_blocked,
        "applied": ended.end is End.APPLIED,
        "run": outcome.run if outcome is not None else None,
        "interrupted": outcome is not None and outcome.interrupted,
        "results": [_result(result) for result in outcome.results] if outcome is not None else [],
        "unaudited": [
            {"store": each.store, "name": each.name, "version": each.version}
            for each in (outcome.unaudited if outcome is not None else ())
        ],
    }
    return envelope(command, plan.environment, exit_code, content)


def _served(plan: Plan, store: str) -> dict[str, str | None]:
    """The id that its server says it has, and the written address that a variable replaced."""
    served = plan.served.get(store)
    cluster = served.cluster if served is not None else None
    return {
        "clusterId": cluster.id if cluster is not None else None,
        "replaces": served.replaces if served is not None else None,
    }


def _note(note: Note) -> dict[str, Any]:
    return {
        "kind": str(note.kind),
        "secret": note.secret,
        "place": {"store": note.place.store, "name": note.place.name},
        "date": note.date.isoformat() if note.date is not None else None,
        "versions": [],
        "keeps": None,
        "remedy": note.remedy or None,
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "store": result.store,
        "name": result.name,
        "state": str(result.state),
        "version": result.version,
        "otherVersions": list(result.slipped),
        "code": result.code or None,
        "reason": result.reason or None,
        "remedy": result.remedy or None,
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "secret": step.secret,
        "key": step.key,
        "kind": str(step.kind),
        "source": _place(step.source),
        "destination": _place(step.destination),
        "reason": step.reason or None,
        "remedy": "; ".join(step.remedies) or None,
    }


def _place(place: Location | None) -> dict[str, str | None] | None:
    if place is None:
        return None
    named = place.property if place.property is not None else None
    return {"store": place.store, "name": place.name, "property": named}
