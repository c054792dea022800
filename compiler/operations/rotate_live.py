"""Follows a rotated value in the cluster: has it synchronised, and finds the pods that still run on the old one."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from compiler.change.apply import Listener, expect_servers
from compiler.change.attributes import COMMAND, require_own_versions
from compiler.change.journal import Run
from compiler.change.plan import Location, Options, Outcome, RotationPhase
from compiler.change.run_files import run_lock
from compiler.change.run_log import RunLog
from compiler.change.undo import open_run
from compiler.cluster.pods import Pod, key_write_time, pod_of, pods_with_old_value, restart_commands
from compiler.cluster.problem import OF_PODS
from compiler.cluster.times import last_read_before
from compiler.cluster.view import (
    EXTERNAL_SECRETS,
    PODS,
    SECRETS,
    ClusterError,
    ClusterView,
    LiveObject,
    refresh_time,
)
from compiler.live.readers import readers_of
from compiler.live.stores import LiveStores
from compiler.model.environment import UNLIMITED, Environment, Lifetime
from compiler.model.facts import short_duration
from compiler.model.inventory import reads_of
from compiler.model.values import child, manifests_of
from compiler.operations.put import Target
from compiler.operations.status import States, Status, WaitEnd
from compiler.operations.status_live import OPTIONAL, accept_store
from compiler.operations.status_wait import Connect, StatusOptions, Tell, read_status, unready_store
from compiler.refusal import Refusal
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import list_names

DISABLE_FIRST = "disable-first"
_READER = "ExternalSecret "
# Seconds between two looks at the pods.
_PAUSE = 2.0


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """How a rotation asks the cluster."""

    connect: Callable[..., ClusterView]  # with the kinds that the caller can go without; raises Refusal
    options: StatusOptions  # how long it waits, and which stores are accepted

    def view(self) -> ClusterView:
        """A view of all that the caller may read. Raises Refusal, whose help names the way without a cluster."""
        try:
            return self.connect(OPTIONAL)
        except Refusal as error:
            ways = filter(None, (error.help, "or add --without-cluster, and look at the cluster yourself"))
            failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", "; ".join(ways))
        raise failure


class RotationListener(Listener, Protocol):
    """Shows the user how a rotation goes, and asks for what it needs."""

    note: Callable[..., None]  # with texts, in words
    waits_for: Tell  # after each look at the ExternalSecrets

    def enter_values(self, target: Target) -> Mapping[str, SecretValue]:
        """The new values, from where the command line says; empty if a person enters none. May raise Refusal."""

    def syncs(self) -> None:
        """Called once the cluster has the new value."""

    def restarts(self, old: "OldPods") -> None:
        """Called after each look at the pods, with those on the old value."""


def secrets_reading(environment: Environment, places: Collection[Location]) -> tuple[str, ...]:
    """The secrets of the environment that read one of `places`."""
    reads = (each for each in reads_of(environment) if any(each.is_at(at.store, at.name, at.property) for at in places))
    return tuple(dict.fromkeys(each.secret.id for each in reads))


def require_healthy(
    environment: Environment, options: StatusOptions, stores: LiveStores, connect: Connect, note: Callable[[str], None]
) -> None:
    """Raises Refusal if the cluster does not run on the present value or does not answer, or if its store is unproven.

    Without it, nobody could tell whether the new value works once the old one does not. `note` gets every doubt.
    """
    options = replace(options, compares=False)
    found = read_status(environment, options, stores, connect, lambda _states, _left: None)
    note_doubts(found, note)
    if bad := [row.secret.id for row in found.rows if not row.is_fine]:
        message = f"the cluster does not run on the present value of {', '.join(bad)}, which would stop working"
        raise Refusal("found", message, "fix that first: `status` shows what is wrong; nothing was written")
    if unproven := dict.fromkeys(row.live.unproven for row in found.rows if row.live is not None and row.live.unproven):
        message = (
            f"it is not proven that the cluster reads {list_names(unproven)}, and the old value would stop working"
        )
        raise Refusal("found", message, f"{accept_store(unproven)}; nothing was written")


def note_doubts(found: Status, note: Callable[[str], None]) -> None:
    """Note what is unclear about each secret, which a person should know before revoking a value."""
    for row in found.rows:
        for doubt in row.live.doubts if row.live is not None else ():
            note(f"{row.secret.id}: {doubt}")


def is_synced(found: Status) -> bool:
    """Whether the cluster is proven to have the new value; its pods may still have the old one."""
    waited = found.waited
    if waited is None or waited.end is WaitEnd.UNPROVEN or not waited.states:
        return False
    # If pods have a problem, the end of the wait does not show an unproven store.
    states = waited.states.values()
    return not any(live.unproven or any(each.state not in OF_PODS for each in live.problems) for live in states)


# The ExternalSecrets that read rotated places, by namespace and name, and whether each is the environment's own.
Readings = Mapping[tuple[str, str], bool]


def readings_of(
    run: Run, environment: Environment, secrets: Sequence[str], stores: LiveStores, connect: Connect
) -> tuple[Readings, str]:
    """The ExternalSecrets that read what the run wrote, and why the list may be incomplete; empty if it is complete.

    The environment's own ExternalSecrets are known from its files.
    """
    # An empty list would mean all secrets of the environment.
    own = manifests_of(environment, secrets).values() if secrets else ()
    found = {(each.namespace, each.name): True for each in own}
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
    """What still runs on the old value."""

    unread: tuple[str, ...]  # ExternalSecrets that have not read the new value
    pods: tuple[tuple[str, Pod], ...]  # by namespace
    not_seen: tuple[str, ...]  # what the caller may not look at

    @property
    def is_over(self) -> bool:
        """Whether waiting is over: nothing that can be seen runs on the old value."""
        return not self.unread and not self.pods

    @property
    def is_proven(self) -> bool:
        """Whether nothing runs on the old value, and everything could be seen."""
        return self.is_over and not self.not_seen

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that restart the pods, one for each workload."""
        lines = (line for space, pod in self.pods for line in restart_commands([pod], space))
        return tuple(dict.fromkeys(lines))


