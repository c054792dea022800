"""Looks at an environment and waits until every secret is in effect; what a switch must leave is compared."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from queue import Empty, SimpleQueue
from typing import Any, Self, TypeVar

from compiler.cluster.judge import is_own
from compiler.cluster.view import ClusterError, LiveCollections, WatchEndedError
from compiler.edit.moves import Progress, progress_of
from compiler.live.stores import LiveStores, secret_named
from compiler.model.environment import Environment, moves_of
from compiler.operations.parity import manifests_of
from compiler.operations.status import Row, Seen, State, Status, other_store, read_values
from compiler.operations.status_live import Judge, LiveState
from compiler.operations.status_pods import Before, Pod, before_of, compared
from compiler.refusal import Refusal
from compiler.stores.deadline import OutOfTimeError, call_within
from compiler.stores.interface import RemoteSecret

Tell = Callable[[Mapping[str, Seen], float], None]
LiveObject = Mapping[str, Any]
Connect = Callable[[], LiveCollections]
T = TypeVar("T")


def force(
    state: LiveState, cluster: LiveCollections, mark: str, is_over: Callable[[], bool] = lambda: False
) -> Iterator[str]:
    """Set the annotation to `mark` on each ExternalSecret that is there and ours; yields each one's secret when it is.

    Once it `is_over`, none is asked for any more. Raises ClusterError.
    """
    for secret, manifest in state.manifests.items():
        live = state.live(manifest).external_secret
        metadata = manifest["metadata"]
        if live is None or not is_own(live, manifest):
            continue
        namespace = str(metadata["namespace"])
        with state.asks("patch externalsecrets", namespace):
            # Not before: whoever ends it between the two then sees that this one may be asked for.
            if is_over():
                return
            if cluster.force_sync(namespace, str(metadata["name"]), mark):
                # Within: it is noted before it is no longer said to be under way.
                yield secret


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found; `waited` is None where nothing was waited for, `forced` the secrets that were."""

    status: Status
    waited: Waited | None = None
    forced: tuple[str, ...] = ()


@dataclass(slots=True)
class SoFar:
    """What is known of an environment, in steps; whoever looks is in another thread than whoever waits for it.

    `asked` is who is asked now outside of the cluster, empty for nobody, `state` what is known of that, and `seen` the
    last that was told.
    """

    status: Status
    asked: str = ""
    state: LiveState | None = None
    wait: Wait | None = None
    seen: Mapping[str, Seen] = field(default_factory=dict)
    forced: list[str] = field(default_factory=list)
    is_over: bool = False

    def telling(self, tell: Tell) -> Tell:
        """As `tell`, and remembers what was told; once it is over nothing more is."""

        def remember(seen: Mapping[str, Seen], left: float) -> None:
            if not self.is_over:
                self.seen = seen
                tell(seen, left)

        return remember

    def end(self, seconds: float) -> Looked:
        """End the look before it has ended by itself; `seconds` are what it was given."""
        self.is_over = True
        not_compared = self.wait.not_compared if self.wait is not None else {}
        waited = Waited(End.TIME_UP, seconds, self.seen, not_compared, unanswered=self._unanswered())
        return Looked(with_seen(self.status, self.seen), waited, tuple(self.forced))

    def _unanswered(self) -> str:
        if self.asked or self.state is None:
            return self.asked
        return f"the cluster ({self.state.unanswered})" if self.state.unanswered else ""


# After so long the server ends a watch by itself.
_WATCH_SECONDS = 240
# Between two tries where a watch ended at once, and between two lists where watching is not allowed.
_PAUSE = 0.5
_POLL = 5.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A collection as a whole."""

    plural: str
    namespace: str
    objects: tuple[LiveObject, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One change of a collection."""

    plural: str
    namespace: str
    kind: str
    object: LiveObject


@dataclass(frozen=True, slots=True)
class Failed:
    """The cluster did not answer; it is asked again."""

    error: ClusterError


Event = Listed | Changed | Failed


