"""Finds why secrets are not in effect, each cause once with its evidence and its mend, and decides what comes next.

The only place that decides what to run next. Between an environment's files and its pods are links in an order: the
first broken one of a secret is its cause and explains the rest. What mends a cause comes first, a switch to the other
store only for the case that mending takes long, and never what has just failed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from compiler.cluster.messages import without_age
from compiler.cluster.problem import ALLOW_WRITE, FAILING, OF_PODS, OF_STORE, ONE_OWNER, ClusterProblem, ClusterState
from compiler.cluster.times import operator_pods
from compiler.live.observation import Likeness
from compiler.model import group_pairs
from compiler.model.environment import Environment, shorten
from compiler.model.facts import short_duration
from compiler.model.inventory import Inventory, ValueName
from compiler.operations.references import without_count
from compiler.operations.status import Row, Status, StepContext, ids_of, move_lines
from compiler.stores.errors import FailureSide
from compiler.text.wording import (
    BLANK,
    MOST_OF_A_LINE,
    PROGRAM,
    command_line,
    kubectl_line,
    list_names,
    quote,
    repeat_option,
    shell_line,
)


class Link(IntEnum):
    """What is needed between an environment's files and its pods, in the order in which it is checked."""

    CLUSTER = 1  # the cluster is the environment's
    OPERATOR = 2  # it runs, and takes what is written
    STORE = 3  # the store answers, and its object in the cluster is ready
    VALUES = 4  # the store has every value
    FILE = 5  # the values file is what the environment compiles to
    OWNER = 6  # the objects in the cluster are nobody else's
    DEPLOYED = 7  # they are those of the values file
    OBJECTS = 8  # the operator has synchronised them, and the Secret holds what it should
    PODS = 9  # the pods run on it
    HERE = 10  # this machine may ask the store


