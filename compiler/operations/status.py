"""Describes the state of each secret of an environment, in its files, stores and cluster, and decides what to run next.

The only place that decides what to run next. What is wrong leads by its state to a remedy, and the remedies to command
lines; never to what has just failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from compiler.cluster.judge import operator_pods
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import ClusterError
from compiler.live.observation import Likeness
from compiler.live.stores import secret_named
from compiler.live.versions import StoredVersion
from compiler.model.environment import Environment, MoveProgress, Secret, Store, other_store, progress_of, shorten
from compiler.model.inventory import Inventory, ValueName
from compiler.model.values import Manifest, manifests_of
from compiler.operations.verify import KeyState
from compiler.stores.errors import FailureSide
from compiler.text.wording import BLANK, command_line, list_names, repeat_option, shell_line

if TYPE_CHECKING:
    from compiler.live.readers import ReadIndex
    from compiler.operations.due import DueKey


@dataclass(frozen=True, slots=True)
class StoreFindings:
    """What the store in use and the other one hold of a secret."""

    likeness: Likeness = Likeness.NOT_ASKED
    # The keys of the other store that make its likeness.
    different: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()  # what the operator could not read, or would read wrongly, in the store in use
    unset: tuple[str, ...] = ()  # the keys that it lacks, where no other fault is
    closed: tuple[str, ...] = ()  # why it did not say
    known_since: datetime | None = None  # the date of the newest value; None where one was not read
    written: datetime | None = None  # the date of the oldest value
    expires: datetime | None = None  # the nearest expiry
    newest: datetime | None = None
    other_newest: datetime | None = None
    helps: tuple[str, ...] = ()  # what to do about a store that did not say
    other_holds: bool = False  # the other store gives every key, equal or not
    only_there: tuple[str, ...] = ()  # the keys that only the other store holds
    # The first different key, in the store in use and in the other one.
    versions: tuple[StoredVersion, StoredVersion] | None = None
    states: Mapping[str, Mapping[str, KeyState]] = field(default_factory=dict)  # by key, and by the stores' ids
    side: FailureSide = FailureSide.UNCLEAR  # whose failure it is that the store did not say

    @property
    def is_sound(self) -> bool:
        """Whether the store in use was read, and gives every key as the operator needs it."""
        return self.known_since is not None and not self.faults


# What waiting does not mend: a person has to.
FINAL = frozenset(
    {
        ClusterState.FOREIGN,
        ClusterState.IMMUTABLE,
        ClusterState.REPLACED,
        ClusterState.DATA_CHANGED,
        ClusterState.RESTARTED,
    }
)


@dataclass(frozen=True, slots=True)
class LiveState:
    """The live state of a secret."""

    problems: tuple[ClusterProblem, ...] = ()  # the gravest first
    causes: tuple[str, ...] = ()  # the operator's newest warning, without values, and what `verify` found
    next_try: int | None = None  # within how many seconds the operator tries again
    helps: tuple[str, ...] = ()  # the commands that mend it
    not_asked: tuple[str, ...] = ()  # what may not be asked
    pods: int | None = None  # how many pods read the Secret; None where they were not asked for
    notes: tuple[str, ...] = ()  # they keep nothing from being in effect
    refreshed: datetime | None = None  # when the operator began its last success
    looks: tuple[str, ...] = ()  # the commands that show why pods are not ready
    unlisted: tuple[str, ...] = ()  # the keys that such pods read and the environment does not have
    # They run the pods, by kind and name; None where those were not asked for.
    readers: tuple[tuple[str, str], ...] | None = None
    # The id of its store where nobody can tell, or has accepted, that the cluster's object leads there: then nobody
    # knows whether what is in effect is the right value.
    unproven: str = ""
    doubts: tuple[str, ...] = ()  # the notes that say what nobody can tell

    @property
    def state(self) -> ClusterState:
        return self.problems[0].state if self.problems else ClusterState.IN_EFFECT

    @property
    def is_final(self) -> bool:
        return any(problem.state in FINAL for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Row:
    """One secret of an environment."""

    secret: Secret
    store: Store
    to: Store | None  # the store that it is to go to
    step: int | None  # of `moves:`, from 1 on
    other: Store | None
    values: StoreFindings = field(default_factory=StoreFindings)
    live: LiveState | None = None  # None where the cluster was not asked
    # None of either where nobody asked for ages.
    keys: tuple[DueKey, ...] = ()  # the most urgent first
    rotations: tuple[str, ...] = ()  # the runs of rotations under way

    @property
    def state(self) -> ClusterState:
        return self.live.state if self.live is not None else ClusterState.NOT_ASKED

    @property
    def value_date(self) -> datetime | None:
        """The date of its oldest value: as its ages have it, which look behind a version that left the value alone."""
        dates = (self.values.written, *(key.age.changed for key in self.keys))
        return min(filter(None, dates), default=None)

    @property
    def has_problem(self) -> bool:
        """Whether the cluster was asked, and something keeps it from being in effect."""
        return self.live is not None and bool(self.live.problems)

    def has(self, state: ClusterState) -> bool:
        """Whether that is among its problems in the cluster."""
        return self.live is not None and any(problem.state is state for problem in self.live.problems)

    @property
    def is_unread(self) -> bool:
        """Whether the store in use lacks something, or did not say."""
        return bool(self.values.faults or self.values.closed)

    @property
    def is_fine(self) -> bool:
        return not self.is_unread and self.state in (ClusterState.IN_EFFECT, ClusterState.NOT_ASKED)


States = Mapping[str, LiveState]


class WaitEnd(StrEnum):
    """How a wait ended."""

    IN_EFFECT = "in-effect"
    FAILED = "failed"  # waiting longer would not help
    TIME_UP = "time-up"
    UNPROVEN = "unproven"  # nothing is wrong, and not all that tells it may be asked


@dataclass(frozen=True, slots=True)
class WaitResult:
    """The end of a wait."""

    end: WaitEnd
    seconds: float  # the longest that it might take
    # Of before the question that was not answered in time; of no secret where that was the first one.
    states: States
    not_compared: Mapping[str, tuple[str, ...]]  # by secret, what nobody saw before the change
    error: ClusterError | None = None
    unanswered: str = ""  # who had not answered when the time was up


@dataclass(frozen=True, slots=True)
class Status:
    """The status of an environment."""

    environment: Environment
    rows: tuple[Row, ...]
    progress: MoveProgress | None  # of its `moves:`, None where it has none
    silent: tuple[str, ...] = ()  # the stores in use, by id, that did not answer
    is_asked: bool = False
    is_live: bool = False  # the cluster was to be looked at; a row without a live state had not told in time
    closed: tuple[str, ...] = ()  # what stores did not say, and why
    helps: Mapping[str, str] = field(default_factory=dict)  # what to do about that
    waited: WaitResult | None = None  # None where nothing was waited for
    forced: tuple[str, ...] = ()  # the secrets that the operator was asked to synchronise
    accepted: tuple[str, ...] = ()  # stores, by id, that the cluster reads as a person says, without proof

    @property
    def is_fine(self) -> bool:
        return all(row.is_fine for row in self.rows)

    @property
    def keys(self) -> list[DueKey]:
        return [key for row in self.rows for key in row.keys]


def from_files(environment: Environment, only: Sequence[str] = ()) -> Status:
    """What the files alone say, of the secrets `only` or all. Raises Refusal for one that there is not."""
    for name in only:
        secret_named(environment, name)
    progress = progress_of(environment)
    planned = progress.steps if progress is not None else ()
    steps = {secret: number for number, step in enumerate(planned, 1) for secret in step}
    rows: list[Row] = []
    for name, secret in environment.secrets.items():
        if secret.store is None or (only and name not in only):
            continue
        is_going = progress is not None and name in steps and secret.store.id != progress.to.id
        to = progress.to if progress is not None and is_going else None
        rows.append(Row(secret, secret.store, to, steps.get(name), other_store(secret, environment, progress)))
    return Status(environment, tuple(rows), progress)


def with_live_state(status: Status, states: States) -> Status:
    """The rows with their live state."""
    rows = tuple(replace(row, live=states.get(row.secret.id)) for row in status.rows)
    return replace(status, rows=rows, is_live=True)


def manifests_for(status: Status) -> dict[str, Manifest]:
    """What each secret of the rows must have in the cluster, by the secret's id."""
    return manifests_of(status.environment, [row.secret.id for row in status.rows])


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
    ClusterState.SILENT: Remedy.OPERATOR,
    **dict.fromkeys(
        (ClusterState.FOREIGN, ClusterState.REPLACED, ClusterState.DATA_CHANGED, ClusterState.RESTARTED), Remedy.VERIFY
    ),
    **dict.fromkeys((ClusterState.ABSENT, ClusterState.DELETED, ClusterState.OTHER_SPEC), Remedy.DEPLOY),
    **dict.fromkeys((ClusterState.RESTART, ClusterState.IMMUTABLE), Remedy.OWN),
    **dict.fromkeys((ClusterState.NOT_READY, ClusterState.RETAINED, ClusterState.STORE), Remedy.BACK),
    **dict.fromkeys(
        (
            ClusterState.OLDER_VALUE,
            ClusterState.NOT_REFRESHED,
            ClusterState.NO_TARGET,
            ClusterState.MISSING_KEY,
            ClusterState.EDITED,
        ),
        Remedy.FORCE,
    ),
    ClusterState.NOT_SYNCED: Remedy.WAIT,
    ClusterState.PODS: Remedy.PODS,
}
# Only the operator can cause these, once it was asked in vain.
_OPERATORS = frozenset({ClusterState.OLDER_VALUE, ClusterState.NOT_REFRESHED, ClusterState.NOT_SYNCED})


