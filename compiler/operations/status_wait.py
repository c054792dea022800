"""Reads the status of an environment, and with `--wait` lists until every secret is in effect.

What a switch must leave as it was is compared with what was there when the run began.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from compiler.cluster.judge import is_immutable, is_own, problems
from compiler.cluster.pods import Pod
from compiler.cluster.problem import OF_PODS, ClusterProblem, ClusterState
from compiler.cluster.times import last_read_before
from compiler.cluster.view import (
    SECRETS,
    STORES,
    ClusterError,
    ClusterView,
    Live,
    LiveObject,
    RefusedWriteError,
    clock,
    moment_of,
    ready_of,
    refresh_time,
    writers,
)
from compiler.live.observation import Likeness
from compiler.live.stores import LiveStores, store_named
from compiler.model.environment import Environment
from compiler.model.values import Manifest, child
from compiler.operations.status import (
    LiveState,
    Row,
    States,
    Status,
    WaitEnd,
    WaitResult,
    from_files,
    manifests_for,
    with_live_state,
)
from compiler.operations.status_live import (
    NEEDED,
    Changes,
    Snapshot,
    StatusJudge,
    data_of,
    with_values,
)
from compiler.operations.verify import Verification
from compiler.refusal import Refusal
from compiler.stores.pacing import OutOfTimeError, begin, call_within
from compiler.text.wording import quote

Tell = Callable[[States, float], None]
Connect = Callable[[], ClusterView]


_BEFORE_CHANGE = frozenset({ClusterState.OTHER_SPEC, ClusterState.NOT_SYNCED})
# The pause between two rounds in seconds, and at least this many times the duration of the last round.
_PAUSE, _SHARE = 2.0, 3
# Leave one second, so that the wait can report how it ended.
_GRACE = 1.0


@dataclass(slots=True)
class Baseline:
    """The state when the run began."""

    # Whether this is the state before the change.
    saw: bool
    # Whether the store that served the secret then holds the same as the store in use now.
    were_equal: bool
    uid: str | None
    data_hash: str | None
    refresh: tuple[str, str]
    # By the pods' uid.
    restarts: dict[str, int] = field(default_factory=dict)
    # When the data was last seen to change.
    changed: datetime | None = None
    newest_hash: str | None = None
    # When a value was written that the operator had not read yet: the Secret will change even if both stores are equal.
    pending: datetime | None = None
    # Whether pods were listed: then all restarts of other, later pods count.
    has_pods: bool = False
    # How often the spec had been changed.
    generation: int = 0

    @property
    def not_compared(self) -> tuple[str, ...]:
        """What cannot be compared with the state before the change, as the run began after it."""
        if self.saw:
            return () if self.uid is not None else ("UID", "data")
        return ("UID", "data", "refresh time", "restarts")


def baseline_of(manifest: Manifest, live: Live, pods: tuple[Pod, ...] | None, row: Row, now: datetime) -> Baseline:
    """The state when a run began; `now` is by the API server's clock."""
    states = {problem.state for problem in problems(manifest, live)}
    uid, data_hash = data_of(live.secret)
    served = child(live.external_secret or {}, "spec", "secretStoreRef").get("name")
    was_other = row.other is not None and served == row.other.name
    was_own = served == row.store.name
    written = row.values.newest if was_own else row.values.other_newest if was_other else None
    pending = written if last_read_before(live.external_secret or {}, written, now) is not None else None
    saw = live.external_secret is not None and bool(states & _BEFORE_CHANGE)
    return Baseline(
        saw=saw,
        were_equal=saw and (was_other or was_own) and row.values.likeness is Likeness.EQUAL and pending is None,
        uid=uid,
        data_hash=data_hash,
        refresh=_refresh_marks(live),
        restarts={pod.uid: pod.restarts for pod in pods or ()},
        newest_hash=data_hash,
        pending=pending,
        has_pods=pods is not None,
        generation=generation_of(live),
    )


def generation_of(live: Live) -> int:
    return int(child(live.external_secret or {}, "metadata").get("generation") or 0)


