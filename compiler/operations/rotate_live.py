"""Follows a rotated value in the cluster: has it synchronised, and finds the pods that still run on the old one."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from compiler.change.journal import Run
from compiler.cluster.judge import ClusterState
from compiler.cluster.view import EXTERNAL_SECRETS, PODS, SECRETS, ClusterError, ClusterView, child, refreshed_at
from compiler.live.readers import readers_of
from compiler.live.stores import LiveStores
from compiler.model.environment import Environment
from compiler.model.inventory import reads_of
from compiler.model.values import manifests_of
from compiler.operations.status import Status, WaitEnd
from compiler.operations.status_live import Pod, accept_store, keepers, pod_of, restart_commands
from compiler.operations.status_wait import Connect, StatusOptions, Tell, read_status, written_at
from compiler.refusal import Refusal
from compiler.text.wording import listed

_READER = "ExternalSecret "
# Seconds between two looks at the pods.
_PAUSE = 2.0
# The cluster has the value, and pods are still to be started or are starting.
_OF_PODS = frozenset({ClusterState.RESTART, ClusterState.PODS, ClusterState.RESTARTED})


def secrets_reading(environment: Environment, places: Iterable[tuple[str, str, str | None]]) -> tuple[str, ...]:
    """The secrets of the environment that read one of `places`, each a store's id, a name there and a property."""
    wanted, found = list(places), dict[str, None]()
    for read in reads_of(environment):
        own, here, spelling = read.place.property, (read.store.id, read.remote_name), read.store.provider.remote_name
        there = [each for store, remote, each in wanted if (store, spelling(remote)) == here]
        if there and (own is None or None in there or own in there):
            found[read.secret.id] = None
    return tuple(found)


def written_places(run: Run) -> Iterator[tuple[str, str, str | None]]:
    for (store, name), entry in run.entries.items():
        for _, _, property_ in entry.keys:
            yield store, name, property_


def require_healthy(
    environment: Environment,
    options: StatusOptions,
    stores: LiveStores,
    connect: Connect,
    note: Callable[[str], None],
) -> None:
    """Raises Refusal where the cluster does not run on the present value, does not answer, or may read another store.

    Who could not tell whether the new value works would be left with one that does not. `note` gets every doubt.
    """
    options = replace(options, compares=False)
    found = read_status(environment, options, stores, connect, lambda _states, _left: None)
    tell_doubts(found, note)
    if bad := [row.secret.id for row in found.rows if not row.is_fine]:
        message = f"the cluster does not run on the present value of {', '.join(bad)}, and the old one would die"
        raise Refusal("found", message, "mend that first: `status` says what is wrong; nothing was written")
    if unproven := dict.fromkeys(row.live.unproven for row in found.rows if row.live is not None and row.live.unproven):
        message = f"it is not proven that the cluster reads {listed(unproven)}, and the old value would die"
        raise Refusal("found", message, f"{accept_store(unproven)}; nothing was written")


def tell_doubts(found: Status, note: Callable[[str], None]) -> None:
    """Note what nobody can tell of each secret, which a person should know before a value is revoked."""
    for row in found.rows:
        for doubt in row.live.doubts if row.live is not None else ():
            note(f"{row.secret.id}: {doubt}")


def wait_for_sync(
    environment: Environment, options: StatusOptions, stores: LiveStores, connect: Connect, tell: Tell
) -> Status:
    """Have the secrets synchronised at once, where that is allowed, and wait until the cluster has what is stored."""
    return read_status(environment, replace(options, is_forced=True, compares=False), stores, connect, tell)


def is_synced(found: Status) -> bool:
    """Whether the cluster is proven to have the value, whatever its pods do."""
    waited = found.waited
    if waited is None or waited.end is WaitEnd.UNPROVEN or not waited.states:
        return False
    # With a problem of pods, the end of the wait says nothing of a store that is not proven.
    states = waited.states.values()
    return not any(live.unproven or any(each.state not in _OF_PODS for each in live.problems) for live in states)


# The ExternalSecrets that read rotated places, by namespace and name, and whether each is the environment's own.
Readings = Mapping[tuple[str, str], bool]


