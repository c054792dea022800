"""Reads the status of an environment, and with `--wait` lists until every secret is in effect."""

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from compiler.cluster.judge import is_own
from compiler.cluster.problem import OF_PODS, ClusterState
from compiler.cluster.view import (
    FORCE_SYNC,
    SECRETS,
    STORES,
    ClusterError,
    ClusterView,
    LiveObject,
    RefusedWriteError,
    ready_of,
    success_mark,
)
from compiler.live.stores import LiveStores, store_named
from compiler.model.environment import Environment
from compiler.model.values import child
from compiler.operations.status import (
    States,
    Status,
    WaitEnd,
    WaitResult,
    from_files,
    manifests_for,
    with_live_state,
)
from compiler.operations.status_live import NEEDED, Snapshot, StatusJudge, with_values
from compiler.operations.verify import Verification
from compiler.refusal import Refusal
from compiler.stores.pacing import OutOfTimeError, begin, call_within
from compiler.text.wording import quote

Tell = Callable[[States, float], None]
Connect = Callable[[], ClusterView]


# The pause between two rounds in seconds, and at least this many times the duration of the last round.
_PAUSE, _SHARE = 2.0, 3
# Leave one second, so that the wait can report how it ended.
_GRACE = 1.0


class Wait:
    """A wait, and the `states` that its last round has found."""

    def __init__(self, judge: StatusJudge, snapshot: Snapshot, clock: Callable[[], float] = time.monotonic) -> None:
        self.states: States = {}
        self.judge = judge
        self.snapshot = snapshot
        self._clock = clock

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
                found = WaitResult(how or WaitEnd.TIME_UP, seconds, self.states, error)
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
        self.snapshot, self.states = snapshot, self.judge.every(snapshot)


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
            # Begin before the stores, which may take long.
            snapshot = begin(lambda: Snapshot(view, manifests))
            self._read_stores()
            found = snapshot(math.inf)
            judge = StatusJudge(
                self.status,
                self.options.context,
                follows_write=self.options.on_denied is not None,
                root=self.options.root,
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
        self.wait = wait = Wait(judge, snapshot) if seconds is not None else None
        if is_forced:
            # Also those that are held back at first: they are not in effect before they are asked for.
            for secret, manifest in snapshot.manifests.items():
                judge.asked[secret] = success_mark(snapshot.view.live(manifest).external_secret or {})
            self._force(judge, snapshot, tuple(snapshot.manifests))
        if wait is None or seconds is None:
            # Without a wait there is no time to answer.
            judge.asked.clear()
            return self._result(judge.every(snapshot), None)
        waited = wait.until(seconds, self._tell_round, self.begun)
        return self._result(waited.states, waited)

    def _force(self, judge: StatusJudge, snapshot: Snapshot, secrets: Sequence[str]) -> None:
        """Ask the operator to synchronise, except where that would fail or remove keys from the Secret."""
        wait, judge.held = self.wait, _why_not_forced(judge, snapshot, secrets)
        secrets = [each for each in secrets if each not in judge.held]
        try:
            # Collect each one at once: the report may be made while this runs.
            self.forced.extend(force_sync(snapshot, judge.asked, lambda: self.is_over, secrets))
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
        judge.asked.clear()
        if wait is not None:
            judge.held = {}

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
        states = self.wait.states if self.wait is not None else {}
        unanswered = self.asked
        if not unanswered and self.view is not None and self.view.unanswered_question:
            unanswered = f"the cluster ({self.view.unanswered_question})"
        waited = WaitResult(WaitEnd.TIME_UP, seconds, states, unanswered=unanswered)
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
    snapshot: Snapshot,
    asked: dict[str, str],
    is_over: Callable[[], bool] = lambda: False,
    only: Iterable[str] | None = None,
) -> Iterator[str]:
    """Set the annotation on each of our ExternalSecrets; yields the secret of each one.

    `asked` gets the mark of the operator's last success before that, by secret. Stops once it `is_over`; `only` are the
    secrets, None for all. Raises ClusterError.
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
            asked[secret] = success_mark(found)
            if view.force_sync(manifest.namespace, manifest.name, _next_mark(found)):
                # Yield inside the block, so that it is recorded before it is no longer named as unanswered.
                yield secret


def _next_mark(external_secret: LiveObject) -> str:
    """The seconds of now, or more: the same annotation again would be no change, and the operator would not answer."""
    now, before = int(time.time()), str(child(external_secret, "metadata", "annotations").get(FORCE_SYNC))
    return str(max(now, int(before) + 1) if re.fullmatch("[0-9]{1,15}", before) else now)