@dataclass(frozen=True, slots=True)
class StepContext:
    """How the command was asked."""

    cluster: tuple[str, ...] = ()  # its options about the cluster
    only: tuple[str, ...] = ()  # its secrets, empty for all
    has_waited: bool = False  # in vain
    has_forced: bool = False  # it had asked the operator to synchronise before it waited
    # Who reads a store of an environment; returns None where that is not known.
    readers: Callable[[Environment, Store], ReadIndex | None] = lambda _environment, _store: None

    @property
    def context(self) -> tuple[str, ...]:
        return tuple(word for word in self.cluster if word != "--cluster")


@dataclass(frozen=True, slots=True)
class NextStep:
    """The lines to paste, the first one first."""

    commands: tuple[str, ...] = ()
    first: str = ""  # what a person does before, in words


def next_step(status: Status, asked: StepContext | None = None) -> NextStep:
    """What comes next; no command where nothing is left to do, or no command mends it."""
    asked = asked if asked is not None else StepContext()
    values = tuple(dict.fromkeys(_mending_values(status)))
    if (closed := _past_closed(status, asked)).commands or values:
        return replace(closed, commands=(*closed.commands, *values))
    troubled = [row for row in status.rows if row.live is not None and row.live.problems]
    if troubled:
        return _mending_cluster(status.environment, troubled, asked)
    if any(row.is_unread for row in status.rows):
        return NextStep()
    if status.is_live and any(row.live is None for row in status.rows):
        # Its time was up before all had answered: whether the last step is in effect is not known.
        return NextStep((_silent(status, asked) if asked.has_waited else _wait(status.environment, asked),))
    restarts = [line for row in status.rows if row.live is not None for line in row.live.helps]
    return NextStep(tuple(dict.fromkeys((*restarts, *_move(status, asked), *next_rotation(status)))))


