"""Shows the plan and the outcome of a command that writes to stores, for people and as JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from compiler.change.operations import DeleteVersions, NewVersion
from compiler.change.plan import (
    WRITING,
    End,
    Kind,
    Note,
    NoteKind,
    Outcome,
    Plan,
    State,
    Step,
    Target,
    WriteResult,
)
from compiler.model import group_pairs
from compiler.model.environment import ALL_KEYS
from compiler.model.facts import short_duration
from compiler.model.inventory import RefreshTimes
from compiler.render.content import HANGING, Line, Painted, Piece, Style, Wrapped, members
from compiler.text.wording import PROGRAM, command_line, name_versions, pieces_of, pluralize, repeat_option

_BEGIN = {
    NoteKind.DROPS_WAY_BACK: "the store will drop the version that is replaced, and it cannot be restored:",
    NoteKind.DROPS_VERSIONS: "the store will permanently drop earlier versions:",
    NoteKind.LOSS_UNKNOWN: "unknown whether the store will drop earlier versions:",
    NoteKind.DELETES_ITSELF: "what is written will delete itself:",
}
_PURPOSES = {NoteKind.LOSS_UNKNOWN: "", NoteKind.DELETES_ITSELF: "to have it stay, first: "}
_MOST_VERSIONS = 5
_NOTE_INDENT = len("note: ")


def loss_lines(losses: Sequence[Note]) -> Iterator[Line]:
    """Each kind of loss with its secrets, then the remedy for the first, on a line to copy."""
    for kind, begin in _BEGIN.items():
        found = [loss for loss in losses if loss.kind is kind]
        if not found:
            continue
        yield Wrapped((f"note: {begin} ", *pieces_of([_loss_text(loss) for loss in found])), _NOTE_INDENT, HANGING)
        purpose = _PURPOSES.get(kind, "to keep them, first: ")
        others = ", and likewise for the others" if len(found) > 1 else ""
        yield " " * _NOTE_INDENT, "help: ", purpose, found[0].remedy, others


def _loss_text(loss: Note) -> str:
    if loss.date is not None:
        after = short_duration(loss.lives or 0)
        return f"{loss.place.name} ({after} after the write, on {loss.date:%Y-%m-%d %H:%M} UTC)"
    if not loss.versions:
        return loss.place.name
    what = name_versions(loss.versions)
    if len(loss.versions) > _MOST_VERSIONS:
        what = f"{len(loss.versions)} versions from {loss.versions[0]} to {loss.versions[-1]}"
    return f"{loss.place.name} ({what}; the store keeps {pluralize(loss.keeps or 0, 'version')})"


_STYLES = {
    Kind.CONFLICT: Style.RED,
    Kind.REFUSE: Style.RED,
    Kind.MISSING: Style.RED,
    Kind.DELETE: Style.RED,
    Kind.REMOVE: Style.RED,
    Kind.CREATE: Style.GREEN,
    Kind.UPDATE: Style.YELLOW,
    Kind.RECOVER: Style.YELLOW,
}
_OTHERS = {
    Kind.KEEP: "unchanged",
    Kind.CONFLICT: "in conflict",
    Kind.REFUSE: "refused",
    Kind.MISSING: "missing",
}
_INDENT = 12
_HANG = 2
# How a command or a policy at the end of a remedy begins, which is to be copied.
_COPIED = (f"{PROGRAM} ", 'path "')
# It moves no value from one store to another.
_RETIRE = "retire"
_FINE = frozenset({State.DONE, State.KEPT})
# So many secrets a command names one by one.
_FEW = 5

_LEFT_BEHIND = {
    NoteKind.EXPIRES: "the expiry date",
    NoteKind.NOT_BEFORE: "the activation date",
    NoteKind.CONTENT_TYPE: "the content type",
    NoteKind.TAGS: "the tags",
    NoteKind.AGE: "the age",
}
_DATED = {NoteKind.EXPIRED: "expired in the source", NoteKind.NOT_YET_VALID: "not yet valid in the source"}
_KEPT = {
    NoteKind.KEEPS_EXPIRES: "the expiry date, in the past, of",
    NoteKind.KEEPS_NOT_BEFORE: "the activation date, in the future, of",
}


def plan_lines(plan: Plan, *, verbose: bool = False) -> Iterator[Line]:
    """The plan: writes by remote secret, then what stops it, each reason once; `verbose` shows what stays."""
    yield from _store_lines(plan)
    for groups in _group_steps(plan, verbose=verbose):
        yield from _reason_lines(groups)
    for secret, why in plan.skipped:
        yield "  skipped   ", secret, ": ", why
    if plan.skipped and not plan.steps and plan.command != _RETIRE:
        yield "help: name the store to copy from with --from"
    if plan.extras and not plan.options.all_properties:
        yield "properties that are not in the catalogue, copied only with --all-properties:"
        yield from (("  ", str(place)) for place in plan.extras)
    yield from _expiry_lines(plan)
    yield from _note_lines(plan)
    yield from _unknown_access_lines(plan)
    yield from loss_lines(plan.losses)
    yield summary(plan)


def summary(plan: Plan) -> str:
    found = Counter(step.kind for step in plan.steps)
    to_write = ", ".join(
        f"{pluralize(found[kind], 'key')} to {kind}" for kind in Kind if found[kind] and kind in WRITING
    )
    others = ", ".join(f"{pluralize(found[kind], 'key')} {said}" for kind, said in _OTHERS.items() if found[kind])
    remote = pluralize(len(plan.writes), "remote secret")
    if plan.writes:
        to_write = f"{to_write}, in {remote}" if to_write else f"{remote} to write"
    return f"plan: {'; '.join(filter(None, (to_write, others))) or 'no changes'}"


def explain_block(plan: Plan, *, can_continue: bool) -> str:
    """Why a plan is not applied; `can_continue` if the command has --continue-on-error."""
    stopping = plan.stopping_kinds
    count = sum(step.kind in stopping for step in plan.steps)
    what = "1 key blocks" if count == 1 else f"{count} keys block"
    rest = can_continue and any(step.kind in WRITING for step in plan.steps)
    return f"nothing was written: {what} this plan" + ("; add --continue-on-error to write the rest" if rest else "")


def result_pieces(result: WriteResult) -> tuple[str, ...]:
    version = f", version {result.version}" if result.version else ""
    return f"{result.store}:{result.name}", f" {result.state}{version}"


def outcome_lines(outcome: Outcome) -> Iterator[Line]:
    """The failed writes, each cause once, and how many were not started."""
    failed = (each for each in outcome.results if each.state not in _FINE and each.state is not State.PENDING)
    causes = group_pairs([((each.state, each.version, each.reason, each.remedy), each) for each in failed])
    for *others, last in causes.values():
        names = (f"{each.store}:{each.name}, " for each in others)
        yield Wrapped((*names, *result_pieces(last), ": ", last.reason), _HANG, HANGING)
        if last.remedy:
            yield from _help_lines(last.remedy, _HANG)
    if pending := outcome.count(State.PENDING):
        yield f"{pluralize(pending, 'remote secret')} not started"
    if not outcome.results:
        # Where it goes on or is blocked, the lines around this one say what is left.
        yield from () if outcome.is_incomplete else (f"run {outcome.run}: nothing was left to write",)
        return
    done = outcome.count(*_FINE)
    yield f"run {outcome.run}: {done} of {len(outcome.results)} done and verified"


def in_cluster_lines(outcome: Outcome, times: RefreshTimes, missing: str | None) -> Iterator[Line]:
    """When the cluster gets the values, and a command to have it now; `missing` is what that command needs."""
    # What was recovered and is as it should be was not there for the operator before.
    secrets = times.of({(each.store, each.name) for each in outcome.results if each.state in _FINE})
    if not secrets:
        return
    only = repeat_option("--only", secrets) if len(secrets) <= _FEW else []
    line = command_line("status", outcome.plan.environment, *only, "--wait", "--force-sync")
    within = short_duration(max(secrets.values()))
    yield f"the cluster gets it within {within}; to have it now: ", line
    if missing is not None:
        yield "  which needs ", missing


def undo_lines(outcome: Outcome) -> Iterator[Line]:
    if outcome.count(State.DONE):
        words = (outcome.plan.command, outcome.plan.environment, "--undo", outcome.run, "--apply")
        yield "to undo it: ", command_line(*words)


def _store_lines(plan: Plan) -> Iterator[Line]:
    source, destination = ("served by", "in       ") if plan.command == _RETIRE else ("from", "to  ")
    for name, address in plan.sources.items():
        yield f'{source} "{name}"', " at ", address
    for name, address in plan.destinations.items():
        yield f'{destination} "{name}"', " at ", address, *((", as ", plan.who[name]) if name in plan.who else ())
    yield from plan.store_notes


def _group_steps(plan: Plan, *, verbose: bool) -> list[list[list[Step]]]:
    """The steps by kind and reason, writes first, and in these by remote secret; what stops is one group."""
    reasons: dict[tuple[object, ...], dict[Target | None, list[Step]]] = {}
    for step in plan.steps:
        if step.kind is Kind.KEEP and not verbose:
            continue
        is_written = step.kind in WRITING or step.kind is Kind.KEEP
        target = step.target if is_written else None
        reasons.setdefault((step.kind, step.reason, step.remedies), {}).setdefault(target, []).append(step)
    found = [list(groups.values()) for groups in reasons.values()]
    return sorted(found, key=lambda groups: groups[0][0].kind not in WRITING)


def _reason_lines(groups: Sequence[Sequence[Step]]) -> Iterator[Line]:
    for group in groups:
        yield from _group_lines(group)
    first = groups[0][0]
    if first.reason:
        # It stands below the last of the remote secrets that it is about.
        of = {1: "", 2: "for both: "}.get(len(groups), f"for all {len(groups)}: ")
        yield Wrapped((of, first.reason), _INDENT)
    for remedy in first.remedies:
        yield from _help_lines(remedy)


def _group_lines(group: Sequence[Step]) -> Iterator[Line]:
    first = group[0]
    style = _STYLES.get(first.kind)
    word: Piece = Painted(first.kind, style) if style is not None else str(first.kind)
    head: tuple[Piece, ...] = ("  ", word, " " * (_INDENT - 2 - len(first.kind)))
    if first.kind in WRITING or first.kind is Kind.KEEP:
        place = first.destination
        yield *head, f"{place.store}:{place.name}" if place is not None else ""
        yield Wrapped(_keys(group), _INDENT)
    else:
        # The reason has the place, or the key is enough to look it up.
        yield Wrapped(_keys(group), _INDENT, head)


def _keys(group: Iterable[Step]) -> tuple[str, ...]:
    """`jira: TOKEN, EMAIL; slack: TOKEN`, with the remote name of a key if it differs."""
    by_secret: dict[str, list[str]] = {}
    for step in group:
        place = step.destination
        other = place is not None and place.property not in {None, step.key}
        key = "every key" if step.key == ALL_KEYS else step.key
        named = f"{key} as {place.property}" if place is not None and other else key
        by_secret.setdefault(step.secret, []).append(named)
    return _join((secret, ": ", *pieces_of(keys, len(keys))) for secret, keys in by_secret.items())


def _help_lines(remedy: str, indent: int = _INDENT) -> Iterator[Line]:
    """The remedy, with what is to be copied on a line of its own, however long."""
    start = min((found for begin in _COPIED if (found := remedy.find(begin)) >= 0), default=len(remedy))
    yield Wrapped((f"help: {remedy[:start]}".rstrip(),), indent)
    if start < len(remedy):
        yield " " * indent, remedy[start:]


def _note_lines(plan: Plan) -> Iterator[Line]:
    by_kind: dict[NoteKind, dict[str, datetime | None]] = {}
    for note in plan.notes:
        by_kind.setdefault(note.kind, {}).setdefault(note.secret, note.date)
    left = [(f"{what} of ", *pieces_of(list(by_kind[kind]))) for kind, what in _LEFT_BEHIND.items() if kind in by_kind]
    if left:
        stores = ", ".join(f'"{store}"' for store in plan.destinations)
        yield Wrapped((f"not copied to {stores}: ", *_join(left)), _HANG, HANGING)
        yield from (("  help: to carry the age: ", remedy) for remedy in _remedies(plan, NoteKind.AGE))
    dated = [(f"{what} ", *_date_pieces(by_kind[kind])) for kind, what in _DATED.items() if kind in by_kind]
    if dated:
        yield Wrapped(("copied although ", *_join(dated)), _HANG, HANGING)
    for kind, what in _KEPT.items():
        if kind in by_kind:
            yield Wrapped((f"the new version keeps {what} ", *_date_pieces(by_kind[kind])), _HANG, HANGING)
            yield from (("  help: after the write: ", remedy) for remedy in _remedies(plan, kind))


def _remedies(plan: Plan, kind: NoteKind) -> Iterable[str]:
    return dict.fromkeys(note.remedy for note in plan.notes if note.kind is kind and note.remedy)


def _expiry_lines(plan: Plan) -> Iterator[Line]:
    dated = ((each.expires, each.name) for each in plan.writes if isinstance(each, NewVersion))
    dates = group_pairs([(f"{date:%Y-%m-%d}", name) for date, name in dated if date is not None])
    for day, names in dates.items():
        yield Wrapped((f"expires on {day}: ", *pieces_of(names)), _HANG, HANGING)
    overdue = {note.place: note for note in plan.notes if note.kind is NoteKind.OVERDUE}
    for note in overdue.values():
        key = note.place.property or note.place.name
        due = f"was due on {note.date:%Y-%m-%d}" if note.date is not None else "is overdue"
        said = f"note: {key} of {note.secret} {due}: that is the nearest expiry date that the store allows"
        yield Wrapped((said,), _NOTE_INDENT, HANGING)
        yield " " * _NOTE_INDENT, "help: ", note.remedy


def _unknown_access_lines(plan: Plan) -> Iterator[Line]:
    stores = dict.fromkeys(note.place.store for note in plan.notes if note.kind is NoteKind.ACCESS_UNKNOWN)
    for store in stores:
        what = f'whether you may make these writes is not known: "{store}" does not let you ask (sys/capabilities-self)'
        yield Wrapped((f"note: {what}",), _NOTE_INDENT, HANGING)


def _date_pieces(secrets: dict[str, datetime | None]) -> tuple[str, ...]:
    return pieces_of([f"{secret} ({date:%Y-%m-%d})" for secret, date in secrets.items()])


def _join(parts: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(piece for part in parts for piece in ("; ", *part))[1:]


_STEP = ("secret", "key", "kind", "source", "destination", "reason")


def plan_content(outcome: Outcome, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The plan and its run, if there was one, as JSON; `extra` is the command's own."""
    plan = outcome.plan
    found = Counter(step.kind for step in plan.steps)
    return {
        **(extra or {}),
        "sources": [
            {"store": store, "address": address, **_server_facts(plan, store)}
            for store, address in plan.sources.items()
        ],
        "destinations": [
            {"store": store, "address": address, "caller": plan.who.get(store), **_server_facts(plan, store)}
            for store, address in plan.destinations.items()
        ],
        "onConflict": plan.options.on_conflict,
        "steps": [{**members(step, *_STEP), "remedy": "; ".join(step.remedies) or None} for step in plan.steps],
        "deletions": [
            members(write, "store", "name", "versions") for write in plan.writes if isinstance(write, DeleteVersions)
        ],
        "expiries": [
            members(write, "store", "name", "expires")
            for write in plan.writes
            if isinstance(write, NewVersion) and write.expires
        ],
        "counts": {kind: found[kind] for kind in Kind},
        "extras": plan.extras,
        "skipped": [{"secret": secret, "reason": why} for secret, why in plan.skipped],
        "notes": [_note(note) for note in (*plan.notes, *plan.losses)],
        "blocked": plan.is_blocked,
        "applied": outcome.end is End.APPLIED,
        "run": outcome.run or None,
        "interrupted": outcome.interrupted,
        "results": [
            {
                **members(result, "store", "name", "state", "version"),
                "otherVersions": result.slipped,
                **members(result, "code", "reason", "remedy"),
            }
            for result in outcome.results
        ],
    }


def _server_facts(plan: Plan, store: str) -> dict[str, str | None]:
    """The server's id, and the address in the files that a variable replaced."""
    served = plan.served.get(store)
    cluster = served.cluster if served is not None else None
    return {
        "clusterId": cluster.id if cluster is not None else None,
        "replaces": served.replaces if served is not None else None,
    }


def _note(note: Note) -> dict[str, Any]:
    return {
        **members(note, "kind", "secret"),
        "place": members(note.place, "store", "name"),
        "property": note.place.property,
        **members(note, "date", "versions", "keeps", "remedy"),
    }
