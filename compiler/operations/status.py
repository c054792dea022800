"""Describes the state of each secret of an environment, in its files, stores and cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import ClusterError, ClusterName
from compiler.live.observation import Likeness, StoredVersion
from compiler.live.stores import secret_named
from compiler.model.environment import Environment, MoveProgress, Secret, Store, other_store, progress_of
from compiler.model.inventory import Inventory
from compiler.model.values import Manifest, manifests_of
from compiler.operations.verify import KeyState
from compiler.stores.errors import FailureSide
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import command_line, repeat_option

if TYPE_CHECKING:
    from compiler.live.readers import ReadIndex
    from compiler.operations.due import DueKey


@dataclass(frozen=True, slots=True)
class StoreFindings:
    """What the store in use and the other one hold of a secret."""

    likeness: Likeness = Likeness.NOT_ASKED
    # The keys that differ in the other store, or are missing there.
    different: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()  # what the operator could not read, or would read wrongly, in the store in use
    unset: tuple[str, ...] = ()  # the keys that it lacks, where no other fault is
    closed: tuple[str, ...] = ()  # why it did not say
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
    dates: Mapping[str, datetime] = field(default_factory=dict)  # of values, by key
    # All values that were read for it, to leave them out of messages; empty if one could not be read.
    values: tuple[SecretValue, ...] = field(default=(), repr=False, compare=False)
    data_hash: str | None = None  # what the operator notes beside a Secret of these values; None where one is not known
    side: FailureSide = FailureSide.UNCLEAR  # whose failure it is that the store did not say
    fault_by: str = "missing-secret"  # the rule of the first of `faults`
    fault_helps: tuple[str, ...] = ()  # what to do about these
    closed_by: str = "no-answer"  # the rule of the first of `closed`
    warnings: tuple[tuple[str, str], ...] = ()  # what is odd about the form of values that can be read, and a way out

    @property
    def is_sound(self) -> bool:
        """Whether the store in use was read, and gives every key as the operator needs it."""
        return bool(self.states) and not self.faults and not self.closed


# Problems that a person has to fix: waiting does not help.
FINAL = frozenset(
    {
        ClusterState.FOREIGN,
        ClusterState.WEBHOOK_REFUSED,
        ClusterState.IMMUTABLE,
        ClusterState.OTHER_TYPE,
    }
)


@dataclass(frozen=True, slots=True)
class LiveState:
    """The live state of a secret."""

    problems: tuple[ClusterProblem, ...] = ()  # the gravest first
    evidence: tuple[str, ...] = ()  # the operator's newest warning, without values, and what `verify` found
    next_try: int | None = None  # within how many seconds the operator tries again
    helps: tuple[str, ...] = ()  # the commands that mend it
    not_asked: tuple[str, ...] = ()  # what may not be asked
    pods: int | None = None  # how many pods read the Secret; None where they were not asked for
    notes: tuple[str, ...] = ()  # they keep nothing from being in effect
    refreshed: datetime | None = None  # when the operator began its last success
    looks: tuple[str, ...] = ()  # the commands that show why pods are not ready
    unlisted: tuple[str, ...] = ()  # the keys that such pods read and the environment does not have
    # The workloads of the pods, by kind and name; None if pods were not read.
    readers: tuple[tuple[str, str], ...] | None = None
    # The id of its store where nobody can tell, or has accepted, that the cluster's object leads there: then nobody
    # knows whether what is in effect is the right value.
    unproven: str = ""
    doubts: tuple[str, ...] = ()  # the notes that say what nobody can tell
    is_other_ready: bool | None = None  # the object of its other store; None where nothing made that worth a look
    # The secrets of the environment, by id, that were not asked about and are not deployed or not ready.
    fails_beside: tuple[str, ...] = ()
    deploys: tuple[str, ...] = ()  # the lines that deploy the values file, where it is not and they are known

    operator_runs: bool | None = None  # whether one that serves its store does; None where nobody knows
    store_ready: bool | None = None  # whether its store object is and leads there; None where it may not be read

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
    keys: tuple[DueKey, ...] = ()  # the most urgent first; empty if ages were not asked for

    @property
    def state(self) -> ClusterState:
        return self.live.state if self.live is not None else ClusterState.NOT_ASKED

    @property
    def value_date(self) -> datetime | None:
        """The date of its oldest value, by the ages of its keys: these look behind versions that did not change it."""
        dates = (self.values.written, *(key.age.changed for key in self.keys))
        return min(filter(None, dates), default=None)

    @property
    def has_problem(self) -> bool:
        """Whether the cluster was asked, and something keeps the secret from being in effect."""
        return self.live is not None and bool(self.live.problems)

    def has(self, state: ClusterState) -> bool:
        """Whether this state is among its problems in the cluster."""
        return self.live is not None and any(problem.state is state for problem in self.live.problems)

    @property
    def is_unread(self) -> bool:
        """Whether the store in use lacks something, or could not be read."""
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
    # The states before the request that got no answer in time; empty if that was the first one.
    states: States
    error: ClusterError | None = None
    unanswered: str = ""  # who had not answered when the time was up
    lacks_secrets_alone: bool = False  # all that it needs may be looked at but the Secrets


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
    cluster: ClusterName | None = None  # the one that was asked; None where none was

    @property
    def is_fine(self) -> bool:
        return all(row.is_fine for row in self.rows)

    @property
    def keys(self) -> list[DueKey]:
        return [key for row in self.rows for key in row.keys]


def from_files(environment: Environment, only: Sequence[str] = ()) -> Status:
    """The status by the files alone, of the secrets `only` or all. Raises Refusal for an unknown secret."""
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
    """The expected manifest of each secret of the rows, by the secret's id."""
    return manifests_of(status.environment, [row.secret.id for row in status.rows])


