"""Reads what the stores hold of an environment's secrets, and judges by one reading of the cluster if it runs on that.

Where a secret is not in effect, it says why, and what mends it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cluster.judge import (
    Evidence,
    is_deployed_and_ready,
    is_immutable,
    problems,
    unknowns,
    waits_for_a_change,
    wrong_cluster,
)
from compiler.cluster.messages import describe_failure
from compiler.cluster.operator import read_operator, store_problems, store_unknowns
from compiler.cluster.pods import (
    Pod,
    judge_starts,
    look_commands,
    owner_of,
    pod_problems,
    pods_by_secret,
    unlisted_keys,
)
from compiler.cluster.problem import FAILING, OF_PODS, OF_STORE, UNDEPLOYED, ClusterProblem, ClusterState
from compiler.cluster.times import next_try, note_turns
from compiler.cluster.view import (
    DATA_HASH,
    EVENTS,
    EXTERNAL_SECRETS,
    OPERATOR,
    OPERATOR_PODS,
    PODS,
    SECRETS,
    STORE_EVENTS,
    STORES,
    ClusterView,
    Live,
    LiveObject,
    missing_permissions,
    moment_of,
    ready_of,
    ready_reason,
    refresh_time,
    wanted_keys,
)
from compiler.live.observation import Likeness
from compiler.live.stores import AddressError, LiveStores
from compiler.model.document import Severity
from compiler.model.inventory import Cell
from compiler.model.values import Manifest, child, manifests_of
from compiler.operations.references import VALUE_RULES, cells_to_read, with_own_count
from compiler.operations.status import LiveState, Row, Status, StoreFindings
from compiler.operations.verify import (
    CLOSED,
    UNSET,
    KeyStatus,
    Verification,
    compare_keys,
    compare_unlisted,
    dates_by_key,
    extract,
    values_of_keys,
    verify,
    versions_of,
)
from compiler.stores.errors import FailureSide, StoreError
from compiler.stores.secret_value import Comparer, operator_hash
from compiler.text.wording import ACCEPT_STORE, command_line, kubectl_line, list_names, quote, repeat_option

if TYPE_CHECKING:
    from compiler.operations.deployment import Deployment

# What `status` can do without, and reports. Without ExternalSecrets it ends, after collecting all missing permissions.
OPTIONAL = frozenset({EXTERNAL_SECRETS, SECRETS, PODS, EVENTS, OPERATOR, OPERATOR_PODS, STORE_EVENTS, *STORES.values()})
# Needed to prove that a secret is in effect; pods, events and labels only add details.
NEEDED = frozenset({SECRETS, *STORES.values()})
_ABOUT = {
    SECRETS: "keys of the Secret",
    PODS: "pods",
    EVENTS: "the operator's warnings",
    EXTERNAL_SECRETS: "ExternalSecrets of other namespaces",
    OPERATOR: "whether the operator runs",
    OPERATOR_PODS: "why the operator's pods are not ready",
    STORE_EVENTS: "the operator's warnings about the store",
    **dict.fromkeys(STORES.values(), "the store"),
}
# Kinds in other namespaces than the secrets that they are about.
_ELSEWHERE = frozenset({OPERATOR_PODS, STORE_EVENTS})
_NO_STORES = "what the stores hold: --offline"
# In these states the operator does not retry.
_STOPPED = frozenset({ClusterState.SILENT, ClusterState.OPERATOR_DOWN})
_OF_WEBHOOK = frozenset({ClusterState.WEBHOOK_DOWN, ClusterState.WEBHOOK_REFUSED})


_GRAVEST = (Likeness.MISSING, Likeness.DIFFERENT, Likeness.ONLY_THERE)


def with_values(status: Status, stores: LiveStores, *, compares: bool = True) -> tuple[Status, Verification]:
    """The rows with what the stores hold, and the findings of reading them.

    Every remote secret of both sides is read once, as the operator would read it; without `compares`, only those of the
    stores in use.
    """
    environment = status.environment
    others = {row.secret.id: row.other if compares else None for row in status.rows}
    own = cells_to_read(environment, tuple(others))[0]
    there: list[Cell] = []
    for store in {other.id: other for other in others.values() if other is not None}.values():
        going = [name for name, other in others.items() if other is not None and other.id == store.id]
        there += cells_to_read(environment, going, store)[0]
    found = verify((*own, *there), stores)
    statuses, comparer = found.by_secret_and_store, Comparer()

    def values_of(row: Row) -> StoreFindings:
        failure, sides = found.failures.get(row.store), (row.store, others[row.secret.id])
        here, there = (
            {each.cell.key: each for each in statuses.get((row.secret.id, store.id), ())} if store is not None else None
            for store in sides
        )
        values = _find_values(here or {}, there, comparer, stores)
        return replace(values, side=_failure_side(failure, is_replaced=stores.is_replaced(row.store)))

    silent = {each.cell.store.id for each in found.keys if each.is_silent}
    in_use = {cell.store.id for cell in own}
    asked = replace(
        status,
        rows=tuple(replace(row, values=values_of(row)) for row in status.rows),
        silent=tuple(sorted(in_use & silent)),
        is_asked=True,
        closed=tuple(dict.fromkeys(message for each in found.keys for message in each.why_closed)),
        helps={each.message: each.help for each in found.diagnostics if each.rule in CLOSED and each.help is not None},
    )
    return asked, found


def _failure_side(failure: StoreError | AddressError | None, *, is_replaced: bool) -> FailureSide:
    """Whose failure it is that the store in use could not be read; UNCLEAR without an error of the whole store."""
    if isinstance(failure, AddressError):
        return FailureSide.CALLER
    return failure.side(is_replaced=is_replaced) if failure is not None else FailureSide.UNCLEAR


def _find_values(
    here: Mapping[str, KeyStatus], there: Mapping[str, KeyStatus] | None, comparer: Comparer, stores: LiveStores
) -> StoreFindings:
    dates, other_dates = dates_by_key(here.values()), dates_by_key((there or {}).values())
    ends = [each.remote.attributes.expires for each in here.values() if each.remote is not None]
    found = [each for status in here.values() if not status.is_sound for each in status.found]
    faults = [each for each in found if each.rule not in CLOSED]
    fault_by = next((each.rule for each in faults if each.severity is Severity.ERROR), "")
    closed_by = next((each.rule for each in found if each.rule in CLOSED), "")
    unread = [status for status in here.values() if status.why_closed]
    closed = tuple(
        dict.fromkeys(with_own_count(message, len(unread)) for status in unread for message in status.why_closed)
    )
    helps = [each.help for status in unread for each in status.found if each.rule in CLOSED and each.help is not None]
    likeness, keys = _compare_sides(here, there, comparer)
    different = keys[Likeness.DIFFERENT]
    first = different[0] if different else ""
    versions = versions_of(here[first], there[first], stores) if there is not None and {first} <= here.keys() else None
    return StoreFindings(
        likeness,
        different,
        keys[Likeness.MISSING],
        tuple(dict.fromkeys(each.message for each in faults)),
        _unset_keys(here),
        closed,
        min(dates.values(), default=None),
        min(filter(None, ends), default=None),
        max(dates.values(), default=None),
        max(other_dates.values(), default=None),
        tuple(dict.fromkeys(helps)),
        there is not None and all(key in there and there[key].is_sound for key in here),
        keys[Likeness.ONLY_THERE],
        versions,
        {
            key: {each.cell.store.id: each.state for each in (status, (there or {}).get(key)) if each}
            for key, status in here.items()
        },
        dates=dates,
        values=values_of_keys((*here.values(), *(there or {}).values())),
        data_hash=_data_hash(here),
        fault_by=fault_by,
        fault_helps=tuple(dict.fromkeys(each.help for each in faults if each.rule == fault_by and each.help)),
        closed_by=closed_by,
        warnings=tuple(_form_warnings(here.values())),
    )


def _form_warnings(statuses: Iterable[KeyStatus]) -> Iterator[tuple[str, str]]:
    for each in (each for status in statuses if status.is_sound for each in status.found):
        if each.rule in VALUE_RULES:
            yield each.message, each.help or ""


def _data_hash(here: Mapping[str, KeyStatus]) -> str | None:
    """The hash that the operator notes on a Secret with these values; None if one is not known."""
    values = {key: status.value for key, status in here.items() if status.value is not None and status.is_sound}
    if len(values) < len(here):
        return None
    whole = next((each.remote for each in here.values() if each.cell.takes_all), None)
    return operator_hash(extract(whole).properties if whole is not None else values)


def _unset_keys(here: Mapping[str, KeyStatus]) -> tuple[str, ...]:
    """The keys without a value, if that is all that is wrong with the secret."""
    broken = {key: status for key, status in here.items() if not status.is_sound}
    lacks_alone = all(
        each.rule in UNSET for status in broken.values() for each in status.found if each.severity is Severity.ERROR
    )
    return tuple(broken) if lacks_alone else ()


def _compare_sides(
    here: Mapping[str, KeyStatus], there: Mapping[str, KeyStatus] | None, comparer: Comparer
) -> tuple[Likeness, dict[Likeness, tuple[str, ...]]]:
    """How the other store compares as a whole, and the keys for each kind of difference."""
    keys: dict[Likeness, tuple[str, ...]] = dict.fromkeys(_GRAVEST, ())
    if there is None:
        return Likeness.NOT_ASKED, keys
    # If the catalogue gives no key a place in the other store, it is not read.
    if any(each.why_closed for each in (*there.values(), *(here.values() if there else ()))):
        return Likeness.NO_ACCESS, keys
    for key, status in here.items():
        if (likeness := compare_keys(there.get(key), status, comparer)) in keys:
            keys[likeness] += (key,)
    for likeness, names in compare_unlisted(there, here, comparer).items():
        if likeness in keys:
            keys[likeness] += names
    return next((each for each in _GRAVEST if keys[each]), Likeness.EQUAL), keys


class Snapshot:
    """One reading of everything that belongs to `manifests`, by the id of their secret.

    The pods of a namespace are taken from the snapshot `before`, unless it is in `with_pods` or one of its Secrets has
    changed. Raises ClusterError; a caller who may not list ExternalSecrets gets all missing permissions in one error.
    """

    def __init__(
        self,
        view: ClusterView,
        manifests: Mapping[str, Manifest],
        before: Snapshot | None = None,
        with_pods: Container[str] = (),
    ) -> None:
        self.view = view
        self.manifests = manifests
        self.namespaces = tuple(dict.fromkeys(each.namespace for each in manifests.values()))
        # By namespace and the Secret that they read; None if they may not be read.
        self.pods_by_space: dict[str, Mapping[str, tuple[Pod, ...]] | None] = {}
        for space in self.namespaces:
            view.external_secrets(space)
            view.by_name(SECRETS, space)
            known = before.pods_by_space[space] if before is not None else None
            has_changed = before is None or self.data_in(space) != before.data_in(space)
            is_listed = known is None or has_changed or space in with_pods
            self.pods_by_space[space] = self._read_pods(space) if is_listed else known
        self.operator = read_operator(view)
        if any(plural == EXTERNAL_SECRETS for plural, _ in view.refused):
            raise missing_permissions(view.refused.values())

    def data_of(self, manifest: Manifest) -> tuple[str | None, str | None]:
        """The UID of the Secret of a manifest, and the hash of its data."""
        return data_of((self.view.by_name(SECRETS, manifest.namespace) or {}).get(manifest.target))

    def data_in(self, namespace: str) -> list[tuple[str | None, str | None]]:
        return [self.data_of(each) for each in self.manifests.values() if each.namespace == namespace]

    def _read_pods(self, namespace: str) -> Mapping[str, tuple[Pod, ...]] | None:
        found = self.view.objects(PODS, namespace)
        if found is None:
            return None
        wanted = {each.target for each in self.manifests.values() if each.namespace == namespace}
        return pods_by_secret(found, wanted)

    def pods(self, manifest: Manifest) -> tuple[Pod, ...] | None:
        """The pods that read the Secret of a manifest, None if they may not be read."""
        found = self.pods_by_space[manifest.namespace]
        return found.get(manifest.target, ()) if found is not None else None

    @property
    def is_whole(self) -> bool:
        """Whether everything that proves a secret in effect could be read; `--without-secrets` waives Secrets."""
        return not any(plural in NEEDED for plural, _ in self.view.refused)

    def not_asked(self, namespace: str) -> tuple[str, ...]:
        """What was not read in a namespace, and why, in words."""
        left_out = (f"{_ABOUT[plural]}: --without-secrets" for plural in self.view.left_out)
        refused = (
            f"{_ABOUT[plural]}: you are not allowed to {error.permission}"
            for (plural, space), error in self.view.refused.items()
            if space in ("", namespace) or plural in _ELSEWHERE
        )
        return (*left_out, *refused)

    @cached_property
    def wrong_cluster(self) -> ClusterProblem | None:
        """See `wrong_cluster` of the judge."""
        return wrong_cluster(self.view, self.manifests.values())

    @cached_property
    def newest_sign(self) -> datetime | None:
        """When the operator last handled any ExternalSecret of the namespaces."""
        signs = [self.view.newest_sign(self.namespaces)]
        for space in self.namespaces:
            found = self.view.external_secrets(space)
            names = {each.name for each in self.manifests.values() if each.namespace == space}
            # The others' failures are not reported, so no event is asked for.
            if any(ready_reason(found[name]) is not None for name in names & found.keys()):
                signs += (moment_of(each["moment"]) for each in self.view.warnings(space).values())
        return max(filter(None, signs), default=None)

    @cached_property
    def _failures_by_store(self) -> dict[tuple[str, str, str], str]:
        """A failing ExternalSecret that is not of this run, as namespace/name, for each store that has one."""
        failing, titles = dict[tuple[str, str, str], str](), {each.title for each in self.manifests.values()}
        for space in self.namespaces:
            for name, each in self.view.external_secrets(space).items():
                if ready_of(each).get("status") == "False" and f"{space}/{name}" not in titles:
                    failing.setdefault(_store_of(each, space), f"{space}/{name}")
        return failing

    def notes(self, manifest: Manifest, *, is_fine: bool) -> tuple[str, ...]:
        """Notes for a secret: another ExternalSecret fails on its store, and problems of the operator."""
        failing = self.failing_on(manifest) if is_fine else None
        others = (f"another ExternalSecret on this store fails: {failing}",) if failing is not None else ()
        return (*others, *self.operator.notes())

    def failing_on(self, manifest: Manifest) -> str | None:
        """A failing ExternalSecret on the same store that is not of this run, as namespace/name; None without one."""
        return self._failures_by_store.get(_store_of(manifest.object, manifest.namespace))


def _store_of(found: LiveObject, namespace: str) -> tuple[str, str, str]:
    """The store that an ExternalSecret names: kind, name and, for a SecretStore, the namespace."""
    reference = child(found, "spec", "secretStoreRef")
    kind = str(reference.get("kind") or "SecretStore")
    return kind, str(reference.get("name")), namespace if kind == "SecretStore" else ""


def data_of(secret: LiveObject | None) -> tuple[str | None, str | None]:
    """The UID of a Secret, and the hash of its data."""
    metadata = child(secret or {}, "metadata")
    return metadata.get("uid"), child(metadata, "annotations").get(DATA_HASH)


def _deletion_lines(manifest: Manifest, live: Live, states: Container[ClusterState]) -> tuple[str, ...]:
    """The command that deletes the Secret, if the operator can write the deployed spec only after that."""
    is_typed = ClusterState.OTHER_TYPE in states and ClusterState.OTHER_SPEC not in states
    line = kubectl_line("-n", manifest.namespace, "delete", "secret", manifest.target)
    return (line,) if is_immutable(live) or is_typed else ()


class StatusJudge:
    """Judges the secrets of one run.

    `context` are the options by which command lines name the cluster. With `follows_write`, a read in the second of a
    write may be from before it; `root` is the project's folder, if the source of what is deployed is to be found.
    """

    def __init__(
        self,
        status: Status,
        context: tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        follows_write: bool = False,
        root: Path | None = None,
    ) -> None:
        self.rows = {row.secret.id: row for row in status.rows}
        self._status = status
        self._follows_write = follows_write
        self._root = root
        self._deployed: Deployment | None = None
        self._beside: tuple[Snapshot, tuple[str, ...]] | None = None
        self._context = context
        self.now = now
        # Why the API server refused a write of this run; empty if it did not.
        self.refused_write = ""
        # By secret, the mark of the operator's success before it was asked for another one.
        self.asked: dict[str, str] = {}
        # By secret, why the operator is not asked to synchronise it: before its store object is ready, for instance.
        self.held: Mapping[str, str] = {}

    def every(self, snapshot: Snapshot) -> Mapping[str, LiveState]:
        """The live state of each secret, by id. Raises ClusterError."""
        found = {secret: self.live_state(snapshot, secret) for secret in snapshot.manifests}
        if any(problem.state in _OF_WEBHOOK for live in found.values() for problem in live.problems):
            # These are shown as a cause already.
            told = snapshot.operator.webhook_notes()
            found = {
                secret: replace(live, notes=tuple(note for note in live.notes if note not in told))
                for secret, live in found.items()
            }
        return found

    def live_state(self, snapshot: Snapshot, secret: str) -> LiveState:
        """The live state of a secret. Raises ClusterError."""
        manifest, view, values = snapshot.manifests[secret], snapshot.view, self.rows[secret].values
        namespace, name, live, pods = manifest.namespace, manifest.target, view.live(manifest), snapshot.pods(manifest)
        starts = judge_starts(pods or (), live.secret, values.dates, self.now(), live.external_secret)
        evidence = Evidence(
            self.now(),
            values.newest,
            values.values,
            values.data_hash,
            in_same_second=not self._follows_write,
            asked=self.asked.get(secret),
            newest_sign=snapshot.newest_sign,
            view=view,
            wrong_cluster=self._wrong_cluster(snapshot),
            operator=snapshot.operator,
            refused_write=self.refused_write,
            pods=tuple(pod_problems(pods or (), namespace, view.by_name(SECRETS, namespace))),
            restarts=starts.problems,
            origin=lambda each: self._deployment(snapshot, self._root).origin(each) if self._root is not None else None,
        )
        every = problems(manifest, live, evidence)
        states, unknown = {each.state for each in every}, unknowns(manifest, live)
        (said, next_try), looks = self._evidence(snapshot, secret, live, states), look_commands(pods or (), namespace)
        helps = tuple(each.mend for each in starts.problems if each in every)
        helps = (_deletion_lines(manifest, live, states) if values.is_sound else ()) or helps
        notes = starts.notes if all(each.state in OF_PODS for each in every) else ()
        beside = self._fails_beside(snapshot) if not every else ()
        notes += (*snapshot.notes(manifest, is_fine=not every and not beside), *self._note_beside(beside))
        return LiveState(
            every,
            said,
            next_try,
            helps,
            (*snapshot.not_asked(namespace), *(() if self._status.is_asked else (_NO_STORES,))),
            len(pods) if pods is not None else None,
            (*unknown, *notes, *self._notes(secret, live, states)),
            refresh_time(live.external_secret or {}),
            looks,
            unlisted_keys(pods or (), name, wanted_keys(manifest.object)) if looks and manifest.listed is None else (),
            tuple(dict.fromkeys(map(owner_of, pods))) if pods is not None else None,
            self._unproven_store(manifest, live) if unknown else "",
            unknown,
            self._is_other_ready(view, secret, namespace) if every else None,
            beside,
            self._deploy_lines(snapshot, states),
            operator_runs=snapshot.operator.runs(),
            store_ready=not states & OF_STORE if live.has_store else None,
        )

    def _notes(self, secret: str, live: Live, states: set[ClusterState]) -> Iterator[str]:
        if secret in self.held:
            yield f"the operator is not asked to synchronise{self.held[secret]}"
        if not states & UNDEPLOYED:
            yield from note_turns(live, self.now())

    def _wrong_cluster(self, snapshot: Snapshot) -> ClusterProblem | None:
        question = snapshot.wrong_cluster
        if question is None or self._root is None:
            return question
        # The environment's objects in another namespace show that it is the right cluster.
        return None if self._deployment(snapshot, self._root).elsewhere else question

    @cached_property
    def _others(self) -> tuple[Manifest, ...]:
        """The manifests of the environment's secrets that the command did not ask about."""
        environment = self._status.environment
        others = [name for name, each in environment.secrets.items() if each.store and name not in self.rows]
        return tuple(manifests_of(environment, others).values()) if others else ()

    def _fails_beside(self, snapshot: Snapshot) -> tuple[str, ...]:
        if self._beside is None or self._beside[0] is not snapshot:
            # Only in namespaces that are read anyway.
            every = [each for each in self._others if each.namespace in snapshot.namespaces]
            failing = (each.secret for each in every if not is_deployed_and_ready(each, snapshot.view))
            self._beside = snapshot, tuple(failing)
        return self._beside[1]

    def _note_beside(self, failing: Sequence[str]) -> Iterator[str]:
        if failing:
            name = self._status.environment.name
            line = command_line("status", name, "--cluster", *self._context)
            others = f"{list_names(failing)} of {quote(name)}"
            yield f"not asked about here, and not deployed or not ready: {others}; `{line}` shows why"

    def _deployment(self, snapshot: Snapshot, root: Path) -> Deployment:
        from compiler.operations.deployment import Deployment  # noqa: PLC0415 - only where something is not deployed

        if self._deployed is None or self._deployed.view is not snapshot.view:
            self._deployed = Deployment(self._status.environment, root, snapshot.view, snapshot.manifests)
        return self._deployed

    def _deploy_lines(self, snapshot: Snapshot, states: Container[ClusterState]) -> tuple[str, ...]:
        if self._root is None or not any(state in states for state in (ClusterState.ABSENT, *UNDEPLOYED)):
            return ()
        return self._deployment(snapshot, self._root).lines()

    def _is_other_ready(self, view: ClusterView, secret: str, namespace: str) -> bool | None:
        """Whether the live object of the secret's other store is ready for it; None if it may not be read."""
        other = self.rows[secret].other
        if other is None or not other.name:
            return None
        found = view.store(other.kind, other.name, namespace)
        if found is None and view.has_refused(STORES[other.kind], namespace if other.kind == "SecretStore" else ""):
            return None
        return not any(store_problems(other, found, namespace))

    def _unproven_store(self, manifest: Manifest, live: Live) -> str:
        store, found = manifest.store, store_unknowns(manifest.store, live.store, manifest.namespace)
        is_accepted = store.id in self._status.accepted
        return store.id if not is_accepted and any(each.is_unproven for each in found) else ""

    def _evidence(
        self, snapshot: Snapshot, secret: str, live: Live, states: set[ClusterState]
    ) -> tuple[tuple[str, ...], int | None]:
        # A failure of the old spec does not keep the new one from being in effect.
        if not states & FAILING or states & UNDEPLOYED:
            return (), None
        values, external_secret = self.rows[secret].values, live.external_secret or {}
        warning = snapshot.view.warning(external_secret)
        said = describe_failure(external_secret, warning, self.now(), live.store, values.values)
        # What this machine could not check is not the operator's cause: the report shows it separately.
        evidence = tuple(each for each in (said, *values.faults) if each)
        # While the store object is not ready, the operator retries that, and no ExternalSecret.
        tried = live.store_warning or warning
        if states & _STOPPED or waits_for_a_change(live, snapshot.manifests[secret].name):
            tried = None
        return evidence, next_try(tried["moment"], tried["count"], self.now()) if tried is not None else None


def accept_store(stores: Iterable[str]) -> str:
    """What to do if it is not proven that the cluster reads these stores."""
    options = " ".join(repeat_option(ACCEPT_STORE, stores))
    return f"write its address in the environment as the note says, or accept that it is the same: {options}"
