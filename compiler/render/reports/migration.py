"""A migration's plan, its results or its undo in; lines for people, or an object for programs without a value, out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from compiler.operations.change.plan import WRITING, Kind, NoteKind, OnConflict, State
from compiler.operations.change.undo import UndoKind
from compiler.render.reports.changes import safe
from compiler.render.reports.version_loss import loss_lines, loss_note
from compiler.text.credential import conceal
from compiler.text.printable import printable
from compiler.text.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from compiler.operations.change.plan import Adopted, Location, Note, Outcome, Plan, Result, Step
    from compiler.operations.change.undo import UndoStep
    from compiler.operations.change.version_loss import VersionLoss

REPORT_FORMAT = 1
# Colours of the words that ask for attention; the others have none.
_COLOURS = {Kind.CONFLICT: "31", Kind.REFUSE: "31", Kind.MISSING: "31", Kind.CREATE: "32", Kind.UPDATE: "33"}

_LEFT_BEHIND = {
    NoteKind.EXPIRES: "the expiry date",
    NoteKind.NOT_BEFORE: "the activation date",
    NoteKind.CONTENT_TYPE: "the content type",
    NoteKind.TAGS: "the tags",
}
_DATED = {NoteKind.EXPIRED: "expired in the source", NoteKind.NOT_YET_VALID: "not yet valid in the source"}
_KEPT = {
    NoteKind.KEEPS_EXPIRES: "the past expiry date of",
    NoteKind.KEEPS_NOT_BEFORE: "the activation date, ahead, of",
}
# A line of a plan; the report for programs names all.
_MOST_NAMES = 12


def plan_lines(plan: Plan, *, colour: bool = False) -> Iterator[str]:
    """The plan as a table: a line for each key, with why and what to do below those that stop it."""
    for name, address in plan.sources.items():
        yield f"from {_quoted(name)} at {printable(address)}"
    yield f"to   {_quoted(plan.destination)} at {printable(plan.destination_address)}"
    widest = max((len(_key(step)) for step in plan.steps), default=0)
    for step in plan.steps:
        word = step.kind.ljust(8)
        if colour and step.kind in _COLOURS:
            word = f"\x1b[{_COLOURS[step.kind]}m{word}\x1b[0m"
        yield f"  {word}  {_key(step).ljust(widest)}  {_shown(step.destination)}".rstrip()
        if step.reason:
            help_text = f"; {printable(step.remedy)}" if step.remedy else ""
            yield f"            {printable(step.reason)}{help_text}"
    for secret, why in plan.skipped:
        yield f"  skipped   {printable(secret)}: {printable(why)}"
    if plan.skipped and not plan.steps:
        yield "name the store to copy from with --from"
    if plan.extras and not plan.options.all_properties:
        yield "properties that no key of the catalogue names, left out without --all-properties:"
        yield from (f"  {_shown(place)}" for place in plan.extras)
    yield from _note_lines(plan)
    yield from loss_lines(plan.losses)
    if plan.left_out:
        yield "not in the run that is resumed, and left for the next one:"
        yield from (f"  {printable(plan.destination)}:{safe(name)}" for name in plan.left_out)
    yield summary(plan)


def summary(plan: Plan) -> str:
    """One line of counts, in the order of the kinds."""
    found = Counter(step.kind for step in plan.steps)
    counts = ", ".join(f"{found[kind]} {kind}" for kind in Kind if found[kind]) or "nothing to move"
    return f"plan: {counts}; {counted(len(plan.writes), 'remote secret')} to write"


def result_line(store: str, result: Result) -> str:
    """What became of one remote secret."""
    where = f"{printable(store)}:{safe(result.name)}"
    version = f", version {printable(result.version)}" if result.version else ""
    reason = f": {printable(result.reason)}" if result.reason else ""
    remedy = f"; {printable(result.remedy)}" if result.remedy else ""
    state = "not begun" if result.state is State.PENDING else str(result.state)
    return f"{where} {state}{version}{reason}{remedy}"


def unaudited_lines(store: str, unaudited: Sequence[Adopted]) -> Iterator[str]:
    """The stored writes that the audit file lacks, and how it gets them."""
    for each in unaudited:
        where = f"{printable(store)}:{safe(each.name)}"
        yield f"error: the audit file has no line of {where}, version {printable(each.version)}"
    yield "help: run the same command again with --audit FILE: it adds what is missing"


def undo_lines(steps: Sequence[UndoStep], store: str, losses: Sequence[VersionLoss] = ()) -> Iterator[str]:
    """The plan of an undo, a line for each remote secret."""
    for step in steps:
        yield f"  {step.kind.ljust(8)}  {printable(store)}:{safe(step.name)}".rstrip()
        if step.reason:
            help_text = f"; {printable(step.remedy)}" if step.remedy else ""
            yield f"            {printable(step.reason)}{help_text}"
    yield from loss_lines(losses)
    found = Counter(step.kind for step in steps)
    yield "undo: " + (", ".join(f"{found[kind]} {kind}" for kind in UndoKind if found[kind]) or "nothing was written")


def report(plan: Plan, outcome: Outcome | None, exit_code: int) -> dict[str, Any]:
    """Everything about a plan, and about a run where there was one; names, places, versions, never a value."""
    found = Counter(step.kind for step in plan.steps)
    return {
        "format": REPORT_FORMAT,
        "environment": plan.environment,
        "sources": dict(plan.sources),
        "destination": {"store": plan.destination, "address": plan.destination_address},
        "onConflict": str(plan.options.on_conflict),
        "steps": [_step(step) for step in plan.steps],
        "counts": {str(kind): found[kind] for kind in Kind},
        "extras": [_place(place) for place in plan.extras],
        "skipped": [{"secret": secret, "reason": why} for secret, why in plan.skipped],
        "leftOut": [conceal(name) for name in plan.left_out],
        "notes": [*map(_note, plan.notes), *_loss_notes(plan)],
        "blocked": plan.is_blocked,
        **_outcome(outcome),
        "exitCode": exit_code,
    }


def undo_report(
    run: str,
    steps: Sequence[UndoStep],
    outcome: Outcome | None,
    exit_code: int,
    losses: Sequence[VersionLoss] = (),
) -> dict[str, Any]:
    return {
        "format": REPORT_FORMAT,
        "undo": run,
        "steps": [
            {
                "name": conceal(step.name),
                "kind": str(step.kind),
                "keys": [conceal(key) for key in step.keys],
                "version": step.version,
                "reason": step.reason or None,
                "remedy": step.remedy or None,
            }
            for step in steps
        ],
        "notes": [loss_note(loss) for loss in losses],
        **_outcome(outcome),
        "exitCode": exit_code,
    }


def blocked_reason(plan: Plan) -> str:
    """Why a plan is not applied, with the way on."""
    stops = {Kind.REFUSE, Kind.MISSING}
    if plan.options.on_conflict is not OnConflict.SKIP:
        stops.add(Kind.CONFLICT)
    count = sum(step.kind in stops for step in plan.steps)
    what = "1 key stops" if count == 1 else f"{count} keys stop"
    rest = any(step.kind in WRITING for step in plan.steps)
    return f"nothing was written: {what} this plan" + ("; --continue-on-error writes the rest" if rest else "")


def plan_end(plan: Plan, *, continue_on_error: bool) -> str:
    """The last line of a plan that is only shown: what --apply would make of it."""
    if plan.is_blocked and not continue_on_error:
        return blocked_reason(plan)
    return (
        "nothing was written; --apply writes this plan"
        if plan.writes
        else "nothing was written: there is nothing to write"
    )


def _note_lines(plan: Plan) -> Iterator[str]:
    """A line for what is left behind, and one for the dates of each end that are past or ahead."""
    by_kind: dict[NoteKind, dict[str, datetime | None]] = {}
    for note in plan.notes:
        by_kind.setdefault(note.kind, {}).setdefault(note.secret, note.date)
    left = [f"{what} of {_named(list(by_kind[kind]))}" for kind, what in _LEFT_BEHIND.items() if kind in by_kind]
    if left:
        yield f"not taken along to {_quoted(plan.destination)}: {'; '.join(left)}"
    for begin, kinds in (
        ("copied all the same:", _DATED),
        (f"kept in {_quoted(plan.destination)} until somebody changes it:", _KEPT),
    ):
        dated = [
            f"{what} {_named([f'{secret} ({date:%Y-%m-%d})' for secret, date in by_kind[kind].items()])}"
            for kind, what in kinds.items()
            if kind in by_kind
        ]
        if dated:
            yield f"{begin} {'; '.join(dated)}"


def _note(note: Note) -> dict[str, Any]:
    return {
        "kind": str(note.kind),
        "secret": note.secret,
        "place": {"store": note.place.store, "name": conceal(note.place.name)},
        "date": note.date.isoformat() if note.date is not None else None,
    }


def _loss_notes(plan: Plan) -> Iterator[dict[str, Any]]:
    """With the first secret that is written there, and a place, as the other notes of a migration have them."""
    writes = {write.name: write for write in plan.writes}
    for loss in plan.losses:
        place = {"store": plan.destination, "name": conceal(loss.name)}
        yield {"secret": writes[loss.name].steps[0].secret, "place": place, **loss_note(loss)}


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(safe(name) for name in names[:_MOST_NAMES])
    return shown + (f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else "")


def _outcome(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {"applied": False, "run": None, "results": [], "unaudited": []}
    results = [
        {
            "name": conceal(result.name),
            "state": str(result.state),
            "version": result.version,
            "otherVersions": list(result.slipped),
            "code": result.code or None,
            "reason": result.reason or None,
            "remedy": result.remedy or None,
        }
        for result in outcome.results
    ]
    return {
        "applied": True,
        "run": outcome.run,
        "interrupted": outcome.interrupted,
        "results": results,
        "unaudited": [{"name": conceal(each.name), "version": each.version} for each in outcome.unaudited],
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "secret": step.secret,
        "key": conceal(step.key),
        "kind": str(step.kind),
        "source": _place(step.source),
        "destination": _place(step.destination),
        "reason": step.reason or None,
        "remedy": step.remedy or None,
    }


def _place(place: Location | None) -> dict[str, str | None] | None:
    return (
        None
        if place is None
        else {
            "store": place.store,
            "name": conceal(place.name),
            "property": conceal(place.property) if place.property is not None else None,
        }
    )


def _key(step: Step) -> str:
    return safe(f"{step.secret}/{step.key}")


def _shown(place: Location | None) -> str:
    return safe(str(place)) if place is not None else ""


def _quoted(name: str) -> str:
    return f'"{printable(name)}"'
