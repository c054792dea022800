"""What `put`, `restore` and `backup` plan and did, in; lines for people, or an object for programs, out; no value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.operations.change.stale_dates import DateKind, stale_dates
from compiler.render.reports.changes import safe
from compiler.render.reports.version_loss import loss_lines, loss_note
from compiler.text.printable import printable
from compiler.text.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from compiler.model.place import Place
    from compiler.operations.backup.format import Backup, KeyName
    from compiler.operations.backup.gather import Gathered
    from compiler.operations.backup.restore import RestorePlan
    from compiler.operations.put.plan import Target
    from compiler.operations.put.set_keys import ChangePlan
    from compiler.operations.put.write_keys import Outcome

REPORT_FORMAT = 1
_DATES = {
    DateKind.EXPIRED: "expiry date, {}, which is past",
    DateKind.NOT_YET_VALID: "activation date, {}, which lies ahead",
}


def put_lines(target: Target, plan: ChangePlan) -> Iterator[str]:
    """The plan of a `put`: a line for each key, and why below those that are refused."""
    for address, who in plan.who.items():
        yield safe(f"{target.secret.id} in {target.store.id} ({address}), as {who}")
    widest = max(len(key.key) for key in plan.keys)
    for key in plan.keys:
        word = str(key.change) if key.refusal is None else "refused"
        yield f"  {word:<8} {key.key.ljust(widest)}  {safe(key.place.remote_key)}"
        if key.refusal is not None:
            yield f"           {safe(key.refusal)}"
    yield from _note_lines(plan)


def restore_lines(shown: str, backup: Backup, plan: RestorePlan) -> Iterator[str]:
    """What the backup `shown` is, and the plan: a line for each key, and why below those that are refused."""
    counts = f"{counted(len(backup.secrets), 'secret')}, {counted(len(backup.values), 'key')}"
    yield safe(f"{shown}: {backup.environment} at {backup.time}, {counts}")
    if backup.missing:
        named = ", ".join(f"{secret}/{key}" for secret, key in backup.missing)
        yield f"  not in it, as they could not be had then: {safe(named)}"
    for address, who in plan.changes.who.items():
        yield safe(f"into {address}, as {who}")
    widest = max((len(f"{step.secret}/{step.key}") for step in plan.steps), default=0)
    for step in plan.steps:
        name, place = f"{step.secret}/{step.key}", step.place.remote_key if step.place is not None else ""
        yield f"  {step.action:<8} {safe(name.ljust(widest))}  {safe(place)}".rstrip()
        if step.reason:
            yield f"           {safe(step.reason)}"
    yield from _note_lines(plan.changes)


def put_report(
    environment: str, target: Target, plan: ChangePlan | None, done: Mapping[str, Any], exit_code: int
) -> dict[str, Any]:
    """A `put`; no plan where nothing was typed. `done` is what `results` returned."""
    keys = plan.keys if plan is not None else ()
    return {
        "format": REPORT_FORMAT,
        "environment": environment,
        "secret": target.secret.id,
        "store": target.store.id,
        "callers": _callers(plan),
        "keys": [
            {
                "key": safe(key.key),
                "place": _place(key.place),
                "change": str(key.change) if key.refusal is None else "refused",
                "reason": safe(key.refusal) if key.refusal is not None else None,
            }
            for key in keys
        ],
        "notes": _notes(plan),
        **done,
        "exitCode": exit_code,
    }


def restore_report(
    environment: str, backup: Backup, plan: RestorePlan, done: Mapping[str, Any], exit_code: int
) -> dict[str, Any]:
    """A `restore`; `done` is what `results` returned."""
    return {
        "format": REPORT_FORMAT,
        "environment": environment,
        "backup": _backup(backup),
        "callers": _callers(plan.changes),
        "keys": [
            {
                "secret": safe(step.secret),
                "key": safe(step.key),
                "place": _place(step.place),
                "action": str(step.action),
                "reason": safe(step.reason) or None,
            }
            for step in plan.steps
        ],
        "blocked": plan.is_blocked,
        "notes": _notes(plan.changes),
        **done,
        "exitCode": exit_code,
    }


def backup_report(gathered: Gathered, shown: str, exit_code: int, *, is_written: bool) -> dict[str, Any]:
    """A `backup` to the file `shown`: the names of what is in it, and of what is not and why."""
    return {
        "format": REPORT_FORMAT,
        "environment": gathered.backup.environment,
        "file": safe(shown),
        "written": is_written,
        "backup": _backup(gathered.backup),
        "lacking": [
            {
                "secret": safe(lacking.name[0]),
                "key": safe(lacking.name[1]),
                "place": _place(lacking.place),
                "reason": safe(lacking.reason),
            }
            for lacking in gathered.lacking
        ],
        "leftOut": [{"name": safe(name), "property": safe(property_)} for name, property_ in gathered.left_out],
        "exitCode": exit_code,
    }


def results(
    run: str | None = None, outcomes: Sequence[Outcome] = (), *, is_interrupted: bool = False
) -> dict[str, Any]:
    """What became of the writes, as a part of a report; `run` is what the audit file calls them, if they were begun."""
    return {
        "applied": run is not None,
        "run": run,
        "interrupted": is_interrupted,
        "results": [
            {
                "address": outcome.remote.writer.address.absolute,
                "name": safe(outcome.remote.name),
                "state": str(outcome.state),
                "version": printable(outcome.version) if outcome.version is not None else None,
                "reason": safe(outcome.reason) or None,
                "remedy": safe(outcome.remedy) or None,
            }
            for outcome in outcomes
        ],
    }


def _note_lines(plan: ChangePlan) -> Iterator[str]:
    for found in stale_dates(plan):
        dated, what = f"{found.date:%Y-%m-%d}", _DATES[found.kind]
        yield f"  note: the new version of {safe(found.name)} keeps its {what.format(dated)}"
        yield f"        help: once it is written: {safe(found.remedy)}"
    yield from loss_lines(plan.losses, "  ")


def _notes(plan: ChangePlan | None) -> list[dict[str, Any]]:
    if plan is None:
        return []
    dates = [
        {
            "kind": str(found.kind),
            "name": safe(found.name),
            "date": found.date.isoformat(),
            "remedy": safe(found.remedy),
        }
        for found in stale_dates(plan)
    ]
    return [*dates, *map(loss_note, plan.losses)]


def _callers(plan: ChangePlan | None) -> list[dict[str, str]]:
    who = plan.who if plan is not None else {}
    return [{"address": safe(address), "who": safe(name)} for address, name in who.items()]


def _backup(backup: Backup) -> dict[str, Any]:
    return {
        "environment": safe(backup.environment),
        "time": safe(backup.time),
        "secrets": _grouped(backup.values),
        "missing": _grouped(backup.missing),
    }


def _grouped(names: Mapping[KeyName, object] | Sequence[KeyName]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for secret, key in names:
        grouped.setdefault(safe(secret), []).append(safe(key))
    return grouped


def _place(place: Place | None) -> dict[str, str | None] | None:
    if place is None:
        return None
    return {"name": safe(place.remote_key), "property": safe(place.property) if place.property is not None else None}