def next_of_secrets(status: Status, asked: StepContext) -> dict[str, NextStep]:
    """What comes next for each secret alone, by id: what mends it, or prepares it for the next step of the move.

    What is done for an environment as a whole, as the end of a move, is no secret's.
    """
    progress = status.progress
    step = progress.steps[progress.next] if progress is not None and progress.next is not None else ()
    found: dict[str, NextStep] = {}
    for row in status.rows:
        alone = replace(status, rows=(row,), progress=progress if row.secret.id in step else None)
        found[row.secret.id] = next_step(alone, replace(asked, only=(row.secret.id,)))
    return found


def next_rotation(status: Status) -> Iterator[str]:
    """What replaces the values that are overdue for longest, unless a rotation of them is under way."""
    # Where nobody asked for ages, as in a wait, nothing of them is loaded.
    if keys := [key for row in status.rows if not row.rotations for key in row.keys]:
        from compiler.operations.due import rotation_commands  # noqa: PLC0415

        yield from rotation_commands(status.environment, keys)


def _mending_values(status: Status) -> Iterator[str]:
    """What gives the store in use the values that it lacks."""
    environment = status.environment
    faulty = [row for row in status.rows if row.values.faults]
    inventory = Inventory(environment)
    told: set[ValueName] = set()
    for row in faulty:
        unset = row.values.unset
        lacking = {inventory.value_of(row.secret.id, key) for key in unset}
        if not lacking <= told:
            yield from _filling(environment.name, row)
        told |= lacking
    if others := [row for row in faulty if not row.values.unset]:
        yield command_line("verify", environment.name, *_ids(others))