def old_pods(view: ClusterView, readings: Readings, since: datetime | None, unknown: str = "") -> OldPods:
    """The pods that keep what they read before their Secret changed; `since` is when the new value was written.

    `unknown` says why `readings` may be incomplete, if so. Raises ClusterError.
    """
    unread, not_seen = list[str](), [*filter(None, [unknown])]
    found = dict[tuple[str, str], tuple[str, Pod]]()
    for (space, called), is_own in readings.items():
        external, secrets, pods = (view.by_name(kind, space) for kind in (EXTERNAL_SECRETS, SECRETS, PODS))
        if external is None or secrets is None or pods is None:
            continue
        made = external.get(called)
        if made is None:
            not_seen += [f"there is no ExternalSecret {space}/{called} in the cluster"] if is_own else []
            continue
        if not is_own and since is not None and not _has_read(made, since):
            unread.append(f"{space}/{called}")
        name = str(child(made, "spec", "target").get("name") or called)
        if (secret := secrets.get(name)) is None:
            continue
        written = key_write_time(secret)
        if written is None:
            not_seen.append(f"when the Secret {space}/{name} changed is not known")
            continue
        own = [pod for pod in (pod_of(raw, {name}) for raw in pods.values()) if pod is not None]
        found.update({(space, pod.uid): (space, pod) for pod in pods_with_old_value(own, name, written)})
    not_seen += map(str, view.refused.values())
    return OldPods(tuple(unread), tuple(found.values()), tuple(dict.fromkeys(not_seen)))


def _has_read(external_secret: LiveObject, written: datetime) -> bool:
    """Whether the operator has read a value since it was written; a read in the same second does not count."""
    is_older = last_read_before(external_secret, written, in_same_second=False) is not None
    return refresh_time(external_secret) is not None and not is_older