def changes_since(
    before: Baseline, manifest: Manifest, live: Live, pods: tuple[Pod, ...] | None, *, needs_refresh: bool
) -> Changes:
    """What has changed since; `before` is updated with what is new.

    With `needs_refresh` the operator must have synchronised since. A new value that came with the switch is no failure
    of the switch.
    """
    title, (_, data_hash), notes = quote(manifest.target_title), data_of(live.secret), list[str]()
    found, is_frozen = [*_changes_of_secret(before, live, title)], is_immutable(live)
    if before.pending is not None and data_hash not in (None, before.data_hash) and not is_frozen:
        when = clock(before.pending, datetime.now(UTC))
        notes.append(f"the Secret {title} took the value put at {when}, which the operator had not read before")
    if needs_refresh and _refresh_marks(live) == before.refresh:
        last = refresh_time(live.external_secret or {})
        at = f"; it last did so at {clock(last, datetime.now(UTC))}" if last is not None else ""
        message = f"the operator has not synchronised {quote(manifest.title)} since this wait began{at}"
        common = "the operator has not synchronised the ExternalSecrets since this wait began"
        found.append(ClusterProblem(ClusterState.NOT_REFRESHED, message, evidence=common))
    for pod in pods or ():
        first = before.restarts.setdefault(pod.uid, 0 if before.has_pods else pod.restarts)
        if pod.restarts > first:
            message = f"a container of the pod {quote(pod.name)} was restarted"
            found.append(ClusterProblem(ClusterState.RESTARTED, message, evidence="containers of pods were restarted"))
    turns, count = list[str](), generation_of(live) - before.generation
    if before.generation and count > 1:
        turns.append(f"two may overwrite each other's spec: it was changed {count} times since this wait began")
    return Changes(tuple(found), (*notes, *turns), before.changed, is_expected=bool(notes) and before.saw)


def _changes_of_secret(before: Baseline, live: Live, title: str) -> Iterator[ClusterProblem]:
    uid, data_hash = data_of(live.secret)
    if before.uid is None:
        before.uid, before.data_hash = uid, data_hash
    elif uid is not None and uid != before.uid:
        message, common = f"the Secret {title} was replaced: it has another UID", "the Secrets were replaced"
        yield ClusterProblem(ClusterState.REPLACED, message, evidence=common)
    if is_immutable(live):
        # The operator writes a new hash even if the data is immutable: a restart would bring no new value.
        before.changed = None
        return
    if data_hash is None:
        return
    if before.newest_hash not in (None, data_hash):
        before.changed = key_write_time(live.secret or {}) or datetime.now(UTC)
    before.newest_hash = data_hash
    if before.were_equal and data_hash != before.data_hash:
        message, common = (
            f"the data of {which} changed, although both stores held the same"
            for which in (f"the Secret {title}", "the Secrets")
        )
        yield ClusterProblem(ClusterState.DATA_CHANGED, message, evidence=common)


def key_write_time(secret: LiveObject) -> datetime | None:
    """When keys of a Secret were last written, by the API server; None if it does not say."""
    return max(filter(None, (moment_of(time) for time, _, _ in writers(secret, "f:data"))), default=None)


def _refresh_marks(live: Live) -> tuple[str, str]:
    """The marks of the operator's last success."""
    status = child(live.external_secret or {}, "status")
    return str(status.get("refreshTime")), str(status.get("syncedResourceVersion"))