def _filling(name: str, row: Row) -> Iterator[str]:
    """What gives a secret the keys that it lacks: a copy of those that the other store holds, and new values."""
    values, left = row.values, [key for key in row.values.unset if key not in row.values.only_there]
    if row.other is not None and len(left) < len(values.unset):
        ends = ("--to", row.store.id, "--from", row.other.id, "--only", row.secret.id)
        # The other keys are none of its business: they stay as they are.
        differ = ("--on-conflict", "skip") if values.different else ()
        yield command_line(
            "migrate", name, *ends, *differ, *(("--continue-on-error",) if values.missing or left else ())
        )
    if left:
        # Without a key it asks for all of the secret, and leaves what has a value already.
        yield command_line("put", name, row.secret.id, *(left if len(left) == 1 else ()))


def _past_closed(status: Status, asked: StepContext) -> NextStep:
    """What to do about a store in use that did not say what it holds.

    Only a failure that everybody meets leads back at once. The cause of any other is mended, or the operator asked
    whether it fails too: its cluster decides then.
    """
    closed = [row for row in status.rows if row.values.closed]
    back = [row for row in closed if row.values.side is FailureSide.SERVER and _has_way_back(status.environment, row)]
    if back:
        return NextStep(tuple(_backs(status.environment, back, asked)), _explain_uncompared(back))
    if not closed or asked.cluster:
        return NextStep()
    helps = dict.fromkeys(way_out for row in closed for way_out in row.values.helps)
    name, only = status.environment.name, repeat_option("--only", asked.only)
    return NextStep((command_line("status", name, *only, "--cluster"),), "; ".join(helps))


def _has_way_back(environment: Environment, row: Row) -> bool:
    """Whether the secret was in the other store before, and that one holds the same or all that is needed."""
    from compiler.edit.moves import was_in  # noqa: PLC0415 - only where something fails

    holds = row.values.likeness is Likeness.EQUAL or (bool(row.values.closed) and row.values.other_holds)
    return holds and row.other is not None and was_in(environment, row.secret.id, row.other)


def _explain_uncompared(rows: Iterable[Row]) -> str:
    """What a way back does not compare, as what a person does before; empty where it compares all."""
    closed = [row for row in rows if row.values.closed]
    stores = list_names(dict.fromkeys(row.store.id for row in closed))
    return f"accept that {list_names(_ids(closed))} cannot be compared with {stores}" if closed else ""


def _mending_cluster(environment: Environment, troubled: Sequence[Row], asked: StepContext) -> NextStep:
    by_remedy: dict[Remedy, list[Row]] = {}
    for row in troubled:
        by_remedy.setdefault(_remedy(environment, row, asked), []).append(row)
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
    if min(by_remedy) is Remedy.BACK:
        first = _explain_uncompared(by_remedy[Remedy.BACK])
    return NextStep(tuple(dict.fromkeys(lines)), first)