def wait_for_pods(look: Callable[[], OldPods], seconds: float, tell: Callable[[OldPods], None]) -> OldPods:
    """Look again for up to `seconds` until no pod runs on the old value; `tell` gets the result of each look.

    Raises Refusal if the cluster does not answer.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            found = look()
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
    """Make the operator synchronise ExternalSecrets outside the environment; returns why some are left out."""
    denied = dict[str, None]()
    for (namespace, name), is_own in readings.items():
        if is_own:
            continue
        try:
            found = view.external_secrets(namespace).get(name, {})
            if store := unready_store(view, namespace, found):
                held = f"{namespace}/{name} is not asked to synchronise, as {store} is not ready"
                denied[f"{held}: once it is, it gets the value at its own refreshInterval"] = None
                continue
            view.force_sync(namespace, name, str(int(time.time())))
        except ClusterError as error:
            if error.permission is not None:
                denied[f"{error}: what reads the value there gets it at its own refreshInterval"] = None
    return tuple(denied)


@dataclass(slots=True)
class Rotation:
    """A rotation of keys of one secret, and how far a command brought it."""

    environment: Environment
    options: Options
    access: ClusterAccess | None  # None where nobody is to look at the cluster
    listener: RotationListener
    secret: str = ""
    keys: Sequence[str] = ()
    run: Run | None = None  # None while its values are not in every place
    lifetimes: Mapping[str, Lifetime] = field(default_factory=dict)  # of the keys, by name
    readers: tuple[str, ...] = ()  # the secrets of the environment that read what the run wrote
    outcome: Outcome | None = None  # of the write; None where the values were written before
    kept: tuple[str, ...] = ()  # the places that keep another value, and why
    elsewhere: tuple[str, ...] = ()  # secrets of other environments that may read the value
    unsynced: Status | None = None  # what the cluster has, where that is not proven to be the new value
    old: OldPods | None = None  # what was seen to run on the old value; None where nobody looked
    # Why places lack the run's version, and the commands that set their values; None if not checked.
    foreign: tuple[tuple[str, str], ...] | None = None

    @property
    def run_in_place(self) -> Run:
        """The run of a rotation whose values are in every place."""
        if self.run is None:
            raise AssertionError(self.secret)
        return self.run

    @property
    def revocations(self) -> list[tuple[str, Lifetime]]:
        """The keys whose old value is still to be revoked: only where the old value works beside the new one."""
        is_over = self.run is not None and self.run.phase is RotationPhase.CLOSED
        return [(key, life) for key, life in self.lifetimes.items() if life.has_overlap and not is_over]

    @property
    def has_way_back(self) -> bool:
        """Whether the run can be undone: each old value still works, and is still in its store."""
        is_lost = self.run is not None and bool(self.run.no_way_back)
        return not is_lost and all(life.has_overlap for life in self.lifetimes.values())

    def set_run(self, run: Run) -> None:
        """Make this the rotation of `run`, whose values are in every place."""
        self.run, self.lifetimes = run, lifetimes_of(run, self.environment)
        self.secret, self.keys = str(run.identity.get("secret")), tuple(self.lifetimes)
        places = (Location(*target, each) for target, entry in run.entries.items() for _, _, each in entry.keys)
        self.readers = secrets_reading(self.environment, tuple(places))

    def follow(self) -> None:
        """Wait until no pod runs on the old value, and record how far that came; without a cluster, only the write.

        Raises StoreError, ConflictError if another writer replaced the value, and Refusal if the cluster does not
        answer.
        """
        run, access = self.run_in_place, self.access
        made = begin_overlap(run, self.environment, self.options)
        if access is None:
            return
        ends = time.monotonic() + (access.options.seconds or 0)
        if self.readers:
            asked = replace(access.options, only=self.readers, is_forced=True, compares=False)
            asked = replace(asked, on_denied=self._note_missing_right)
            status = read_status(self.environment, asked, self.options.stores, access.view, self._tell)
            if not is_synced(status):
                self.unsynced = status
                return
            note_doubts(status, self.listener.note)
            self.listener.syncs()
        record_phase(run, self.options, RotationPhase.SYNCED)
        self.watch_pods(access, made, ends - time.monotonic())
        if self.old is not None and self.old.is_proven:
            record_phase(run, self.options, RotationPhase.RESTARTED)

    def _tell(self, states: States, left: float) -> None:
        # Check after the round: if the places have the run's version now, they had it during the round.
        begin_overlap(self.run_in_place, self.environment, self.options)
        self.listener.waits_for(states, left)

    def _note_missing_right(self, error: ClusterError) -> None:
        within = max((self.environment.secrets[each].refresh or 0 for each in self.readers), default=0)
        self.listener.note(f"{error}: the cluster gets it within {short_duration(within)}" if within else str(error))

    def watch_pods(self, access: ClusterAccess, since: datetime | None, seconds: float = 0) -> None:
        """Look for up to `seconds`, at least once, for what runs on the value from before `since`.

        For a closed rotation, the operator is not asked to synchronise. Raises Refusal if the cluster does not answer.
        """
        run, view = self.run_in_place, access.view()
        is_open = run.phase is not RotationPhase.CLOSED
        readings, unknown = readings_of(run, self.environment, self.readers, self.options.stores, access.connect)
        if is_open:
            self.listener.note(*force_others(view, readings))

        def look() -> OldPods:
            old = old_pods(view.fresh(), readings, since, unknown)
            if is_open:
                # Check after the look: if the places have the run's version now, they had it during the look.
                begin_overlap(run, self.environment, self.options)
            return old

        self.old = wait_for_pods(look, seconds, self.listener.restarts)
        self.listener.note(*self.old.not_seen)


def lifetimes_of(run: Run, environment: Environment) -> dict[str, Lifetime]:
    """The lifetimes of the keys that a rotation gave new values; UNLIMITED for a key that the catalogue lacks."""
    entry = environment.catalogue.entries.get(str(run.identity.get("secret")))
    known = entry.keys if entry is not None else {}
    return {key: known[key].lifetime if key in known else UNLIMITED for key in run.identity.get("keys") or ()}


def begin_overlap(run: Run, environment: Environment, options: Options) -> datetime | None:
    """Check that each place has the run's own version and record that; returns when the newest was made.

    None if no store says. Raises StoreError, ConflictError if another writer was there, and what `record_phase` raises.
    """
    expect_servers(run, options.stores)
    made = require_own_versions(run, open_run(run, environment, options.stores))
    record_phase(run, options, RotationPhase.WRITTEN)
    return made


def record_phase(run: Run, options: Options, phase: RotationPhase) -> None:
    """Record how far the run has come, unless it had come further. Raises Refusal and OSError."""
    phases = list(RotationPhase)
    if run.phase is not None and phases.index(run.phase) >= phases.index(phase):
        return
    with run_lock(options.root, f"{COMMAND}, run {run.id}"), closing(RunLog(run)) as log:
        log.record_phase(phase)