class Follower:
    """Follows collections from the `versions` at which they were listed, by plural and namespace."""

    def __init__(self, cluster: LiveCollections, versions: Mapping[tuple[str, str], str]) -> None:
        self._cluster = cluster
        self._events: SimpleQueue[Event | Exception] = SimpleQueue()
        self._stop = threading.Event()
        self._threads = [
            # Daemons: a watch that hears nothing keeps no process alive.
            threading.Thread(target=self._run, args=(*at, version), daemon=True)
            for at, version in versions.items()
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    def events(self, seconds: float) -> tuple[Event, ...]:
        """All that has happened, waiting up to `seconds` for the first. Raises what a thread of it ended by."""
        found: list[Event] = []
        try:
            event = self._events.get(timeout=max(0.0, seconds))
            while not isinstance(event, Exception):
                found.append(event)
                event = self._events.get_nowait()
        except Empty:
            return tuple(found)
        raise event

    def _run(self, plural: str, namespace: str, version: str) -> None:
        try:
            self._follow(plural, namespace, version)
        except Exception as error:  # noqa: BLE001 - a thread that ends by it prints all of it, and its watch is lost
            self._events.put(error)

    def _follow(self, plural: str, namespace: str, version: str) -> None:
        at: str | None = version
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                if at is None:
                    found, at = self._cluster.collection(plural, namespace)
                    self._events.put(Listed(plural, namespace, found))
                at = self._watch(plural, namespace, at)
            except WatchEndedError:
                at = None
            except ClusterError as error:
                at = None
                if error.permission is None:
                    self._events.put(Failed(error))
                self._stop.wait(_POLL if error.permission is not None else _PAUSE)
            if time.monotonic() - begun < _PAUSE:
                self._stop.wait(_PAUSE)

    def _watch(self, plural: str, namespace: str, version: str) -> str:
        for kind, found in self._cluster.watch(plural, namespace, version, _WATCH_SECONDS):
            version = str((found.get("metadata") or {}).get("resourceVersion") or version)
            if kind != "BOOKMARK" and not self._stop.is_set():
                self._events.put(Changed(plural, namespace, kind, found))
        return version


# What nothing watches (stores, events) is asked for again after so many seconds, and the time left is shown.
_TICK = 5.0


class End(StrEnum):
    """How a wait ended."""

    IN_EFFECT = "in-effect"
    FAILED = "failed"  # waiting longer would not help
    TIME_UP = "time-up"
    UNPROVEN = "unproven"  # nothing is wrong, and not all that tells it may be asked


@dataclass(frozen=True, slots=True)
class Waited:
    """The end of a wait of at most `seconds`; `not_compared` by secret is what nobody saw before the change.

    `unanswered` says who had not answered when the time was up; what is `seen` is then of before that question, and of
    no secret where it was the first one.
    """

    end: End
    seconds: float
    seen: Mapping[str, Seen]
    not_compared: Mapping[str, tuple[str, ...]]
    error: ClusterError | None = None
    unanswered: str = ""


class Wait:
    """One wait. Make it before anything changes: what is then seen is what is compared with."""

    def __init__(
        self,
        judge: Judge,
        rows: Iterable[Row],
        *,
        is_forced: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._judge = judge
        self._is_forced = is_forced
        self._clock = clock
        self._before: dict[str, Before] = {}
        # Of watches, and of what is asked between them.
        self._error: ClusterError | None = None
        self._silence: ClusterError | None = None
        for row in rows:
            manifest = judge.state.manifests[row.secret.id]
            live, pods = judge.state.live(manifest), self._pods(row.secret.id)
            self._before[row.secret.id] = before_of(manifest, live, pods, row)

    @property
    def not_compared(self) -> Mapping[str, tuple[str, ...]]:
        """By secret, what nobody saw before the change."""
        return {name: each.not_compared for name, each in self._before.items() if each.not_compared}

    def until(
        self,
        seconds: float,
        follower: Follower,
        tell: Callable[[Mapping[str, Seen], float], None],
        since: float | None = None,
    ) -> Waited:
        """Follow for up to `seconds`; `tell` gets the state after each change, and the seconds left.

        They are counted from `since` by the clock, and from now on for None.
        """
        end = (self._clock() if since is None else since) + seconds
        asked_again = self._clock()
        seen: Mapping[str, Seen] | None = None
        while True:
            seen = self._now(seen)
            left = end - self._clock()
            tell(seen, left)
            how = _end_of(seen)
            if how is End.IN_EFFECT and not self._judge.state.is_whole:
                how = End.UNPROVEN
            if how is not None or left <= 0:
                return Waited(how or End.TIME_UP, seconds, seen, self.not_compared, self._silence or self._error)
            for event in follower.events(min(_TICK, left)):
                self._take(event)
            if self._clock() - asked_again >= _TICK:
                asked_again = self._clock()
                self._judge.state.again()

    def _now(self, last: Mapping[str, Seen] | None) -> Mapping[str, Seen]:
        """The state now, or the `last` one where the cluster does not answer for a while.

        An end is confirmed by a list of its own: each watch is as new as it is, and the Secret's may lag behind.
        """
        state = self._judge.state
        try:
            seen = self._every()
            if _end_of(seen) is not None:
                state.read()
                state.again()
                seen = self._every()
        except ClusterError as error:
            if last is None:
                raise
            self._silence = error
            return last
        self._silence = None
        return seen

    def _take(self, event: Event) -> None:
        state = self._judge.state
        if isinstance(event, Failed):
            self._error = event.error
            return
        self._error = None
        if isinstance(event, Listed):
            state.replace(event.plural, event.namespace, event.objects)
        else:
            state.change(event.plural, event.namespace, event.kind, event.object)

    def _every(self) -> dict[str, Seen]:
        found: dict[str, Seen] = {}
        for secret, before in self._before.items():
            manifest = self._judge.state.manifests[secret]
            title = f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
            live = self._judge.state.live(manifest)
            needs = self._is_forced or before.saw
            changes = compared(before, live, self._pods(secret), title, needs_refresh=needs)
            found[secret] = self._judge.seen(secret, changes, is_forced=self._is_forced)
        return found

    def _pods(self, secret: str) -> tuple[Pod, ...] | None:
        metadata = self._judge.state.manifests[secret]["metadata"]
        return self._judge.state.pods(str(metadata["namespace"]), str(metadata["name"]))


def _end_of(seen: Mapping[str, Seen]) -> End | None:
    """How it ended, None while waiting may help."""
    if any(each.is_final for each in seen.values()):
        return End.FAILED
    lacking = {problem.state for each in seen.values() for problem in each.problems}
    if not lacking:
        return End.IN_EFFECT
    return End.FAILED if lacking == {State.RESTART} else None


def from_files(environment: Environment, only: Sequence[str] = ()) -> Status:
    """What the files alone say, of the secrets `only` or all. Raises Refusal for one that there is not."""
    for name in only:
        secret_named(environment, name)
    moves = moves_of(environment.root)
    progress = progress_of(environment) if moves is not None else None
    steps = _steps(progress)
    rows: list[Row] = []
    for name, secret in environment.secrets.items():
        if secret.store is None or (only and name not in only):
            continue
        is_going = progress is not None and name in steps and secret.store.id != progress.to.id
        to = progress.to if progress is not None and is_going else None
        rows.append(Row(secret, secret.store, to, steps.get(name), other_store(secret, environment, progress)))
    return Status(environment, tuple(rows), progress)


def with_values(status: Status, stores: LiveStores) -> tuple[Status, tuple[RemoteSecret, ...]]:
    """The rows with what the stores hold, and the remote secrets that were read, to hide their values by."""
    read = read_values(status.environment, {row.secret.id: row.other for row in status.rows}, stores)
    rows = tuple(replace(row, values=read.values[row.secret.id]) for row in status.rows)
    asked = replace(status, rows=rows, answered=read.answered, is_asked=True, closed=read.closed, helps=read.helps)
    return asked, read.remotes


def with_seen(status: Status, seen: Mapping[str, Seen]) -> Status:
    """The rows with their live state."""
    rows = tuple(replace(row, seen=seen.get(row.secret.id)) for row in status.rows)
    return replace(status, rows=rows, is_live=True)


def compiled_objects(status: Status) -> dict[str, Mapping[str, Any]]:
    """The ExternalSecret that each secret of the rows compiles to, by the secret's id."""
    by_name = manifests_of(status.environment)
    return {row.secret.id: by_name[row.secret.entry.target] for row in status.rows}


def _steps(progress: Progress | None) -> dict[str, int]:
    steps = progress.steps if progress is not None else ()
    return {secret: number for number, step in enumerate(steps, 1) for secret in step}


# A wait that ends by itself at its last second tells more than one that is ended from outside.
_GRACE = 1.0


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for: the secrets `only` or all, no store where `is_offline`, and a wait of up to `seconds`.

    `seconds` is None where nothing is waited for; `is_forced` has the operator synchronise at once; no Secret is asked
    for unless `with_secrets`. `context` are the options that name the cluster, for command lines;
    `is_whole` cuts no message of the operator.
    """

    only: tuple[str, ...] = ()
    is_offline: bool = False
    seconds: float | None = None
    is_forced: bool = False
    with_secrets: bool = True
    context: tuple[str, ...] = ()
    is_whole: bool = False


def look_at(
    environment: Environment, wishes: Wishes, stores: LiveStores, connect: Connect | None, tell: Tell
) -> Looked:
    """The status of an environment; `tell` gets the state of a wait whenever it changes.

    The seconds of a wait are those of all: a cluster or a store that hangs does not make it longer. `connect` returns
    the cluster, and is None where none is looked at. Raises Refusal for a secret that there is not, and for a cluster
    that does not answer.
    """
    so_far = SoFar(from_files(environment, wishes.only))
    begun = time.monotonic()
    if wishes.seconds is None:
        return _look(so_far, wishes, stores, connect, tell, begun)
    try:
        return call_within(
            wishes.seconds + _GRACE, lambda: _look(so_far, wishes, stores, connect, so_far.telling(tell), begun)
        )
    except OutOfTimeError:
        return so_far.end(wishes.seconds)


def _look(
    so_far: SoFar, wishes: Wishes, stores: LiveStores, connect: Connect | None, tell: Tell, begun: float
) -> Looked:
    so_far.asked = "the log-in program of the kubeconfig"
    cluster = connect() if connect is not None else None
    if cluster is None:
        _read_stores(so_far, wishes, stores)
        return Looked(so_far.status)
    try:
        so_far.asked = ""
        so_far.state = state = LiveState(cluster, compiled_objects(so_far.status), with_secrets=wishes.with_secrets)
        # Not after the stores, which may be silent for a while: a wait compares with what is in the cluster now.
        listed = _begin(state.read)
        status, remotes = _read_stores(so_far, wishes, stores)
        versions = listed()
        is_over = wishes.seconds is None or wishes.is_offline
        again = None if is_over else lambda: with_values(status, stores)
        return _live(
            so_far,
            Judge(state, status, remotes, wishes.context, is_whole=wishes.is_whole, again=again),
            versions,
            wishes,
            cluster,
            tell,
            begun,
        )
    except ClusterError as error:
        failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", error.remedy)
    raise failure


def _begin(ask: Callable[[], T]) -> Callable[[], T]:
    """Call `ask` in a thread; the function that is returned waits for what it returns, or raises what it raises."""
    ended: SimpleQueue[tuple[T, None] | tuple[None, Exception]] = SimpleQueue()

    def call() -> None:
        try:
            ended.put((ask(), None))
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            ended.put((None, error))

    def wait() -> T:
        found, error = ended.get()
        if error is not None:
            raise error
        return found  # type: ignore[return-value] # there is no error

    # A daemon: a cluster that does not answer keeps no process alive.
    threading.Thread(target=call, daemon=True).start()
    return wait


def _read_stores(so_far: SoFar, wishes: Wishes, stores: LiveStores) -> tuple[Status, tuple[RemoteSecret, ...]]:
    if wishes.is_offline:
        return so_far.status, ()
    so_far.asked = "the stores"
    so_far.status, remotes = with_values(so_far.status, stores)
    so_far.asked = ""
    return so_far.status, remotes


def _live(
    so_far: SoFar,
    judge: Judge,
    versions: Mapping[tuple[str, str], str],
    wishes: Wishes,
    cluster: LiveCollections,
    tell: Tell,
    begun: float,
) -> Looked:
    status = so_far.status
    if wishes.seconds is None:
        _force(so_far, wishes, cluster)
        return Looked(with_seen(status, judge.every()), None, tuple(so_far.forced))
    # Made before anything is changed: what it sees now is what it compares with.
    so_far.wait = wait = Wait(judge, status.rows, is_forced=wishes.is_forced)
    with Follower(cluster, versions) as follower:
        _force(so_far, wishes, cluster)
        waited = wait.until(wishes.seconds, follower, tell, begun)
    return Looked(with_seen(status, waited.seen), waited, tuple(so_far.forced))


def _force(so_far: SoFar, wishes: Wishes, cluster: LiveCollections) -> None:
    if not wishes.is_forced or so_far.state is None:
        return
    # What is told at the end is that no other one was asked for.
    so_far.forced.extend(force(so_far.state, cluster, str(int(time.time())), lambda: so_far.is_over))
