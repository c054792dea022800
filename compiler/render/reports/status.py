"""Shows the status of environments: a table whose rows fit 80 columns, reasons and the next command, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from datetime import datetime
from typing import Any

from compiler.cluster.judge import ClusterState
from compiler.live.read_many import Likeness, WriterOf, describe_writes, no_writer, remedies
from compiler.model.facts import short_duration
from compiler.operations.status import LiveState, NextStep, Row, Status
from compiler.operations.status_wait import StatusResult, WaitEnd, WaitResult
from compiler.render.content import Line, Painted, Piece, Style, Wrapped, envelope, members
from compiler.text.wording import counted, listed

_WIDEST, _GAP = 80, 2
_HEADS = ("SECRET", "STORE", "NEXT", "OTHER STORE", "AGE", "EXPIRES", "LIVE")
_WORDS = {
    ClusterState.NOT_ASKED: "not asked",
    ClusterState.IN_EFFECT: "in effect",
    ClusterState.ABSENT: "not deployed",
    ClusterState.DELETED: "being deleted",
    ClusterState.FOREIGN: "not ours",
    ClusterState.OTHER_SPEC: "old spec",
    ClusterState.NOT_SYNCED: "not synced",
    ClusterState.NOT_READY: "not ready",
    ClusterState.IMMUTABLE: "immutable",
    ClusterState.RETAINED: "kept old",
    ClusterState.NO_TARGET: "no Secret",
    ClusterState.MISSING_KEY: "lacks keys",
    ClusterState.EDITED: "edited",
    ClusterState.STORE: "store",
    ClusterState.REPLACED: "replaced",
    ClusterState.DATA_CHANGED: "data changed",
    ClusterState.OLDER_VALUE: "older value",
    ClusterState.NOT_REFRESHED: "not refreshed",
    ClusterState.SILENT: "operator off?",
    ClusterState.RESTARTED: "restarted",
    ClusterState.PODS: "pods not ready",
    ClusterState.RESTART: "restart needed",
}


def word_of(state: ClusterState) -> str:
    """A live state in words."""
    return _WORDS[state]


def status_lines(status: Status, step: NextStep, now: datetime, writer_of: WriterOf = no_writer) -> Iterator[Line]:
    """One environment: how far its move is, its rows, what is wrong and why, and what to run next."""
    yield (Painted(status.environment.name, Style.STRONG), *_headline(status))
    cells = [_cells(row, now) for row in status.rows]
    widths = [max(len(line[column]) for line in (_HEADS, *cells)) for column in range(len(_HEADS))]
    if sum(widths) + _GAP * (len(_HEADS) - 1) <= _WIDEST:
        yield _line(_HEADS, widths, None)
        yield from (_line(line, widths, row) for line, row in zip(cells, status.rows, strict=True))
    else:
        for line, row in zip(cells, status.rows, strict=True):
            yield (Painted(line[0], _style(row)),)
            yield from _long(line)
    yield from _closed(status)
    notes = Counter(note for row in status.rows if row.live is not None for note in row.live.notes)
    common = [note for note, count in notes.items() if count > 1]
    for row in status.rows:
        yield from _details(row)
        yield from _different(row, status.environment.name, writer_of)
        if row.live is not None:
            yield from live_lines(row.secret.id, row.live, common)
    yield from (("note: ", note) for note in common)
    # Once for all secrets of a namespace.
    asked = (what for row in status.rows if row.live is not None for what in row.live.not_asked)
    yield from (("not asked: ", what) for what in dict.fromkeys(asked))
    if any(row.has(ClusterState.SILENT) for row in status.rows):
        yield ("Secrets stay: running and new pods go on with the last values",)
    for number, command in enumerate(step.commands):
        first = f"{step.first}, then: " if step.first and number == 0 else ""
        yield (Painted("next: ", Style.HELP), first, command)


def _closed(status: Status) -> Iterator[Line]:
    """What stores did not say and why, and below what has the same way out, that."""
    helps = [status.helps.get(why) for why in status.closed]
    for number, (why, way_out) in enumerate(zip(status.closed, helps, strict=True), 1):
        yield "not answered: ", why
        if way_out is not None and way_out not in helps[number : number + 1]:
            yield "  ", Painted("help: ", Style.HELP), way_out


def _headline(status: Status) -> tuple[Piece, ...]:
    progress = status.progress
    if progress is None:
        return (": ", counted(len(status.rows), "secret"))
    moved = sum(row.store.id == progress.to.id for row in status.rows)
    where = f": {moved} of {counted(len(status.rows), 'secret')} on "
    if progress.next is None:
        behind = sum(row.has_problem for row in status.rows)
        done = "every step of the move is done"
        if behind:
            verb = "is" if behind == 1 else "are"
            done = f"every step is in the files, {counted(behind, 'secret')} {verb} not in effect in the cluster"
        return (where, f'"{progress.to.id}"', f"; {done}")
    return (where, f'"{progress.to.id}"', f"; step {progress.next + 1} of {len(progress.steps)} is next")


def _cells(row: Row, now: datetime) -> tuple[str, ...]:
    values = row.values
    # The other store has no fault in it where the one in use did not say.
    likeness = "not compared" if values.closed else str(values.likeness).replace("-", " ")
    return (
        row.secret.id,
        row.store.id,
        row.to.id if row.to is not None else "-",
        f"{row.other.id}: {likeness}" if row.other is not None else "-",
        f"{max(0, (now - values.written).days)}d" if values.written is not None else "-",
        f"{values.expires:%Y-%m-%d}" if values.expires is not None else "-",
        _WORDS[row.state],
    )


def _line(cells: Sequence[str], widths: Sequence[int], row: Row | None) -> tuple[Piece, ...]:
    *before, last = cells
    padded = [cell.ljust(width + _GAP) for cell, width in zip(before, widths, strict=False)]
    return (*padded, Painted(last, _style(row)) if row is not None else last)


def _long(cells: Sequence[str]) -> Iterator[Line]:
    """The cells of a row that is too long for a line."""
    _, store, to, other, age, expires, live = cells
    pieces = [f"on {store}", *([f"to {to}"] if to != "-" else []), *([other] if other != "-" else [])]
    pieces += [f"age {age}", *([f"expires {expires}"] if expires != "-" else []), live]
    yield Wrapped(("; ".join(pieces),), 2)


def _style(row: Row) -> Style:
    if not row.is_fine:
        return Style.ERROR
    return Style.GREEN if row.state is ClusterState.IN_EFFECT else Style.STRONG


def _details(row: Row) -> Iterator[Line]:
    """What is wrong with a secret, and why. Each line stands on its own, as messages of findings do."""
    name = row.secret.id
    yield from ((f"{name}: ", fault) for fault in row.values.faults)
    if row.values.likeness is Likeness.MISSING and row.other is not None:
        yield f"{name}: ", f'"{row.other.id}" lacks ', listed(row.values.missing)
    if row.values.likeness is Likeness.ONLY_THERE and row.other is not None:
        yield f"{name}: ", f'only "{row.other.id}" holds ', listed(row.values.only_there)


def _different(row: Row, environment: str, writer_of: WriterOf) -> Iterator[Line]:
    """What the other store holds other values of, which is the later one, and the command for each case."""
    values = row.values
    if values.likeness is not Likeness.DIFFERENT or row.other is None:
        return
    times = describe_writes(*values.versions, writer_of) if values.versions is not None else ""
    what = f'"{row.other.id}" holds other values of {listed(values.different)}'
    yield f"{row.secret.id}: ", what, *(("; ", times) if times else ())
    if values.versions is not None:
        ways = remedies(environment, row.secret.id, *values.versions, writer_of)
        yield from (("  ", Painted("help: ", Style.HELP), way) for way in ways)


def live_lines(name: str, live: LiveState, common: Container[str] = ()) -> Iterator[Line]:
    """What is wrong with a secret in the cluster, why, and what mends it; without the notes in `common`."""
    yield from ((f"{name}: ", problem.message) for problem in live.problems)
    yield from (("  because: ", cause) for cause in live.causes)
    if live.next_try is not None:
        yield f"  the operator tries again within {short_duration(live.next_try)}"
    yield from ((f"{name}: ", note) for note in live.notes if note not in common)
    yield from (("  ", Painted("help: ", Style.HELP), line) for line in live.helps)


def wait_lines(waited: WaitResult, unread: Sequence[str] = ()) -> Iterator[Line]:
    """How a wait ended, and what it could not compare or look at; of `unread` secrets no date is known."""
    if waited.end is WaitEnd.IN_EFFECT:
        yield (Painted("all are in effect", Style.GREEN),)
    elif waited.end is WaitEnd.UNPROVEN:
        yield (Painted("nothing wrong was found, but not everything may be looked at", Style.ERROR),)
        yield (
            "  ",
            Painted("help: ", Style.HELP),
            "get a role that allows it, or leave the Secrets out: --without-secrets",
        )
    elif waited.end is WaitEnd.FAILED:
        yield (Painted("not in effect, and waiting longer will not help", Style.ERROR),)
    else:
        yield (Painted(f"not in effect after {short_duration(round(waited.seconds))}", Style.ERROR),)
        if waited.error is not None:
            yield "  because: ", f"the cluster cannot be asked: {waited.error}"
        if waited.unanswered:
            yield "  because: ", f"no answer yet from {waited.unanswered}"
    for what in dict.fromkeys(waited.not_compared.values()):
        names = listed(name for name, each in waited.not_compared.items() if each == what)
        yield f"not compared with the state before, which this run did not see: {', '.join(what)} of {names}"
    unseen = list(dict.fromkeys(what for each in waited.states.values() for what in each.not_asked))
    if unread and waited.states:
        unseen.append(f"when the values of {listed(unread)} were written")
    if unseen:
        yield "not looked at: ", "; ".join(unseen)


def status_report(found: Sequence[tuple[StatusResult, NextStep]], exit_code: int) -> dict[str, Any]:
    """The whole object: what was found of each environment with what comes next."""
    name = found[0][0].status.environment.name if len(found) == 1 else None
    content = {"environments": [_status(looked, step) for looked, step in found]}
    return envelope("status", name, exit_code, content)


def _wait(waited: WaitResult) -> dict[str, Any]:
    return {
        "end": waited.end,
        "timeoutSeconds": round(waited.seconds),
        **members(waited, "unanswered"),
        "notCompared": [{"secret": name, "what": what} for name, what in waited.not_compared.items()],
    }


def _status(looked: StatusResult, step: NextStep) -> dict[str, Any]:
    status, progress = looked.status, looked.status.progress
    return {
        "environment": status.environment.name,
        "moves": None
        if progress is None
        else {
            "to": progress.to.id,
            "steps": progress.steps,
            "next": progress.next + 1 if progress.next is not None else None,
        },
        "secrets": [_row(row) for row in status.rows],
        "notAnswered": status.closed,
        "waysOut": list(dict.fromkeys(status.helps[why] for why in status.closed if why in status.helps)),
        **members(step, "first"),
        "next": step.commands,
        "forced": looked.forced,
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
            "comparison": values.likeness,
            **members(values, "different", "missing", "only_there"),
        },
        **members(values, "faults", "written", "expires"),
        "live": _live(row.live) if row.live is not None else None,
    }


def _live(live: LiveState) -> dict[str, Any]:
    return {
        **members(live, "state", "problems", "causes"),
        "nextTrySeconds": live.next_try,
        "help": live.helps[0] if live.helps else None,
        **members(live, "helps", "notes", "refreshed", "pods", "not_asked"),
    }