# All other states are about OBJECTS.
LINKS = {
    ClusterState.WRONG_CLUSTER: Link.CLUSTER,
    **dict.fromkeys(
        (
            *(ClusterState.OPERATOR_DOWN, ClusterState.WEBHOOK_DOWN, ClusterState.WEBHOOK_REFUSED),
            ClusterState.SILENT,
        ),
        Link.OPERATOR,
    ),
    **dict.fromkeys(OF_STORE, Link.STORE),
    ClusterState.NOT_COMPILED: Link.FILE,
    **dict.fromkeys((ClusterState.FOREIGN, ClusterState.OTHER_OWNER), Link.OWNER),
    **dict.fromkeys(
        (ClusterState.ABSENT, ClusterState.DELETED, ClusterState.OTHER_SPEC, ClusterState.OTHER_NAMESPACE),
        Link.DEPLOYED,
    ),
    **dict.fromkeys(OF_PODS, Link.PODS),
}
# While one of these links is broken, no later link can be fixed.
_HOLDING = frozenset({Link.CLUSTER, Link.OPERATOR})
# States that are about a store: each store is then a separate cause.
_OF_STORE = FAILING | OF_STORE
# If the operator was asked and did not react, only the operator can be the cause of these.
_OPERATORS = frozenset({ClusterState.OLDER_VALUE, ClusterState.NOT_REFRESHED, ClusterState.NOT_SYNCED})
# States that a switch to the other store works around.
_SWITCHED = OF_STORE | {ClusterState.NOT_READY, ClusterState.FORBIDDEN, ClusterState.RETAINED}
# The most messages that are shown about one cause.
_MOST_SAID = 3
# The lifetime of a new value without a limit in the catalogue, in days.
_DAYS = 90
_QUOTED = re.compile(r"`([^`]+)`")
_PROGRAMS = frozenset({PROGRAM, "kubectl", "helm", "argocd", "bao", "vault", "az"})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why secrets are not in effect, or not known to be."""

    code: str  # a state of the cluster, or the rule of what a store said
    evidence: tuple[str, ...]  # what shows it: what is wrong first, then what was said of it
    secrets: tuple[str, ...]  # those that have it as their first cause
    store: str | None  # the store that it is about; None for no single one
    first: str = ""  # what a person does before the first line, or in place of lines, in words
    next: tuple[str, ...] = ()  # the lines that mend it, the first one first
    fallback: tuple[str, ...] = ()  # the lines that go round it, if mending takes long
    accepts: str = ""  # what a person accepts with these


@dataclass(frozen=True, slots=True)
class NextStep:
    """The command lines to paste, in order."""

    commands: tuple[str, ...] = ()
    first: str = ""  # what a person does before, in words
    causes: tuple[Cause, ...] = ()  # that the lines mend


@dataclass(frozen=True, slots=True)
class _Break:
    """The first broken link of a secret."""

    link: Link
    code: str
    evidence: str  # what is said of all secrets that have it; empty for what the store itself says
    message: str  # what is said of this one
    row: Row
    problem: ClusterProblem | None = None  # None for what the store itself says

    @property
    def is_of_store(self) -> bool:
        return self.problem is None or self.problem.state in _OF_STORE

    @property
    def group(self) -> tuple[object, ...]:
        """Breaks with the same group have the same cause."""
        # Messages about secrets of one store differ by the name of the secret.
        return self.link, self.code, self.evidence, self.row.store.id if self.is_of_store else None


def find_causes(status: Status, asked: StepContext | None = None) -> tuple[Cause, ...]:
    """Every cause once, with its secrets, in the order of the links."""
    asked = asked if asked is not None else StepContext()
    groups = group_pairs((found.group, found) for found in filter(None, map(_first_break, status.rows)))
    ordered = sorted(groups.values(), key=lambda group: group[0].link)
    causes: list[Cause] = []
    broken: set[Link] = set()
    for group in ordered:
        cause, link = _cause_of(group, status, asked), group[0].link
        # Nothing is deployed over another's objects before a person has decided.
        is_held = bool(broken & _HOLDING) or (link is Link.DEPLOYED and Link.OWNER in broken)
        causes.append(replace(cause, first="", next=(), fallback=(), accepts="") if is_held else cause)
        broken.add(link)
    return tuple(causes)


def _first_break(row: Row) -> _Break | None:
    """The first broken link of a secret, by its store and its live objects."""
    problems = row.live.problems if row.live is not None else ()
    states = {each.state for each in problems}
    found = [
        _Break(LINKS.get(each.state, Link.OBJECTS), each.state, each.evidence or each.message, each.message, row, each)
        for each in problems
    ]
    values = row.values
    if values.closed:
        fails = bool(states & _OF_STORE)
        is_of_all = values.side is FailureSide.SERVER or (values.side is FailureSide.UNCLEAR and fails)
        said = _Break(Link.STORE if is_of_all else Link.HERE, values.closed_by, "", values.closed[0], row)
        # The store's own answer says more than the operator, which cannot read it either.
        found.insert(0 if states & OF_STORE <= {ClusterState.STORE_NOT_READY} else len(found), said)
    if values.faults:
        found.append(_Break(Link.VALUES, values.fault_by, "", values.faults[0], row))
    return min(found, key=lambda each: each.link, default=None)


def _cause_of(group: Sequence[_Break], status: Status, asked: StepContext) -> Cause:
    first, rows = group[0], [each.row for each in group]
    step = _mend(first, rows, status, asked)
    cause = Cause(
        first.code,
        tuple(_evidence_of(group)),
        tuple(ids_of(rows)),
        first.row.store.id if first.is_of_store else None,
        step.first,
        step.commands,
    )
    is_of_store = first.link is Link.STORE or (first.problem is not None and first.problem.state in _SWITCHED)
    back = [row for row in rows if _has_way_back(status.environment, row)] if is_of_store else []
    # Without a look at the cluster, the other store object may not be ready.
    back = [row for row in back if row.live is not None and row.live.is_other_ready]
    if not back:
        return cause
    return replace(
        cause, fallback=tuple(_switch_back(status.environment, back, asked)), accepts=_explain_uncompared(back)
    )


def _evidence_of(group: Sequence[_Break]) -> Iterator[str]:
    first = group[0]
    if first.problem is None:
        every = [text for each in group for text in _store_texts(each)]
    else:
        every = [first.message if len(group) == 1 else first.evidence, *_operator_words(group)]
    said: dict[str, str] = {}
    for text in every:
        # Of messages that differ only by their age, the first one.
        said.setdefault(without_age(text), text)
    yield from list(said.values())[:_MOST_SAID]
    if len(said) > _MOST_SAID:
        yield f"and {len(said) - _MOST_SAID} more such messages"
    waits = [each.row.live.next_try for each in group if each.row.live is not None]
    if (seconds := min((each for each in waits if each is not None), default=None)) is not None:
        yield f"the operator tries again within {short_duration(seconds)}"


def _store_texts(found: _Break) -> tuple[str, ...]:
    """What the store says of the secret and, unless only this machine cannot read the store, what the operator says."""
    values = found.row.values
    said = values.faults if found.link is Link.VALUES else tuple(map(without_count, values.closed))
    return said if found.link is Link.HERE else (*said, *_operator_words([found]))


def _operator_words(group: Iterable[_Break]) -> list[str]:
    return [text for each in group if each.row.live is not None for text in each.row.live.evidence]


def next_step(status: Status, asked: StepContext | None = None) -> NextStep:
    """What to run next; no command if nothing is left to do, or if no command helps."""
    asked = asked if asked is not None else StepContext()
    if causes := find_causes(status, asked):
        return _merge(causes)
    if status.is_live and any(row.live is None for row in status.rows):
        # The time was up before all had answered: it is unclear whether the last step is in effect.
        return NextStep((_check_silent(status, asked) if asked.has_waited else _wait_line(status.rows, status, asked),))
    restarts = [line for row in status.rows if row.live is not None for line in row.live.helps]
    # No move is proposed while other secrets of the environment are not in effect.
    fails_beside = any(row.live is not None and row.live.fails_beside for row in status.rows)
    moves = () if fails_beside else move_lines(status, asked)
    return NextStep(tuple(dict.fromkeys((*restarts, *moves, *next_rotation(status)))))


def _merge(causes: tuple[Cause, ...]) -> NextStep:
    """The fixes of the causes, up to the first one that needs a person before its commands."""
    first, commands = "", dict[str, None]()
    for cause in causes:
        if cause.first:
            if commands:
                break
            first = cause.first
        commands |= dict.fromkeys(cause.next)
        if cause.first:
            break
    return NextStep(tuple(commands), first, causes)


def next_of_secrets(status: Status, asked: StepContext) -> dict[str, NextStep]:
    """What to run next for each secret alone, by id: its fix, or its preparation for the next step of the move.

    Commands for the whole environment, such as the end of a move, are left out.
    """
    progress = status.progress
    next_secrets = progress.steps[progress.next] if progress is not None and progress.next is not None else ()
    found: dict[str, NextStep] = {}
    for row in status.rows:
        alone = replace(status, rows=(row,), progress=progress if row.secret.id in next_secrets else None)
        found[row.secret.id] = next_step(alone, replace(asked, only=(row.secret.id,)))
    return found


def next_rotation(status: Status) -> Iterator[str]:
    """The command that rotates the values which are overdue for longest."""
    # Without ages, as in a wait, the module is not loaded.
    if keys := [key for row in status.rows for key in row.keys]:
        from compiler.operations.due import rotation_commands  # noqa: PLC0415

        yield from rotation_commands(status.environment, keys)


def _check_silent(status: Status, asked: StepContext) -> str:
    """The command that shows whether the stores, or else the cluster, answer after a wait without an answer."""
    if not status.is_asked:
        return command_line("verify", status.environment.name, *asked.only)
    row = next(row for row in status.rows if row.live is None)
    return kubectl_line("-n", row.secret.namespace or "default", "get", "externalsecrets")


Mend = Callable[[ClusterProblem, Sequence[Row], Status, StepContext], NextStep]


def _mend(found: _Break, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    if found.problem is not None:
        return _MENDS.get(found.problem.state, _by_its_line)(found.problem, rows, status, asked)
    if found.link is Link.VALUES:
        return NextStep(tuple(dict.fromkeys(_fill_values(status.environment, rows))))
    return _open_store(found.link, rows, status, asked)


def _by_its_line(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    """The fix that the judge of the cluster gave: a command, or words; without one, `verify`."""
    if not problem.mend:
        return _verify(problem, rows, status, asked)
    return NextStep((problem.mend,)) if _is_line(problem.mend) else NextStep((), problem.mend)


def _is_line(text: str) -> bool:
    return text.partition(" ")[0] in _PROGRAMS


def _verify(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    del problem
    return NextStep((command_line("verify", status.environment.name, *ids_of(rows), *asked.cluster),))


def _choose_cluster(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    del rows, asked
    name = status.environment.name
    chosen = f"; if it is, install chart/values-{name}.yaml there" if status.cluster is not None else ""
    first = f"if this is not the cluster of {quote(name)}, name its context: --context NAME{chosen}"
    return NextStep((problem.mend,) if problem.mend else (), first)


def _deploy(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    lines = dict.fromkeys(line for row in rows if row.live is not None for line in row.live.deploys)
    name, waits = status.environment.name, _wait_line(rows, status, asked)
    # Compile first: otherwise the old file is deployed again.
    compiles = (command_line("compile", name),) if problem.state is ClusterState.NOT_COMPILED else ()
    if lines:
        # It was deployed in vain.
        first = f"check that the Application or release has chart/values-{name}.yaml" if asked.has_waited else ""
        return NextStep((*compiles, *lines, waits), first)
    if compiles:
        return NextStep(compiles)
    sync = shell_line("argocd", "app", "sync", BLANK)
    return NextStep((waits,), f"deploy chart/values-{name}.yaml ({sync})")


def _redeploy(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    """A deployment, and after one the removal of what it leaves, as of fields that another tool has set."""
    step = _deploy(problem, rows, status, asked)
    mends = [each.mend for row in rows if row.live for each in row.live.problems if each.state is problem.state]
    lines = [each for each in mends if _is_line(each)]
    if asked.has_waited:
        lines += [line for each in mends for line in _QUOTED.findall(each)]
    if lines:
        before = step.commands[:-1] if len(lines) < len(rows) else ()
        return NextStep((*before, *dict.fromkeys(lines), step.commands[-1]), step.first if before else "")
    words = (problem.mend, step.first) if problem.mend == ONE_OWNER else (step.first,)
    return replace(step, first="; then ".join(filter(None, words)))


def _hand_over(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    """First remove the objects from what else applies them: two that apply one object undo each other for ever."""
    step = _deploy(problem, rows, status, asked)
    return replace(step, first=f"let only one apply them: {problem.mend}")


def _grant(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    """The command that prints the rights which the operator lacks in a store, for its administrator."""
    if asked.has_forced:
        return _verify(problem, rows, status, asked)
    store, name = rows[0].store, status.environment.name
    form = store.provider.access_form
    if not form:
        return _force(problem, rows, status, asked)
    options = ("--for", "operator", "--form", form, "--store", store.id)
    grants = command_line("generate", "access", name, *options)
    first = f"have an administrator of {quote(store.id)} carry out what the next line prints"
    return NextStep((grants, _wait_line(rows, status, asked, "--force-sync")), first)


def _mend_store(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    """The fix of the store object, then the command that makes the operator try again at once."""
    forces = _wait_line(rows, status, asked, "--force-sync")
    return NextStep((problem.mend, forces)) if _is_line(problem.mend) else NextStep((forces,), problem.mend)


def _own_lines(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    lines = tuple(dict.fromkeys(line for row in rows if row.live is not None for line in row.live.helps))
    return NextStep(lines) if lines else _verify(problem, rows, status, asked)


def _force(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    if problem.mend == ALLOW_WRITE:
        return NextStep((_wait_line(rows, status, asked),), ALLOW_WRITE)
    if asked.has_forced:
        is_operators = problem.state in _OPERATORS
        return NextStep((operator_pods(),)) if is_operators else _verify(problem, rows, status, asked)
    return NextStep((_wait_line(rows, status, asked, "--force-sync"),))


def _wait(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    if asked.has_waited:
        return _force(problem, rows, status, asked)
    return NextStep((_wait_line(rows, status, asked),))


def _look_at_pods(problem: ClusterProblem, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    live = [row.live for row in rows if row.live is not None]
    if any(each.unlisted for each in live):
        return NextStep((command_line("consumers", status.environment.name, *asked.cluster),))
    looks = tuple(dict.fromkeys(line for each in live for line in each.looks))
    return NextStep(looks[:1]) if asked.has_waited else _wait(problem, rows, status, asked)


_MENDS: dict[ClusterState, Mend] = {
    ClusterState.FOREIGN: _verify,
    ClusterState.WRONG_CLUSTER: _choose_cluster,
    **dict.fromkeys(
        (
            *(ClusterState.ABSENT, ClusterState.DELETED, ClusterState.OTHER_NAMESPACE),
            ClusterState.NOT_COMPILED,
        ),
        _deploy,
    ),
    ClusterState.OTHER_SPEC: _redeploy,
    ClusterState.OTHER_OWNER: _hand_over,
    ClusterState.FORBIDDEN: _grant,
    **dict.fromkeys((ClusterState.RESTART, ClusterState.IMMUTABLE, ClusterState.OTHER_TYPE), _own_lines),
    **dict.fromkeys(
        (
            *(ClusterState.NOT_READY, ClusterState.RETAINED, ClusterState.OLDER_VALUE, ClusterState.NOT_REFRESHED),
            *(ClusterState.NO_TARGET, ClusterState.MISSING_KEY, ClusterState.EDITED),
        ),
        _force,
    ),
    **dict.fromkeys(OF_STORE - {ClusterState.STORE_NOT_READY}, _mend_store),
    ClusterState.NOT_SYNCED: _wait,
    ClusterState.PODS: _look_at_pods,
}


def _wait_line(rows: Sequence[Row], status: Status, asked: StepContext, *options: str) -> str:
    """The command that waits for the secrets of these rows, and not for others with problems."""
    # For all secrets, or for too many names to paste, the command needs no names.
    is_of_all = len(rows) == len(status.rows) or len(rows) > MOST_OF_A_LINE
    only = asked.only if is_of_all else ids_of(rows)
    words = (*repeat_option("--only", only), "--wait", *options, *asked.context)
    return command_line("status", status.environment.name, *words)


def _open_store(link: Link, rows: Sequence[Row], status: Status, asked: StepContext) -> NextStep:
    """The fix for a store in use that could not be read, then the command that makes the operator try again."""
    helps = dict.fromkeys(way_out.removesuffix(", then run again") for row in rows for way_out in row.values.helps)
    name, words = status.environment.name, "; ".join(helps)
    if not asked.cluster:
        return NextStep((command_line("status", name, *repeat_option("--only", asked.only), "--cluster"),), words)
    fails = any(row.live is not None and row.live.problems for row in rows)
    return NextStep((_wait_line(rows, status, asked, "--force-sync"),) if link is Link.STORE and fails else (), words)


def _fill_values(environment: Environment, rows: Sequence[Row]) -> Iterator[str]:
    """The commands that give the store in use the values that it lacks, then those that repair others."""
    inventory = Inventory(environment)
    filled: set[ValueName] = set()
    for row in rows:
        # A value that several secrets share is filled once.
        lacking = {inventory.value_of(row.secret.id, key) for key in row.values.unset}
        if not lacking <= filled:
            yield from _fill_secret(environment.name, row)
        filled |= lacking
    for row in rows:
        if not row.values.unset:
            yield from _repair_values(environment.name, row)


def _repair_values(name: str, row: Row) -> Iterator[str]:
    """The command that `verify` proposes for a value that is there but faulty; else `verify` itself.

    For a deleted value that another store has, it is the one that recovers it and copies it again.
    """
    lines = [line for text in row.values.fault_helps for line in _QUOTED.findall(text) if _is_line(line)]
    own = [line for line in lines if line.startswith(f"{PROGRAM} ")]
    chosen = own if row.values.other_holds and own else lines
    if row.values.fault_by == "expired-secret" and row.secret.entry.keys:
        # Without a date of its own, a new value keeps the old date.
        limits = [item.key.lifetime.limit_days for item in row.secret.keys]
        days = min((each for each in limits if each is not None), default=_DAYS)
        date = () if row.store.provider.expires_by_itself else ("--expires", f"{days}d")
        chosen = [command_line("put", name, row.secret.id, *date)]
    yield chosen[0] if chosen else command_line("verify", name, row.secret.id)


def _fill_secret(name: str, row: Row) -> Iterator[str]:
    """The commands that add the missing keys of a secret: a copy from the other store, and `put` for the rest."""
    values, left = row.values, [key for key in row.values.unset if key not in row.values.only_there]
    if row.other is not None and len(left) < len(values.unset):
        ends = ("--to", row.store.id, "--from", row.other.id, "--only", row.secret.id)
        # Keys with another value stay as they are.
        differ = ("--on-conflict", "skip") if values.different else ()
        yield command_line(
            "migrate", name, *ends, *differ, *(("--continue-on-error",) if values.missing or left else ())
        )
    if left and not row.secret.entry.keys:
        # Its keys are not listed, and `put` sets only listed keys.
        yield command_line("verify", name, row.secret.id)
    elif left:
        # Without a key, `put` asks for all keys of the secret, and keeps those that have a value.
        yield command_line("put", name, row.secret.id, *(left if len(left) == 1 else ()))


def _has_way_back(environment: Environment, row: Row) -> bool:
    """Whether the secret was in the other store before, and that store holds the same, or all that is needed."""
    from compiler.edit.moves import was_in  # noqa: PLC0415 - only where something fails

    holds = row.values.likeness is Likeness.EQUAL or (bool(row.values.closed) and row.values.other_holds)
    return holds and row.other is not None and was_in(environment, row.secret.id, row.other)


def _explain_uncompared(rows: Iterable[Row]) -> str:
    """What a person accepts by going back without a comparison; empty if everything was compared."""
    closed = [row for row in rows if row.values.closed]
    stores = list_names(dict.fromkeys(row.store.id for row in closed))
    return f"accept that {list_names(ids_of(closed))} cannot be compared with {stores}" if closed else ""


def _switch_back(environment: Environment, rows: Sequence[Row], asked: StepContext) -> Iterator[str]:
    """The commands that switch the secrets to their other stores, in the order of `moves:`; guards of a store last."""
    guards = [row for row in rows if row.secret.entry.guards]
    guarded = [(_guard_of(row, guards) or "", row) for row in rows]
    ordered = sorted(guarded, key=lambda each: (each[0], each[1].step or 0))
    groups = group_pairs(((row.other.id, guard), row.secret.id) for guard, row in ordered if row.other is not None)
    for (other, _), secrets in groups.items():
        names = shorten(environment, secrets, other)
        yield command_line("cutover", environment.name, *names, "--back", "--to", other, *asked.cluster)


def _guard_of(row: Row, guards: Iterable[Row]) -> str | None:
    """The secret that guards a store and shares a place with this one, or is this one: they move together."""
    places = {item.place for item in row.secret.keys}
    return next((each.secret.id for each in guards if any(item.place in places for item in each.secret.keys)), None)
