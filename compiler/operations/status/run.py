"""Looks at one environment as far as it is asked for: files, stores, the cluster, and on until all is in effect."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING

from compiler.operations.cluster.objects import ClusterError
from compiler.operations.status.follow import Follower
from compiler.operations.status.force import force
from compiler.operations.status.judge import Judge
from compiler.operations.status.live import LiveState
from compiler.operations.status.look import compiled_objects, from_files, with_seen, with_values
from compiler.operations.status.so_far import Looked, SoFar
from compiler.operations.status.wait import Wait
from compiler.refusal import Refusal
from compiler.stores.sending.deadline import OutOfTimeError, call_within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from compiler.model.environment import Environment
    from compiler.operations.cluster.objects import LiveCollections
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.status.row import Status
    from compiler.operations.status.so_far import Tell
    from compiler.stores.interface import RemoteSecret

    Connect = Callable[[], LiveCollections]
    T = TypeVar("T")

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