@dataclass(frozen=True, slots=True)
class StepContext:
    """The options with which the command was run."""

    cluster: tuple[str, ...] = ()  # its options about the cluster
    only: tuple[str, ...] = ()  # its secrets, empty for all
    has_waited: bool = False  # in vain
    has_forced: bool = False  # it had asked the operator to synchronise before it waited
    # Finds who reads a store of an environment; None if that is not known.
    readers: Callable[[Environment, Store], ReadIndex | None] = lambda _environment, _store: None

    @property
    def context(self) -> tuple[str, ...]:
        return tuple(word for word in self.cluster if word != "--cluster")


def move_lines(status: Status, asked: StepContext) -> Iterator[str]:
    """The commands that continue the move, if nothing is wrong; none without a move."""
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
        yield command_line("migrate", name, "--to", to, *repeat_option("--only", ids_of(lacking)))
    elif closed:
        yield command_line("verify", name, *ids_of(closed), "--store", to)
    else:
        yield command_line("cutover", name, "--next", *asked.cluster)


def _retire(status: Status, asked: StepContext) -> Iterator[str]:
    """The command that deletes what nobody reads any more, once the cluster was seen to have left the store."""
    name = status.environment.name
    left = [row for row in status.rows if row.other is not None and row.values.likeness is Likeness.EQUAL]
    if left and not status.is_live:
        yield command_line("status", name, *repeat_option("--only", asked.only), "--cluster")
        return
    for store in dict.fromkeys(row.other for row in left if row.other is not None):
        readers = asked.readers(status.environment, store)
        going = [row for row in left if row.other is store and _is_unread(row, store, status.environment, readers)]
        if going:
            only = ids_of(going) if asked.only else []
            yield command_line("retire", name, *only, "--store", store.id, *asked.cluster)


def _is_unread(row: Row, store: Store, environment: Environment, readers: ReadIndex | None) -> bool:
    """Whether the store still has something of the secret that nobody reads, as far as is known."""
    if readers is None:
        return True
    cells = Inventory(environment).of(row.secret, store).values()
    names = {cell.remote_key for cell in cells if cell.place is not None}
    # The environment's own readers in an unproven store do not count: values are compared before a deletion.
    own = f"{environment.name}/"
    return any(all(not each.is_proven and each.store.startswith(own) for each in readers.of(name)) for name in names)


def ids_of(rows: Iterable[Row]) -> list[str]:
    return [row.secret.id for row in rows]
