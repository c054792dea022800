"""Decides the next command: a problem's remedy, or else the next step of the move. Never what has just failed.

The only place that decides it. What is wrong leads by its state to a remedy, and the remedies to command lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from compiler.cluster.judge import State, operator_pods
from compiler.live.compare import Likeness
from compiler.live.stores import ValueName, key_places, value_names
from compiler.model.environment import Environment, Store
from compiler.operations.status import Row, Status
from compiler.text.command_line import BLANK, command_line, shell_line

if TYPE_CHECKING:
    from compiler.live.readers import ReadIndex


class Remedy(IntEnum):
    """What mends a secret in the cluster, in the order in which it is to be done."""

    OPERATOR = 1  # look at the operator
    VERIFY = 2  # a person has to decide
    DEPLOY = 3
    OWN = 4  # the lines that its live state has
    BACK = 5  # serve it from the other store, which holds the same
    FORCE = 6  # have the operator synchronise at once
    WAIT = 7
    CONSUMERS = 8  # pods read what the environment does not have
    PODS = 9  # look at the pods


_REMEDIES = {
    State.SILENT: Remedy.OPERATOR,
    **dict.fromkeys((State.FOREIGN, State.REPLACED, State.DATA_CHANGED, State.RESTARTED), Remedy.VERIFY),
    **dict.fromkeys((State.ABSENT, State.DELETED, State.OTHER_SPEC), Remedy.DEPLOY),
    **dict.fromkeys((State.RESTART, State.IMMUTABLE), Remedy.OWN),
    **dict.fromkeys((State.NOT_READY, State.RETAINED, State.STORE), Remedy.BACK),
    **dict.fromkeys(
        (State.OLDER_VALUE, State.NOT_REFRESHED, State.NO_TARGET, State.MISSING_KEY, State.EDITED), Remedy.FORCE
    ),
    State.NOT_SYNCED: Remedy.WAIT,
    State.PODS: Remedy.PODS,
}
# Of these nothing but the operator is to blame, once it was asked in vain.
_OPERATORS = frozenset({State.OLDER_VALUE, State.NOT_REFRESHED, State.NOT_SYNCED})


@dataclass(frozen=True, slots=True)
class StepContext:
    """How the command was asked. `cluster` are its options about the cluster, `only` its secrets, empty for all.

    `has_waited` and `has_forced` tell that it waited in vain, after it had asked the operator to synchronise or not.
    `readers` returns who reads a store of an environment, None where that is not known.
    """

    cluster: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    has_waited: bool = False
    has_forced: bool = False
    readers: Callable[[Environment, Store], ReadIndex | None] = lambda _environment, _store: None

    @property
    def context(self) -> tuple[str, ...]:
        return tuple(word for word in self.cluster if word != "--cluster")


@dataclass(frozen=True, slots=True)
class NextStep:
    """The lines to paste, the first one first; `first` says in words what a person does before, empty for nothing."""

    commands: tuple[str, ...] = ()
    first: str = ""


def next_step(status: Status, asked: StepContext | None = None) -> NextStep:
    """What comes next; no command where nothing is left to do, or no command mends it."""
    asked = asked if asked is not None else StepContext()
    if found := tuple(dict.fromkeys(_mending_values(status, asked))):
        return NextStep(found)
    troubled = [row for row in status.rows if row.live is not None and row.live.problems]
    if troubled:
        return _mending_cluster(status.environment, troubled, asked)
    if any(row.is_unread for row in status.rows):
        return NextStep()
    if status.is_live and any(row.live is None for row in status.rows):
        # Its time was up before all had answered: whether the last step is in effect is not known.
        return NextStep((_silent(status, asked) if asked.has_waited else _wait(status.environment, asked),))
    restarts = [line for row in status.rows if row.live is not None for line in row.live.helps]
    return NextStep(tuple(dict.fromkeys((*restarts, *_move(status, asked)))))


def _mending_values(status: Status, asked: StepContext) -> Iterator[str]:
    """What gives the store in use the values that it lacks, or does without a store that does not answer."""
    environment = status.environment
    faulty = [row for row in status.rows if row.values.faults]
    names = value_names(environment)
    told: set[ValueName] = set()
    for row in faulty:
        unset = row.values.unset
        lacking = {names.get((row.secret.id, key), (row.secret.id, key)) for key in unset}
        if not lacking <= told:
            # Without a key it asks for all of the secret, and leaves what has a value already.
            yield command_line("put", environment.name, row.secret.id, *(unset if len(unset) == 1 else ()))
        told |= lacking
    if others := [row for row in faulty if not row.values.unset]:
        yield command_line("verify", environment.name, *_ids(others))
    silent = [row for row in status.rows if row.values.is_silent and row.values.other_holds]
    yield from _backs(environment.name, silent, asked)


def _mending_cluster(environment: Environment, troubled: Sequence[Row], asked: StepContext) -> NextStep:
    by_remedy: dict[Remedy, list[Row]] = {}
    for row in troubled:
        by_remedy.setdefault(_remedy(row, asked), []).append(row)
    if Remedy.OPERATOR in by_remedy:
        return NextStep((operator_pods(),))
    is_deployed = min(by_remedy) is not Remedy.DEPLOY
    lines: list[str] = []
    for remedy in sorted(by_remedy):
        # Not to be waited for before it is deployed, and that comes after what a person has to decide.
        if remedy is not Remedy.DEPLOY or not is_deployed:
            lines += _lines(environment, remedy, by_remedy[remedy], asked)
    sync = shell_line("argocd", "app", "sync", BLANK)
    first = "" if is_deployed else f"deploy chart/values-{environment.name}.yaml again ({sync})"
    return NextStep(tuple(dict.fromkeys(lines)), first)


def _remedy(row: Row, asked: StepContext) -> Remedy:
    states = {problem.state for problem in row.live.problems} if row.live is not None else set[State]()
    remedy = min(_REMEDIES[state] for state in states)
    if remedy is Remedy.OWN and row.live is not None and not row.live.helps:
        return Remedy.VERIFY
    # A store that does not even say what it holds is compared with nothing: the gate of the switch says so.
    is_closed = bool(row.values.closed) and row.values.other_holds
    if remedy is Remedy.BACK and row.values.likeness is not Likeness.EQUAL and not is_closed:
        # A store that is not ready is none that a request mends.
        remedy = Remedy.VERIFY if State.STORE in states else Remedy.FORCE
    if remedy is Remedy.WAIT and asked.has_waited:
        remedy = Remedy.FORCE
    if remedy is Remedy.FORCE and asked.has_forced:
        remedy = Remedy.OPERATOR if states & _OPERATORS else Remedy.VERIFY
    if remedy is Remedy.PODS and row.live is not None:
        return Remedy.CONSUMERS if row.live.unlisted else Remedy.PODS if asked.has_waited else Remedy.WAIT
    return remedy


def _lines(environment: Environment, remedy: Remedy, rows: Sequence[Row], asked: StepContext) -> Iterator[str]:
    name = environment.name
    if remedy is Remedy.VERIFY:
        yield command_line("verify", name, *_ids(rows), *asked.cluster)
    elif remedy is Remedy.OWN:
        yield from (line for row in rows if row.live is not None for line in row.live.helps)
    elif remedy is Remedy.BACK:
        yield from _backs(name, rows, asked)
    elif remedy is Remedy.CONSUMERS:
        yield command_line("consumers", name, *asked.cluster)
    elif remedy is Remedy.PODS:
        yield from (line for row in rows if row.live is not None for line in row.live.looks)
    elif remedy is Remedy.FORCE:
        only = [word for secret in _ids(rows) for word in ("--only", secret)]
        yield command_line("status", name, *only, "--wait", "--force-sync", *asked.context)
    else:
        yield _wait(environment, asked)


def _backs(name: str, rows: Sequence[Row], asked: StepContext) -> Iterator[str]:
    """A switch of the secrets to their other stores, for each of these."""
    for other in dict.fromkeys(row.other.id for row in rows if row.other is not None):
        going = [row for row in rows if row.other is not None and row.other.id == other]
        # Also where the move has not come to a secret yet: on the way back the store that is left need not answer.
        yield command_line("cutover", name, *_ids(going), "--back", "--to", other, *asked.cluster)


def _silent(status: Status, asked: StepContext) -> str:
    """The line that shows whether those answer whom a wait got no answer from: the stores, else the cluster."""
    if not status.is_asked:
        return command_line("verify", status.environment.name, *asked.only)
    row = next(row for row in status.rows if row.live is None)
    return shell_line("kubectl", *asked.context, "-n", row.secret.namespace or "default", "get", "externalsecrets")


def _wait(environment: Environment, asked: StepContext) -> str:
    only = [word for secret in asked.only for word in ("--only", secret)]
    return command_line("status", environment.name, *only, "--wait", *asked.context)


def _move(status: Status, asked: StepContext) -> Iterator[str]:
    progress, name = status.progress, status.environment.name
    if progress is None:
        return
    to = progress.to.id
    if progress.next is None:
        if status.environment.root.text("store") != to:
            yield command_line("cutover", name, "--finish", "--to", to)
            return
        yield from _retire(status, asked)
        return
    step = [row for row in status.rows if row.secret.id in progress.steps[progress.next] and row.to is not None]
    lacking = [row for row in step if row.values.likeness in (Likeness.MISSING, Likeness.DIFFERENT)]
    closed = [row for row in step if row.values.likeness is Likeness.NO_ACCESS]
    if lacking:
        only = [word for secret in _ids(lacking) for word in ("--only", secret)]
        yield command_line("migrate", name, "--to", to, *only)
    elif closed:
        yield command_line("verify", name, *_ids(closed), "--store", to)
    else:
        yield command_line("cutover", name, "--next", *asked.cluster)


def _retire(status: Status, asked: StepContext) -> Iterator[str]:
    """A store that nobody reads any more still holds live credentials; that the cluster left it has to be seen."""
    name = status.environment.name
    left = [row for row in status.rows if row.other is not None and row.values.likeness is Likeness.EQUAL]
    if left and not status.is_live:
        only = [word for secret in asked.only for word in ("--only", secret)]
        yield command_line("status", name, *only, "--cluster")
        return
    for store in dict.fromkeys(row.other for row in left if row.other is not None):
        readers = asked.readers(status.environment, store)
        going = [row for row in left if row.other is store and _is_unread(row, store, status.environment, readers)]
        if going:
            only = _ids(going) if asked.only else []
            yield command_line("retire", name, *only, "--store", store.id, *asked.cluster)


def _is_unread(row: Row, store: Store, environment: Environment, readers: ReadIndex | None) -> bool:
    """Whether something of the secret that is left in `store` is read by nobody, as far as is known."""
    if readers is None:
        return True
    names = {place.remote_key for place in key_places(environment, row.secret, store).values() if place is not None}
    # What the environment itself reads in what may be the same store is compared before anything is deleted.
    own = f"{environment.name}/"
    return any(all(not each.is_proven and each.store.startswith(own) for each in readers.of(name)) for name in names)


def _ids(rows: Iterable[Row]) -> list[str]:
    return [row.secret.id for row in rows]