def _remedy(environment: Environment, row: Row, asked: StepContext) -> Remedy:
    states = {problem.state for problem in row.live.problems} if row.live is not None else set[ClusterState]()
    remedy = min(_REMEDIES[state] for state in states)
    if remedy is Remedy.OWN and row.live is not None and not row.live.helps:
        return Remedy.VERIFY
    if remedy is Remedy.BACK and not _has_way_back(environment, row):
        # A store that is not ready is none that a request mends.
        remedy = Remedy.VERIFY if ClusterState.STORE in states else Remedy.FORCE
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
        yield from _backs(environment, rows, asked)
    elif remedy is Remedy.CONSUMERS:
        yield command_line("consumers", name, *asked.cluster)
    elif remedy is Remedy.PODS:
        yield from (line for row in rows if row.live is not None for line in row.live.looks)
    elif remedy is Remedy.FORCE:
        yield command_line(
            "status", name, *repeat_option("--only", _ids(rows)), "--wait", "--force-sync", *asked.context
        )
    else:
        yield _wait(environment, asked)


def _backs(environment: Environment, rows: Sequence[Row], asked: StepContext) -> Iterator[str]:
    """A switch of the secrets to their other stores, in the order of `moves:`; what guards a store alone and last."""
    guards = [row for row in rows if row.secret.entry.guards]
    groups: dict[tuple[str, str], list[str]] = {}
    for row in sorted(rows, key=lambda row: (_guard_of(row, guards) or "", row.step or 0)):
        if row.other is not None:
            groups.setdefault((row.other.id, _guard_of(row, guards) or ""), []).append(row.secret.id)
    for (other, _), secrets in groups.items():
        names = shorten(environment, secrets, other)
        yield command_line("cutover", environment.name, *names, "--back", "--to", other, *asked.cluster)


def _guard_of(row: Row, guards: Iterable[Row]) -> str | None:
    """The secret that guards a store and reads a place with this one, or is this one: they move together."""
    places = {item.place for item in row.secret.keys}
    return next((each.secret.id for each in guards if any(item.place in places for item in each.secret.keys)), None)


def _silent(status: Status, asked: StepContext) -> str:
    """The line that shows whether those answer whom a wait got no answer from: the stores, else the cluster."""
    if not status.is_asked:
        return command_line("verify", status.environment.name, *asked.only)
    row = next(row for row in status.rows if row.live is None)
    return shell_line("kubectl", *asked.context, "-n", row.secret.namespace or "default", "get", "externalsecrets")


def _wait(environment: Environment, asked: StepContext) -> str:
    return command_line("status", environment.name, *repeat_option("--only", asked.only), "--wait", *asked.context)


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
        yield command_line("migrate", name, "--to", to, *repeat_option("--only", _ids(lacking)))
    elif closed:
        yield command_line("verify", name, *_ids(closed), "--store", to)
    else:
        yield command_line("cutover", name, "--next", *asked.cluster)


def _retire(status: Status, asked: StepContext) -> Iterator[str]:
    """A store that nobody reads any more still holds live credentials; that the cluster left it has to be seen."""
    name = status.environment.name
    left = [row for row in status.rows if row.other is not None and row.values.likeness is Likeness.EQUAL]
    if left and not status.is_live:
        yield command_line("status", name, *repeat_option("--only", asked.only), "--cluster")
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
    cells = Inventory(environment).of(row.secret, store).values()
    names = {cell.remote_key for cell in cells if cell.place is not None}
    # What the environment itself reads in what may be the same store is compared before anything is deleted.
    own = f"{environment.name}/"
    return any(all(not each.is_proven and each.store.startswith(own) for each in readers.of(name)) for name in names)


def _ids(rows: Iterable[Row]) -> list[str]:
    return [row.secret.id for row in rows]