def readings_of(
    run: Run, environment: Environment, secrets: Sequence[str], stores: LiveStores, connect: Connect
) -> tuple[Readings, str]:
    """Whatever in the cluster reads what the run wrote, and why not all of it is known; empty where it is.

    Those of the environment are known from its files.
    """
    found = {(each.namespace, each.name): True for each in manifests_of(environment, secrets).values()}
    view, unknown = connect(), ""
    try:
        for store_id in run.destinations:
            index = readers_of(environment.stores[store_id], (), stores, view)
            names = (name for store, name in run.entries if store == store_id)
            for reader in (each for name in names for each in index.of(name)):
                if reader.name.startswith(_READER):
                    namespace, _, name = reader.name.removeprefix(_READER).partition("/")
                    found.setdefault((namespace, name), False)
    except Refusal as error:
        unknown = f"only the secrets of {environment.name} are looked at: {error}"
    return dict(sorted(found.items())), unknown


@dataclass(frozen=True, slots=True)
class OldPods:
    """What still runs on the old value: ExternalSecrets that have not read the new one, and pods by namespace.

    `not_seen` says what the caller may not look at.
    """

    unread: tuple[str, ...]
    pods: tuple[tuple[str, Pod], ...]
    not_seen: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether waiting is over: nothing that can be seen runs on the old value."""
        return not self.unread and not self.pods

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines that start the pods anew, one for each workload."""
        by_space = dict[str, list[Pod]]()
        for space, pod in self.pods:
            by_space.setdefault(space, []).append(pod)
        return tuple(line for space, pods in by_space.items() for line in restart_commands(pods, space))


def old_pods(view: ClusterView, readings: Readings, since: datetime | None) -> OldPods:
    """The pods that keep what they read before their Secret changed; `since` is when the new value was written.

    Raises ClusterError.
    """
    unread, not_seen = list[str](), list[str]()
    found = dict[tuple[str, str], tuple[str, Pod]]()
    for space in dict.fromkeys(space for space, _ in readings):
        secrets, pods = view.by_name(SECRETS, space), view.objects(PODS, space)
        external = view.by_name(EXTERNAL_SECRETS, space)
        not_seen += [str(error) for (_, where), error in view.refused.items() if where == space]
        if external is None or secrets is None or pods is None:
            continue
        for (where, called), is_own in readings.items():
            made = external.get(called) if where == space else None
            if made is None:
                if is_own and where == space:
                    not_seen.append(f"there is no ExternalSecret {space}/{called} in the cluster")
                continue
            refreshed = refreshed_at(made)
            # What is from the same second counts as older, as for the pods below.
            is_read = since is None or (refreshed is not None and refreshed > since)
            if not is_own and not is_read:
                unread.append(f"{space}/{called}")
            name = str(child(made, "spec", "target").get("name") or called)
            secret = secrets.get(name)
            if secret is None:
                continue
            written = written_at(secret)
            if not written:
                not_seen.append(f"when the Secret {space}/{name} changed is not known")
                continue
            own = [pod for pod in (pod_of(raw, {name}) for raw in pods) if pod is not None]
            # A pod from the same second counts as older.
            stale = {pod.uid for pod in own if not pod.created > written}
            found.update({(space, pod.uid): (space, pod) for pod in keepers(own, name, stale)})
    return OldPods(tuple(unread), tuple(found.values()), tuple(dict.fromkeys(not_seen)))


def wait_for_pods(see: Callable[[], OldPods], seconds: float, tell: Callable[[OldPods], None]) -> OldPods:
    """Look again for up to `seconds` until no pod runs on the old value; `tell` gets what each look finds.

    Raises Refusal for a cluster that does not answer.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            found = see()
        except ClusterError as error:
            failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", error.remedy)
            break
        tell(found)
        left = end - time.monotonic()
        if found.is_over or left <= 0:
            return found
        time.sleep(min(_PAUSE, left))
    raise failure


def force_others(view: ClusterView, readings: Readings) -> tuple[str, ...]:
    """Have what lies beside the environment synchronised too; returns what is not allowed, in words."""
    denied = dict[str, None]()
    for (namespace, name), is_own in readings.items():
        if is_own:
            continue
        try:
            view.force_sync(namespace, name, str(int(time.time())))
        except ClusterError as error:
            if error.permission is not None:
                denied[f"{error}: what reads the value there gets it at its own refreshInterval"] = None
    return tuple(denied)
