"""Shows the status of environments: a table whose rows fit 80 columns, reasons and the next command, or JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from compiler.cluster.problem import ClusterState
from compiler.live.observation import Likeness, copy_commands, when_written
from compiler.model.environment import SELF
from compiler.model.facts import short_duration
from compiler.model.inventory import Inventory, name_keys
from compiler.operations.causes import Cause, NextStep
from compiler.operations.references import without_count
from compiler.operations.status import LiveState, Row, Status, WaitEnd, WaitResult
from compiler.operations.status_live import accept_store
from compiler.operations.verify import KeyState
from compiler.render.content import Line, Painted, Piece, Style, Wrapped, members
from compiler.text.wording import BLANK, MOST_OF_A_LINE, command_line, list_names, pieces_of, pluralize, quote

if TYPE_CHECKING:
    from compiler.live.ages import KeyAge
    from compiler.model.environment import Environment, Secret, Store
    from compiler.operations.due import DueKey, DueList

_WIDEST, _GAP = 80, 2
_HEADS = ("SECRET", "STORE", "NEXT", "OTHER STORE", "AGE", "EXPIRES", "DUE", "OWNER", "LIVE")
_DUE_HEADS = ("DUE", "KEY", "STORE", "OWNER")
_NONE = "-"
# About eleven lines.
_LONGEST_LIST = 800
# Of what has no limit by itself.
_MOST_LINES = 5
_HELP = Painted("help: ", Style.HELP)
# States that have another word than in JSON.
_WORDS = {
    ClusterState.WRONG_CLUSTER: "wrong cluster?",
    ClusterState.ABSENT: "not deployed",
    ClusterState.FOREIGN: "not ours",
    ClusterState.OTHER_SPEC: "old spec",
    ClusterState.NOT_COMPILED: "not compiled",
    ClusterState.OTHER_NAMESPACE: "elsewhere",
    ClusterState.FORBIDDEN: "forbidden",
    ClusterState.RETAINED: "kept old",
    ClusterState.NO_TARGET: "no Secret",
    ClusterState.MISSING_KEY: "lacks keys",
    ClusterState.NOT_REFRESHED: "sync pending",
    ClusterState.SILENT: "operator off?",
    ClusterState.WEBHOOK_REFUSED: "write refused",
    ClusterState.STORE_LOG_IN: "log-in refused",
    ClusterState.STORE_NOT_READY: "store failing",
}


def word_of(state: ClusterState) -> str:
    return _WORDS.get(state, state.replace("-", " "))


def status_lines(
    status: Status,
    step: NextStep,
    now: datetime,
    recent_runs: int = 0,
) -> Iterator[Line]:
    """One environment: its cluster, its move, its rows, recent runs, what is wrong and why, and the next command."""
    if status.cluster is not None:
        yield "cluster: ", str(status.cluster)
    yield (Painted(status.environment.name, Style.STRONG), *_headline(status))
    has_limits = any(key.has_limit for row in status.rows for key in row.keys)
    first = [row.keys[0] if has_limits and row.keys and row.keys[0].has_due else None for row in status.rows]
    cells = [_cells(row, key, now) for row, key in zip(status.rows, first, strict=True)]
    styles = [{"DUE": _due_style(key), "LIVE": _style(row)} for row, key in zip(status.rows, first, strict=True)]
    folded, painted = _fold(step.causes, cells, styles)
    yield from _table(_HEADS, folded, painted, ("DUE", "OWNER")) or _long_rows(folded, painted)
    yield from closed_lines(status, [text for cause in step.causes for text in cause.evidence])
    notes: dict[str, list[str]] = {}
    for row in status.rows:
        yield from _lack_lines(row)
        yield from _overdue_lines(row)
        yield from _difference_lines(row, status.environment.name)
        for note in row.live.notes if row.live is not None else ():
            notes.setdefault(note, []).append(row.secret.id)
    for note, secrets in notes.items():
        yield (*(("note",) if len(secrets) == len(status.rows) > 1 else pieces_of(secrets)), ": ", note)
    yield from _warning_lines(status)
    if recent_runs:
        count = f"{pluralize(recent_runs, 'run')} wrote here in the last 24 h: "
        yield count, command_line("runs", status.environment.name)
    # Once for all secrets of a namespace.
    asked = (what for row in status.rows if row.live is not None for what in row.live.not_asked)
    yield from (("not asked: ", what) for what in dict.fromkeys(asked))
    if any(row.has(ClusterState.SILENT) for row in status.rows):
        yield ("Secrets stay: running and new pods go on with the last values",)
    for cause in step.causes:
        yield from _cause_lines(cause)
    yield from () if step.causes else _next(step.commands, step.first)


def _warning_lines(status: Status) -> Iterator[Line]:
    """What is odd about the form of values, as `verify` says it."""
    found = [(row.secret.id, *each) for row in status.rows for each in row.values.warnings]
    for name, message, way_out in found[:_MOST_LINES]:
        yield f"{name}: ", message
        yield "  ", _HELP, way_out
    if len(found) > _MOST_LINES:
        yield (
            f"and {len(found) - _MOST_LINES} more values of an odd form, which this names: ",
            command_line("verify", status.environment.name),
        )


def _cause_lines(cause: Cause) -> Iterator[Line]:
    """What is wrong, what shows it, whom it keeps from being in effect, and what mends it."""
    what, *more = cause.evidence
    yield Painted(f"cause[{cause.code}]", Style.ERROR), ": ", what
    yield from (("  ", each) for each in more)
    count = len(cause.secrets)
    if count <= MOST_OF_A_LINE:
        yield ("  secret: " if count == 1 else f"  {count} secrets: ", *pieces_of(cause.secrets))
    else:
        # Each with what stands around it.
        ends = accumulate(len(name) + len(", ") for name in cause.secrets)
        most = sum(end <= _LONGEST_LIST for end in ends)
        yield Wrapped((f"{count} secrets: ", *pieces_of(cause.secrets, most)), 4, ("  ",))
    yield from _next(cause.next, cause.first, "  ")
    for number, line in enumerate(cause.fallback):
        accepts = f"{cause.accepts}, then: " if cause.accepts and number == 0 else ""
        yield "  ", Painted("if that takes long: ", Style.HELP), accepts, line


def closed_lines(status: Status, said: Container[str] = ()) -> Iterator[Line]:
    """Why stores did not answer beside what was `said`, and the way out below the last line that has it."""
    closed = [why for why in status.closed if without_count(why) not in said]
    helps = [status.helps.get(why) for why in closed]
    for number, (why, way_out) in enumerate(zip(closed, helps, strict=True), 1):
        yield "not answered: ", why
        if way_out is not None and way_out not in helps[number : number + 1]:
            yield "  ", _HELP, way_out


def _headline(status: Status) -> tuple[Piece, ...]:
    progress = status.progress
    if progress is None:
        return (": ", pluralize(len(status.rows), "secret"))
    moved = sum(row.store.id == progress.to.id for row in status.rows)
    where = f": {moved} of {pluralize(len(status.rows), 'secret')} on "
    if progress.next is None:
        behind = sum(row.has_problem for row in status.rows)
        done = "every step of the move is done"
        if behind:
            verb = "is" if behind == 1 else "are"
            done = f"every step is in the files, {pluralize(behind, 'secret')} {verb} not in effect in the cluster"
        return (where, f'"{progress.to.id}"', f"; {done}")
    return (where, f'"{progress.to.id}"', f"; step {progress.next + 1} of {len(progress.steps)} is next")


def _cells(row: Row, first: DueKey | None, now: datetime) -> tuple[str, ...]:
    values = row.values
    # If the store in use did not answer, the other one is not to blame.
    likeness = "not compared" if values.closed else str(values.likeness).replace("-", " ")
    return (
        row.secret.id,
        row.store.id,
        row.to.id if row.to is not None else _NONE,
        f"{row.other.id}: {likeness}" if row.other is not None else _NONE,
        f"{max(0, (now - row.value_date).days)}d" if row.value_date is not None else _NONE,
        _day(values.expires),
        _due(first.age) if first is not None else _NONE,
        (first.owner if first is not None else None) or _NONE,
        word_of(row.state),
    )


def _fold(
    causes: Iterable[Cause], cells: Sequence[tuple[str, ...]], styles: Styles
) -> tuple[list[tuple[str, ...]], list[Mapping[str, Style | None]]]:
    """The cells and styles with one row for the many secrets of a cause, which lists them."""
    many = {name: cause for cause in causes if len(cause.secrets) > MOST_OF_A_LINE for name in cause.secrets}
    groups: dict[str, list[int]] = {}
    for at, line in enumerate(cells):
        cause = many.get(line[0])
        groups.setdefault(cause.secrets[0] if cause is not None else line[0], []).append(at)
    folded = [
        tuple(each[0] if len({*each}) == 1 else BLANK for each in zip(*(cells[at] for at in group), strict=True))
        for group in groups.values()
    ]
    named = [
        (f"{len(group)} secrets", *line[1:]) if len(group) > 1 else line
        for group, line in zip(groups.values(), folded, strict=True)
    ]
    return named, [styles[group[0]] for group in groups.values()]


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment is not None else _NONE


def _due(age: KeyAge) -> str:
    return "overdue" if age.overdue is not None else "not known" if age.why else _day(age.due)


def _due_style(key: DueKey | None) -> Style | None:
    if key is None:
        return None
    return Style.ERROR if key.age.overdue is not None else Style.WARNING if key.age.why else None


Styles = Sequence[Mapping[str, Style | None]]


def _table(
    heads: Sequence[str], cells: Sequence[Sequence[str]], styles: Styles, optional: Container[str]
) -> list[Line] | None:
    """The cells below their heads without empty columns, `optional` ones first; None if they do not fit a line."""
    says = [any(line[column] != _NONE for line in cells) for column in range(len(heads))]
    for shown in (
        [column for column, head in enumerate(heads) if says[column] or head not in optional],
        [column for column in range(len(heads)) if says[column]],
    ):
        lines = [[line[column] for column in shown] for line in (heads, *cells)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        if sum(widths) + _GAP * (len(shown) - 1) <= _WIDEST:
            names = [heads[column] for column in shown]
            return [
                _line(line, widths, [style.get(name) for name in names])
                for line, style in zip(lines, ({}, *styles), strict=True)
            ]
    return None


def _line(cells: Sequence[str], widths: Sequence[int], styles: Sequence[Style | None]) -> tuple[Piece, ...]:
    # Nothing is padded at the end of a line.
    texts = [*(cell.ljust(width + _GAP) for cell, width in zip(cells[:-1], widths[:-1], strict=True)), cells[-1]]
    return tuple(Painted(text, style) if style else text for text, style in zip(texts, styles, strict=True))


def _long_rows(cells: Sequence[Sequence[str]], styles: Styles) -> Iterator[Line]:
    for (name, store, to, other, age, expires, due, owner, live), style in zip(cells, styles, strict=True):
        yield (Painted(name, style["DUE"] or style["LIVE"] or Style.STRONG),)
        named = {"to": to, "": other, "age": age, "expires": expires, "due": due, "owner": owner}
        pieces = [f"{word} {cell}".strip() for word, cell in named.items() if cell != _NONE or word == "age"]
        yield Wrapped(("; ".join((f"on {store}", *pieces, live)),), 2)


def _style(row: Row) -> Style:
    if not row.is_fine:
        return Style.ERROR
    return Style.GREEN if row.state is ClusterState.IN_EFFECT else Style.STRONG


def _lack_lines(row: Row) -> Iterator[Line]:
    name = row.secret.id
    if row.values.likeness is Likeness.MISSING and row.other is not None:
        yield f"{name}: ", f'"{row.other.id}" lacks ', name_keys(row.values.missing)
    if row.values.likeness is Likeness.ONLY_THERE and row.other is not None:
        yield f"{name}: ", f'only "{row.other.id}" holds ', name_keys(row.values.only_there)


def _overdue_lines(row: Row) -> Iterator[Line]:
    """The keys that are overdue, or that may be although their store was read."""
    name = row.secret.id
    for each in row.keys:
        if each.age.overdue is not None:
            yield f"{name}: ", f'"{each.key}" is overdue since {_day(each.age.overdue)}'
    if not row.is_unread:
        yield from ((f"{name}: ", line) for line in _unknown_lines(row.keys))


def _unknown_lines(keys: Iterable[DueKey]) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for each in keys:
        if each.age.why and each.age.overdue is None:
            names.setdefault(each.age.why, []).append(each.key)
    yield from (f"it is not known when {list_names(keys)} changed: {why}" for why, keys in names.items())


def due_lines(status: Status, due: DueList, step: NextStep) -> Iterator[Line]:
    """The keys that are overdue, due until a date, or of unknown age, and the next command."""
    doubts = sum(each.age.overdue is None and bool(each.age.why) for each in due.keys)
    known = len(due.keys) - doubts
    count = f": {pluralize(known, 'key')} {'is' if known == 1 else 'are'} due by {_day(due.until)}"
    doubtful = f"; {doubts} {'is' if doubts == 1 else 'are'} not known" if doubts else ""
    yield Painted(status.environment.name, Style.STRONG), count, doubtful
    has_stores = len({row.store.id for row in status.rows}) > 1
    cells = [
        (_since(each.age), f"{each.secret}/{each.key}", each.store if has_stores else _NONE, each.owner or _NONE)
        for each in due.keys
    ]
    styles = [{"DUE": _due_style(each)} for each in due.keys]
    if cells:
        long = (Wrapped(("; ".join(cell for cell in line if cell != _NONE),), 0) for line in cells)
        yield from _table(_DUE_HEADS, cells, styles, _DUE_HEADS) or long
    yield from closed_lines(status)
    for row in status.rows:
        if not row.values.closed:
            yield from ((f"{row.secret.id}: ", line) for line in _unknown_lines(row.keys))
    if due.without_limit:
        yield f"{pluralize(due.without_limit, 'key')} {'has' if due.without_limit == 1 else 'have'} no limit"
    yield from _next(step.commands, step.first)


def _since(age: KeyAge) -> str:
    return f"{_due(age)} since {age.overdue:%Y-%m-%d}" if age.overdue is not None else _due(age)


def _next(commands: Sequence[str], first: str, indent: str = "") -> Iterator[Line]:
    # What a person does in words has a line of its own: each of the others can be pasted.
    yield from ((indent, Painted("next: ", Style.HELP), each) for each in (first, *commands) if each)


def _difference_lines(row: Row, environment: str) -> Iterator[Line]:
    """The keys with another value in the other store, which one is later, and a command for each case."""
    values = row.values
    if values.likeness is not Likeness.DIFFERENT or row.other is None:
        return
    times = when_written(*values.versions) if values.versions is not None else ""
    what = f'"{row.other.id}" holds other values of {list_names(values.different)}'
    yield f"{row.secret.id}: ", what, *(("; ", times) if times else ())
    if values.versions is not None:
        incomplete = row.store.id if values.only_there else None
        ways = copy_commands(environment, row.secret.id, *values.versions, incomplete)
        yield from (("  ", _HELP, way) for way in ways)


def live_lines(name: str, live: LiveState) -> Iterator[Line]:
    """What is wrong with a secret in the cluster, why, and the fix, as a wait tells it."""
    yield from ((f"{name}: ", problem.message) for problem in live.problems)
    yield from (("  because: ", each) for each in live.evidence)
    if live.next_try is not None:
        yield f"  the operator tries again within {short_duration(live.next_try)}"
    yield from ((f"{name}: ", note) for note in live.notes)
    yield from (("  ", _HELP, line) for line in live.helps)


def _unproven_lines(stores: Sequence[str]) -> Iterator[Line]:
    if stores:
        yield f"it is not proven that the cluster reads {list_names(stores)}"
        yield "  ", _HELP, accept_store(stores)


def wait_lines(
    waited: WaitResult, environment: str, unread: Sequence[str] = (), rows: Iterable[Row] = (), without: str = ""
) -> Iterator[Line]:
    """How the wait for `rows` ended, and what it could not see; `without` is the option that leaves the Secrets out."""
    unproven = list(dict.fromkeys(each.unproven for each in waited.states.values() if each.unproven))
    if waited.end is WaitEnd.IN_EFFECT:
        stores = Counter(row.store.id for row in rows)
        served = ", ".join(f"{pluralize(count, 'secret')} on {quote(store)}" for store, count in stores.items())
        said = f": {served}, as the files said when this wait began" if served else ""
        yield Painted("all are in effect", Style.GREEN), said
    elif waited.end is WaitEnd.UNPROVEN and unproven:
        doubt = f"nothing wrong was found, but it is not proven that the cluster reads {list_names(unproven)}"
        yield (Painted(doubt, Style.ERROR),)
        yield "  ", _HELP, accept_store(unproven)
    elif waited.end is WaitEnd.UNPROVEN:
        yield (Painted("nothing wrong was found, but not everything may be looked at", Style.ERROR),)
        roles = f"get roles that allow it, which `{command_line('status', environment, '--rbac')}` prints"
        leave_out = f", or leave the Secrets out: {without}" if without and waited.lacks_secrets_alone else ""
        yield "  ", _HELP, f"{roles}{leave_out}"
    elif waited.end is WaitEnd.FAILED:
        yield (Painted("not in effect, and waiting longer will not help", Style.ERROR),)
    else:
        yield (Painted(f"not in effect after {short_duration(round(waited.seconds))}", Style.ERROR),)
        if waited.error is not None:
            yield "  because: ", f"the cluster cannot be asked: {waited.error}"
        if waited.unanswered:
            yield "  because: ", f"no answer yet from {waited.unanswered}"
    yield from _unproven_lines(unproven if waited.end in (WaitEnd.FAILED, WaitEnd.TIME_UP) else ())
    unseen = list(dict.fromkeys(what for each in waited.states.values() for what in each.not_asked))
    if unread and waited.states:
        unseen.append(f"when the values of {list_names(unread)} were written")
    if unseen:
        yield "not looked at: ", "; ".join(unseen)


def _wait(waited: WaitResult) -> dict[str, Any]:
    return {
        "end": waited.end,
        "timeoutSeconds": round(waited.seconds),
        **members(waited, "unanswered"),
    }


def status_data(
    status: Status,
    step: NextStep,
    of_secrets: Mapping[str, NextStep] | None = None,
    due: DueList | None = None,
) -> dict[str, Any]:
    """An environment as JSON: what was found, the next step, also for each secret, and what is `due`."""
    progress = status.progress
    environment, pin = status.environment, status.environment.cluster
    return {
        "environment": environment.name,
        "cluster": None
        if status.cluster is None
        else {**members(status.cluster, "context", "server"), "id": pin.id if pin is not None else None},
        "whole": len(status.rows) == sum(each.store is not None for each in environment.secrets.values()),
        "stores": [_store(each) for each in environment.stores.values()],
        "moves": None
        if progress is None
        else {
            "to": progress.to.id,
            "steps": progress.steps,
            "next": progress.next + 1 if progress.next is not None else None,
        },
        "secrets": [_row(row, (of_secrets or {}).get(row.secret.id, NextStep())) for row in status.rows],
        "keys": list(_keys(status)),
        "readers": [_readers(row) for row in status.rows] if status.is_live else None,
        "due": None
        if due is None
        else {
            "until": due.until,
            "keys": [{**members(each, "secret", "store"), **_key(each)} for each in due.keys],
            "withoutLimit": due.without_limit,
        },
        "notAnswered": status.closed,
        "waysOut": list(dict.fromkeys(status.helps[why] for why in status.closed if why in status.helps)),
        "causes": [
            members(each, "code", "evidence", "secrets", "store", "first", "next", "fallback", "accepts")
            for each in step.causes
        ],
        **members(step, "first"),
        "next": step.commands,
        "forced": status.forced,
        "wait": _wait(status.waited) if status.waited is not None else None,
    }


def _store(store: Store) -> dict[str, Any]:
    return {
        "store": store.id,
        "provider": store.provider.id,
        **members(store.provider, "title"),
        **members(store, "address", "mount"),
    }


def _key(key: DueKey) -> dict[str, Any]:
    return {**members(key, "key", "owner"), **members(key.age, "state", "changed", "due", "why")}


def _keys(status: Status) -> Iterator[dict[str, Any]]:
    environment, of_age = status.environment, ("changed", "due", "why")
    inventory = Inventory(environment)
    for row in status.rows:
        ages = {each.key: each.age for each in row.keys}
        decided_by = _deciding_line(row.secret, environment)
        stores = [each for each in environment.stores.values() if each is row.store or each.addresses]
        cells = [inventory.of(row.secret, each) for each in stores]
        for item in row.secret.keys:
            key, lifetime = item.key.name, item.key.lifetime
            age, states = ages.get(key), row.values.states.get(key, {})
            yield {
                "secret": row.secret.id,
                "key": key,
                "state": _key_state(row, key),
                "age": age.state if age is not None else None,
                **(members(age, *of_age) if age is not None else dict.fromkeys(of_age)),
                "owner": lifetime.owner,
                "issuer": lifetime.issuer if lifetime.issuer != SELF else None,
                "places": [
                    {
                        "store": cell.store.id,
                        **members(cell.place, "remote_key", "property"),
                        "inUse": not cell.is_elsewhere,
                        "state": states.get(cell.store.id, KeyState.NOT_ASKED),
                    }
                    for cell in (its[key] for its in cells)
                    if cell.place is not None
                ],
                "decidedBy": decided_by,
            }


def _key_state(row: Row, key: str) -> KeyState:
    found = row.values.states.get(key, {}).get(row.store.id, KeyState.NOT_ASKED)
    if found is not KeyState.PRESENT:
        return found
    if row.has_problem:
        return KeyState.NOT_IN_EFFECT
    return KeyState.DIFFERS if key in row.values.different else found


def _deciding_line(secret: Secret, environment: Environment) -> dict[str, Any] | None:
    """The line that chose a secret's store; `file` is an option or variable without a line if that chose it."""
    if secret.store_node is None:
        return None
    span, layer = secret.store_node.span, None
    if "/" not in span.path:
        return {"file": span.path, "line": None, "column": None, "layer": None}
    if span.path != environment.document.source.path:
        layer = span.path.rpartition("/")[2].removesuffix(".yaml")
    return {"file": span.path, "line": span.line, "column": span.column, "layer": layer}


def _readers(row: Row) -> dict[str, Any]:
    readers = row.live.readers if row.live is not None else None
    space = row.secret.namespace
    shown = (
        [{"kind": kind, "namespace": space, "name": name} for kind, name in readers] if readers is not None else None
    )
    return {"secret": row.secret.id, "workloads": shown}


def _row(row: Row, step: NextStep) -> dict[str, Any]:
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
        **members(values, "faults"),
        "warnings": [message for message, _ in values.warnings],
        "written": row.value_date,
        **members(values, "expires"),
        "live": _live(row.live) if row.live is not None else None,
        **members(step, "first"),
        "next": step.commands,
    }


def _live(live: LiveState) -> dict[str, Any]:
    return {
        "state": live.state,
        "problems": [members(each, "state", "message") for each in live.problems],
        "nextTrySeconds": live.next_try,
        "help": live.helps[0] if live.helps else None,
        **members(live, "helps", "notes", "refreshed", "pods", "not_asked"),
    }
