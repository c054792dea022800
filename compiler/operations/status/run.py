"""Looks at one environment as far as it is asked for: files, stores, the cluster, and on until all is in effect."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.operations.cluster.objects import ClusterError
from compiler.operations.status.follow import Follower
from compiler.operations.status.force import force
from compiler.operations.status.judge import Judge
from compiler.operations.status.live import LiveState
from compiler.operations.status.look import compiled_objects, from_files, with_seen, with_values
from compiler.operations.status.wait import Wait, Waited
from compiler.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from compiler.model.environment import Environment
    from compiler.operations.cluster.objects import LiveCollections
    from compiler.operations.live.stores import LiveStores
    from compiler.operations.status.row import Seen, Status
    from compiler.stores.interface import RemoteSecret

    Tell = Callable[[Mapping[str, Seen], float], None]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked for: the secrets `only` or all, no store where `is_offline`, and a wait of up to `seconds`.

    `seconds` is None where nothing is waited for; `is_forced` has the operator synchronise at once.
    """

    only: tuple[str, ...] = ()
    is_offline: bool = False
    seconds: float | None = None
    is_forced: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found; `waited` is None where nothing was waited for, `forced` the secrets that were."""

    status: Status
    waited: Waited | None = None
    forced: tuple[str, ...] = ()


def look_at(
    environment: Environment, wishes: Wishes, stores: LiveStores, cluster: LiveCollections | None, tell: Tell
) -> Looked:
    """The status of an environment; `tell` gets the state of a wait whenever it changes.

    Raises Refusal for a secret that there is not, and for a cluster that does not answer.
    """
    status = from_files(environment, wishes.only)
    remotes: tuple[RemoteSecret, ...] = ()
    if not wishes.is_offline:
        status, remotes = with_values(status, stores)
    if cluster is None:
        return Looked(status)
    try:
        return _live(status, remotes, wishes, cluster, tell)
    except ClusterError as error:
        failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", error.remedy)
    raise failure


def _live(
    status: Status, remotes: Iterable[RemoteSecret], wishes: Wishes, cluster: LiveCollections, tell: Tell
) -> Looked:
    state = LiveState(cluster, compiled_objects(status))
    versions = state.read()
    judge = Judge(state, status, remotes)
    mark = str(int(time.time()))
    if wishes.seconds is None:
        forced = force(state, cluster, mark) if wishes.is_forced else ()
        return Looked(with_seen(status, judge.every()), None, forced)
    # Made before anything is changed: what it sees now is what it compares with.
    wait = Wait(judge, status.rows, is_forced=wishes.is_forced)
    with Follower(cluster, versions) as follower:
        forced = force(state, cluster, mark) if wishes.is_forced else ()
        waited = wait.until(wishes.seconds, follower, tell)
    return Looked(with_seen(status, waited.seen), waited, forced)