class Wait:
    """A wait, and the `states` that its last round has found.

    Make it from a snapshot before anything changes: later rounds are compared with it.
    """

    def __init__(
        self,
        judge: StatusJudge,
        snapshot: Snapshot,
        *,
        is_forced: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.states: States = {}
        # Whether this run asked the operator to synchronise: then earlier synchronisations do not count.
        self.is_forced = is_forced
        self.judge = judge
        self.snapshot = snapshot
        self._clock = clock
        self._baselines = {
            secret: baseline_of(each, snapshot.view.live(each), snapshot.pods(each), judge.rows[secret], judge.now())
            for secret, each in snapshot.manifests.items()
        }

    @property
    def not_compared(self) -> Mapping[str, tuple[str, ...]]:
        """By secret, what cannot be compared with the state before the change."""
        return {name: each.not_compared for name, each in self._baselines.items() if each.not_compared}

    def until(self, seconds: float, tell: Tell, since: float | None = None) -> WaitResult:
        """Read again for up to `seconds`; after each round `tell` gets the states and the seconds left.

        The seconds count from `since` by the clock, or from now for None. An end counts only if a whole round that
        began after the last change shows it: the lists of one round are not of one moment. Raises ClusterError if even
        the first snapshot cannot be judged.
        """
        end = (self._clock() if since is None else since) + seconds
        error, is_proven, took = None, False, 0.0
        self._judge_round(self.snapshot)
        while True:
            left = end - self._clock()
            tell(self.states, left)
            if is_proven or left <= 0:
                how = self._end() if is_proven else None
                found = WaitResult(how or WaitEnd.TIME_UP, seconds, self.states, self.not_compared, error)
                lacking = {plural for plural, _ in self.snapshot.view.refused if plural in NEEDED}
                return replace(found, lacks_secrets_alone=lacking == {SECRETS})
            if took >= left:
                # Another round would not end in time.
                time.sleep(left)
                continue
            if took:
                time.sleep(min(max(_PAUSE, _SHARE * took), left - took))
            begun, end_before, facts_before = time.monotonic(), self._end(), self._facts()
            try:
                self._read_round()
                # After an end in the last round, this round has listed everything again, also pods.
                is_proven = None not in (end_before, self._end()) and self._facts() == facts_before
                error = None
            except ClusterError as failure:
                is_proven, error = False, failure
            took = time.monotonic() - begun

    def _end(self) -> WaitEnd | None:
        """How the wait would end by its last round, None while waiting may help."""
        if any(each.is_final for each in self.states.values()):
            return WaitEnd.FAILED
        lacking = {problem.state for each in self.states.values() for problem in each.problems}
        if not lacking:
            is_proven = self.snapshot.is_whole and not any(each.unproven for each in self.states.values())
            return WaitEnd.IN_EFFECT if is_proven else WaitEnd.UNPROVEN
        return WaitEnd.FAILED if lacking == {ClusterState.RESTART} else None

    def _facts(self) -> dict[str, tuple[object, ...]]:
        """What must be the same in two rounds for an end to count."""
        manifests, data_of_secret = self.snapshot.manifests, self.snapshot.data_of
        return {
            secret: ({each.state for each in found.problems}, data_of_secret(manifests[secret]))
            for secret, found in self.states.items()
        }

    def _read_round(self) -> None:
        """Read the next round. Pods are listed if they are waited for, if a Secret changed, and before an end."""
        last = self.snapshot
        waiting = {
            last.manifests[secret].namespace
            for secret, found in self.states.items()
            if any(problem.state in OF_PODS for problem in found.problems)
        }
        with_pods = last.namespaces if self._end() is not None else waiting
        self._judge_round(Snapshot(last.view.fresh(), last.manifests, last, with_pods))

    def _judge_round(self, snapshot: Snapshot) -> None:
        states = dict[str, LiveState]()
        for secret, before in self._baselines.items():
            manifest = snapshot.manifests[secret]
            live, needs_refresh = snapshot.view.live(manifest), self.is_forced or before.saw
            changes = changes_since(before, manifest, live, snapshot.pods(manifest), needs_refresh=needs_refresh)
            states[secret] = self.judge.live_state(snapshot, secret, changes, is_forced=self.is_forced)
        self.snapshot, self.states = snapshot, states


@dataclass(frozen=True, slots=True)
class StatusOptions:
    """The options of a status."""

    # The secrets to look at, all for none.
    only: tuple[str, ...] = ()
    # Whether to read no store.
    is_offline: bool = False
    # The longest wait; None not to wait.
    seconds: float | None = None
    # Whether to ask the operator to synchronise.
    is_forced: bool = False
    # The options that name the cluster, for command lines.
    context: tuple[str, ...] = ()
    # Whether to read the other stores too.
    compares: bool = True
    # Only after a write of this machine: is told if the caller may not ask the operator to synchronise, which then
    # does so by itself. A read in the second of a write does not count.
    on_denied: Callable[[ClusterError], None] | None = None
    # Stores, by id, that a person accepts as those which the cluster reads.
    accepted: tuple[str, ...] = ()
    # The project's folder, if the source of a different live object is to be found.
    root: Path | None = None


@dataclass(slots=True)
class StatusReading:
    """The reading of an environment, with what is known so far; one thread reads, and another waits for it."""

    status: Status
    options: StatusOptions
    stores: LiveStores
    connect: Connect | None
    tell: Tell
    begun: float = field(default_factory=time.monotonic)
    # Who is being asked now, other than the cluster; empty for nobody.
    asked: str = ""
    view: ClusterView | None = None
    wait: Wait | None = None
    # The secrets that the operator was asked to synchronise.
    forced: list[str] = field(default_factory=list)
    is_over: bool = False

    def read(self) -> Status:
        """Read everything. Raises Refusal if the cluster does not answer."""
        is_pinned = self.status.environment.cluster is not None
        self.asked = "the log-in program of the kubeconfig" + (", or the cluster" if is_pinned else "")
        self.view = view = self.connect() if self.connect is not None else None
        self.asked = ""
        if view is None:
            self._read_stores()
            return self.status
        self.status = replace(self.status, cluster=view.name)
        try:
            manifests = manifests_for(self.status)
            # Begin before the stores, which may take long: a wait compares with the cluster as it is now.
            snapshot = begin(lambda: Snapshot(view, manifests))
            self._read_stores()
            found = snapshot(math.inf)
            judge = StatusJudge(
                self.status,
                self.options.context,
                follows_write=self.options.on_denied is not None,
                root=self.options.root,
                ahead=view.clock_ahead,
            )
            return self._read_cluster(judge, found)
        except ClusterError as error:
            way_out = error.way_out(self.status.environment.name)
            failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", way_out)
        raise failure

    def _read_stores(self) -> None:
        if self.options.is_offline:
            return
        self.asked = "the stores"
        status, found = with_values(self.status, self.stores, compares=self.options.compares)
        if self.options.seconds is None:
            # A wait spends its seconds on the cluster.
            status = with_ages(status, found, self.stores, datetime.now(UTC))
        self.status, self.asked = status, ""

    def _read_cluster(self, judge: StatusJudge, snapshot: Snapshot) -> Status:
        seconds, is_forced = self.options.seconds, self.options.is_forced
        # Make it before anything is changed: it compares with what it sees now.
        self.wait = wait = Wait(judge, snapshot, is_forced=is_forced) if seconds is not None else None
        if is_forced:
            self._force(judge, snapshot, tuple(snapshot.manifests))
        if wait is None or seconds is None:
            return self._result(judge.every(snapshot), None)
        waited = wait.until(seconds, self._tell_round, self.begun)
        return self._result(waited.states, waited)

    def _force(self, judge: StatusJudge, snapshot: Snapshot, secrets: Sequence[str]) -> None:
        """Ask the operator to synchronise, except where that would fail or remove keys from the Secret."""
        wait, judge.held = self.wait, _why_not_forced(judge, snapshot, secrets)
        secrets = [each for each in secrets if each not in judge.held]
        try:
            # Collect each one at once: the report may be made while this runs.
            self.forced.extend(force_sync(snapshot, str(int(time.time())), lambda: self.is_over, secrets))
        except RefusedWriteError as error:
            if self.options.on_denied is None:
                judge.refused_write = str(error)
            else:
                self.options.on_denied(error)
        except ClusterError as error:
            if self.options.on_denied is None or error.permission is None:
                raise
            self.options.on_denied(error)
        else:
            return
        if wait is not None:
            wait.is_forced, judge.held = False, {}

    def _tell_round(self, states: States, left: float) -> None:
        # After the end of the reading its report is printed.
        if self.is_over:
            return
        self.tell(states, left)
        if self.wait is not None and (held := self.wait.judge.held) and left > 0:
            # Secrets that the operator has synchronised by itself meanwhile are left out.
            self._force(self.wait.judge, self.wait.snapshot, [each for each in held if states[each].problems])

    def end(self, seconds: float) -> Status:
        """End the reading early; `seconds` is the time that it was given."""
        self.is_over = True
        states, not_compared = (self.wait.states, self.wait.not_compared) if self.wait is not None else ({}, {})
        unanswered = self.asked
        if not unanswered and self.view is not None and self.view.unanswered_question:
            unanswered = f"the cluster ({self.view.unanswered_question})"
        waited = WaitResult(WaitEnd.TIME_UP, seconds, states, not_compared, unanswered=unanswered)
        return self._result(states, waited)

    def _result(self, states: States, waited: WaitResult | None) -> Status:
        return replace(with_live_state(self.status, states), waited=waited, forced=tuple(self.forced))


def with_ages(status: Status, found: Verification, stores: LiveStores, now: datetime) -> Status:
    """The rows with the ages of their keys."""
    from compiler.operations.due import keys_by_secret  # noqa: PLC0415 - a wait does without

    ages = keys_by_secret(found, stores, now)
    return replace(status, rows=tuple(replace(row, keys=ages.get(row.secret.id, ())) for row in status.rows))


def read_status(
    environment: Environment, options: StatusOptions, stores: LiveStores, connect: Connect | None, tell: Tell
) -> Status:
    """The status of an environment; `tell` gets the state of a wait after each of its rounds.

    The seconds of a wait are for everything: a cluster or a store that hangs does not make it longer. `connect` returns
    a view of the cluster, None if no cluster is asked. Raises Refusal for an unknown secret or accepted store, and if
    the cluster does not answer.
    """
    for store in options.accepted:
        store_named(environment, store)
    status = replace(from_files(environment, options.only), accepted=options.accepted)
    reading = StatusReading(status, options, stores, connect, tell)
    if options.seconds is None:
        return reading.read()
    try:
        return call_within(options.seconds + _GRACE, reading.read)
    except OutOfTimeError:
        return reading.end(options.seconds)


def _why_not_forced(judge: StatusJudge, snapshot: Snapshot, secrets: Iterable[str]) -> dict[str, str]:
    """For each secret that the operator is not asked to synchronise, the reason."""
    held = dict[str, str]()
    for secret in secrets:
        manifest, row = snapshot.manifests[secret], judge.rows[secret]
        if store := unready_store(snapshot.view, manifest.namespace, manifest.object):
            held[secret] = f" before {store} is ready"
        elif (row.secret.entry.skips_missing and row.values.faults) or (row.secret.uses_all and row.values.unset):
            held[secret] = f", as that would remove the keys from the Secret that {quote(row.store.id)} does not have"
    return held


def unready_store(view: ClusterView, namespace: str, external_secret: LiveObject) -> str:
    """The store object of an ExternalSecret in words, if it is known to be missing or not ready; else empty."""
    reference = child(external_secret, "spec", "secretStoreRef")
    kind, name = str(reference.get("kind") or "SecretStore"), str(reference.get("name") or "")
    if kind not in STORES or not name:
        return ""
    found = view.store(kind, name, namespace)
    if ready_of(found or {}).get("status") == "True":
        return ""
    is_unknown = found is None and view.has_refused(STORES[kind], namespace if kind == "SecretStore" else "")
    return "" if is_unknown else f"the {kind} {quote(name)}"


def force_sync(
    snapshot: Snapshot, mark: str, is_over: Callable[[], bool] = lambda: False, only: Iterable[str] | None = None
) -> Iterator[str]:
    """Set the annotation to `mark` on each of our ExternalSecrets; yields the secret of each one.

    Stops once it `is_over`; `only` are the secrets, None for all. Raises ClusterError.
    """
    view = snapshot.view
    for secret in snapshot.manifests if only is None else only:
        manifest = snapshot.manifests[secret]
        found = view.external_secrets(manifest.namespace).get(manifest.name)
        if found is None or not is_own(found, manifest):
            continue
        with view.asks(f"patch externalsecrets in {manifest.namespace}"):
            # Check inside the block: a report at the end then names this request as unanswered.
            if is_over():
                return
            if view.force_sync(manifest.namespace, manifest.name, mark):
                # Yield inside the block, so that it is recorded before it is no longer named as unanswered.
                yield secret
