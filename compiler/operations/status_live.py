"""Judges one secret in the cluster: in effect or not, why not, and the line that mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from math import ceil, inf
from time import monotonic
from typing import Any, TypeVar

from compiler.cluster.judge import (
    FAILING,
    Lack,
    Live,
    Signs,
    Staleness,
    doubts_about,
    is_answered,
    is_immutable,
    moment_of,
    older_value,
    reasons_against,
    refreshed_at,
    sign_of,
    silence,
    waits_for_a_change,
    wanted_keys,
)
from compiler.cluster.masking import Quotes, is_of_credential
from compiler.cluster.store_access import credential_of, selects_by_labels
from compiler.cluster.view import ClusterError, LiveCollections, child, ready_of
from compiler.operations.status import Problem, Seen, State, Status
from compiler.operations.status_pods import Changes, Pod, look_commands, pod_of, unlisted_keys, unready
from compiler.stores.interface import RemoteSecret
from compiler.text.command_line import command_line, shell_line

LiveObject = Mapping[str, Any]
T = TypeVar("T")


# The operator waits 1 s after a failure, twice as long after each further one, and never longer than this.
_LONGEST_PAUSE = 7 * 60
_MOST_DOUBLED = 9
_AT_ONCE = 1.0  # seconds
# With these the operator has not read what the environment says, and the age of what it read says nothing.
_NOT_READ = frozenset({Lack.OTHER_SPEC, Lack.NOT_SYNCED, *FAILING})


class Judge:
    """Judges the secrets of one run; what the operator says is shown without the values of `remotes`.

    `context` are the options by which command lines name the cluster; with `is_whole` no message is cut. `again` reads
    the stores once more, for a judge that goes on: a value that is put meanwhile may be in what the operator says then.
    """

    def __init__(
        self,
        state: LiveState,
        status: Status,
        remotes: Iterable[RemoteSecret],
        context: tuple[str, ...] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        is_whole: bool = False,
        again: Callable[[], tuple[Status, Iterable[RemoteSecret]]] | None = None,
    ) -> None:
        self.state = state
        self._rows = {row.secret.id: row for row in status.rows}
        self._name = status.environment.name
        self._is_whole = is_whole
        self._quotes = Quotes(remotes, is_whole=is_whole)
        self._known_since = {row.secret.id: row.values.known_since for row in status.rows}
        self._again = again
        # What the operator said of a secret before the values were last read.
        self._said: dict[str, tuple[object, ...]] = {}
        self._read_at = -inf
        self._context = context
        self._now = now

    def every(self) -> Mapping[str, Seen]:
        """The live state of each secret, by id. Raises ClusterError."""
        return {secret: self.seen(secret) for secret in self.state.manifests}

    def seen(self, secret: str, changes: Changes | None = None, *, is_forced: bool = False) -> Seen:
        """The live state of a secret, with the `changes` since the run began.

        `is_forced`: this run asked the operator to synchronise, after it had read the stores.
        """
        changes = changes if changes is not None else Changes()
        manifest = self.state.manifests[secret]
        namespace, name = str(manifest["metadata"]["namespace"]), str(manifest["metadata"]["name"])
        live = self.state.live(manifest)
        store = self._rows[secret].store
        reasons = reasons_against(manifest, live, store)
        pods = self.state.pods(namespace, name)
        stale = tuple(self._stale(secret, live, frozenset(reason.lack for reason in reasons), is_forced=is_forced))
        problems = (
            *(Problem(State(str(reason.lack)), reason.message) for reason in reasons),
            *(each for each in changes.problems if each.state is not State.NOT_REFRESHED or not stale),
            *stale,
            *unready(pods or (), namespace, self.state.secrets(namespace)),
        )
        is_failing = any(reason.lack in FAILING for reason in reasons)
        is_old = any(reason.lack is Lack.OTHER_SPEC for reason in reasons)
        causes, next_try = tuple[str, ...](), None
        # A failure of the old spec is not what keeps the new one from being in effect.
        if is_failing and not is_old:
            causes, next_try = self._causes(secret, live.external_secret or {}, live.store)
        if waits_for_a_change(live, name) or any(each.state is State.SILENT for each in stale):
            next_try = None
        helps = changes.helps
        if next_try is not None and not is_forced:
            helps = (command_line("status", self._name, "--only", secret, "--wait", "--force-sync", *self._context),)
        elif is_immutable(live) and self._rows[secret].values.is_sound:
            helps = (shell_line("kubectl", "-n", namespace, "delete", "secret", name),)
        return Seen(
            problems,
            causes,
            next_try,
            helps,
            self.state.not_asked(namespace),
            len(pods) if pods is not None else None,
            (*changes.notes, *doubts_about(manifest, live, store), *self._others(manifest, bool(problems))),
            refreshed_at(live.external_secret or {}),
            look_commands(pods or (), namespace),
            unlisted_keys(pods or (), name, frozenset(wanted_keys(manifest))),
        )

    def _others(self, manifest: LiveObject, has_problem: bool) -> Iterator[str]:  # noqa: FBT001 - told by its name
        """That another ExternalSecret on the same store fails, before this one's own refresh comes."""
        failing = self.state.failing_on(manifest) if not has_problem else None
        if failing is not None:
            yield f"another ExternalSecret on this store fails: {failing}"

    def _stale(self, secret: str, live: Live, lacks: frozenset[Lack], *, is_forced: bool) -> Iterator[Problem]:
        found, metadata = live.external_secret, self.state.manifests[secret]["metadata"]
        namespace, name = str(metadata["namespace"]), str(metadata["name"])
        if found is None or Lack.DELETED in lacks:
            return
        title, now = f"{namespace}/{name}", self._now()
        # What was asked for after the stores were read and is answered was read since, whatever the clocks say.
        if not lacks & _NOT_READ and not (is_forced and is_answered(found)):
            written = self._rows[secret].values.newest
            yield from (_stale_problem(each) for each in older_value(found, written, title, now))
        warning = self.state.warning(found) if lacks & FAILING else None
        # Nobody knows when a failure was last tried that may not be looked at, or that is not tried again.
        is_unknown = bool(lacks & FAILING) and self.state.has_refused("events", namespace)
        if is_unknown or waits_for_a_change(live, name):
            return
        signs = Signs(now, moment_of(warning["moment"]) if warning is not None else None, self.state.newest_sign)
        yield from (_stale_problem(each) for each in silence(found, title, signs))

    def _causes(
        self, secret: str, external_secret: LiveObject, store: LiveObject | None
    ) -> tuple[tuple[str, ...], int | None]:
        values = self._rows[secret].values
        warning = self.state.warning(external_secret)
        self._read_before_quoting(secret, (warning, ready_of(external_secret)))
        said = self._quotes.of_failure(external_secret, warning, self._known_since[secret], self._now())
        holder = credential_of(store or {}) if is_of_credential(said) else ""
        # What this machine could not check is no cause of the operator's: the report says it apart.
        causes = tuple(each for each in (said, holder, *values.faults) if each)
        return causes, self._next_try(warning["moment"], warning["count"]) if warning is not None else None

    def _read_before_quoting(self, secret: str, said: tuple[object, ...]) -> None:
        if self._again is None or self._said.get(secret) == said:
            return
        self._said[secret] = said
        # One reading for all that fail at a time: what is said of them is in hand before it.
        if monotonic() - self._read_at < _AT_ONCE:
            return
        status, remotes = self._again()
        self._read_at = monotonic()
        self._quotes = Quotes(remotes, is_whole=self._is_whole)
        self._known_since = {row.secret.id: row.values.known_since for row in status.rows}

    def _next_try(self, said: str, count: int) -> int:
        pause = min(_LONGEST_PAUSE, 2 ** min(max(0, count - 1), _MOST_DOUBLED))
        moment = moment_of(said)
        if moment is None:
            return _LONGEST_PAUSE
        since = (self._now() - moment).total_seconds()
        # Of clocks that differ nothing can be told but the longest pause.
        return ceil(pause - since) if 0 <= since < pause else _LONGEST_PAUSE


def _stale_problem(staleness: Staleness) -> Problem:
    return Problem(State(str(staleness.kind)), staleness.message)


EXTERNAL_SECRETS, SECRETS, PODS = "externalsecrets", "secrets", "pods"
_PLURALS = (EXTERNAL_SECRETS, SECRETS, PODS)
# Without these nobody can say that a secret is in effect; pods, events and labels only add to it.
_NEEDED = frozenset({SECRETS, "clustersecretstores", "secretstores"})


class LiveState:
    """The objects that belong to `manifests`, the compiled ExternalSecrets by the id of their secret.

    No Secret is asked for unless `with_secrets`.
    """

    def __init__(
        self, cluster: LiveCollections, manifests: Mapping[str, LiveObject], *, with_secrets: bool = True
    ) -> None:
        self._cluster = cluster
        self.manifests = manifests
        names = {_place(each) for each in manifests.values()}
        self.namespaces = tuple(dict.fromkeys(namespace for namespace, _ in names))
        self._plurals = tuple(plural for plural in _PLURALS if with_secrets or plural != SECRETS)
        self._with_secrets = with_secrets
        self._titles = {f"{space}/{name}" for space, name in names}
        self._wanted = {space: {name for at, name in names if at == space} for space in self.namespaces}
        self._objects: dict[tuple[str, str], dict[str, LiveObject]] = {}
        # By the Secret that they read, then by their uid: looking through all pods for each secret would take minutes.
        self._pods: dict[tuple[str, str], dict[str, Pod]] = {}
        self._reading: dict[tuple[str, str], set[str]] = {}
        self._stores: dict[tuple[str, str, str], tuple[LiveObject | None, bool]] = {}
        self._spaces: dict[str, LiveObject | None] = {}
        self._warnings: dict[str, Mapping[str, LiveObject]] = {}
        # The newest version that was seen of each object: after a list a watch may still tell of what was before it.
        self._versions: dict[tuple[str, str, str], int] = {}
        # What may not be asked, by plural and namespace, with the permission that it takes.
        self.refused: dict[tuple[str, str], str] = {}
        # What the cluster has been asked and has not answered, as the permission that it takes; empty for nothing.
        self.unanswered = ""
        # Of every ExternalSecret of the namespaces: whether one was dealt with shows whether the operator runs.
        self.newest_sign: datetime | None = None
        # By kind, name and namespace of the store, for every ExternalSecret of the namespaces.
        self._failing: dict[tuple[str, str, str], dict[str, None]] = {}

    @contextmanager
    def asks(self, what: str, namespace: str) -> Iterator[None]:
        """While the block runs, the cluster is asked for so much."""
        self.unanswered = f"{what} in {namespace}"
        try:
            yield
        finally:
            self.unanswered = ""

    def read(self) -> dict[tuple[str, str], str]:
        """List everything; returns the version of each collection to watch from. Raises ClusterError.

        Without Secrets or pods, whoever may not list them gets the rest; without ExternalSecrets, the error names every
        permission that is missing.
        """
        versions: dict[tuple[str, str], str] = {}
        for space in self.namespaces:
            for plural in self._plurals:
                try:
                    with self.asks(f"list {plural}", space):
                        found, versions[plural, space] = self._cluster.collection(plural, space)
                except ClusterError as error:
                    if error.permission is None:
                        raise
                    self.refused[plural, space] = error.permission
                    continue
                self.refused.pop((plural, space), None)
                self.replace(plural, space, found)
        if any(plural == EXTERNAL_SECRETS for plural, _ in self.refused):
            missing = "; ".join(dict.fromkeys(self.refused.values()))
            raise ClusterError(
                f"you are not allowed to {missing}", "get roles that allow it: --rbac prints them", missing
            )
        return versions

    def replace(self, plural: str, namespace: str, found: Iterable[LiveObject]) -> None:
        """Take a whole collection as it is now."""
        if plural == PODS:
            self._pods = {at: pods for at, pods in self._pods.items() if at[0] != namespace}
            self._reading = {at: names for at, names in self._reading.items() if at[0] != namespace}
        else:
            self._objects[plural, namespace] = {}
        for each in found:
            self.change(plural, namespace, "ADDED", each)

    def change(self, plural: str, namespace: str, kind: str, found: LiveObject) -> None:
        """Take one event of a watch, if it is not older than what is known."""
        metadata = found.get("metadata") or {}
        if self._is_old((plural, namespace, str(metadata.get("uid"))), str(metadata.get("resourceVersion"))):
            return
        if plural == PODS:
            self._change_pod(namespace, found, is_gone=kind == "DELETED")
            return
        if plural == EXTERNAL_SECRETS:
            self._note_sign(sign_of(found))
            self._note_failure(namespace, str(metadata.get("name")), None if kind == "DELETED" else found)
        here, name = self._objects.setdefault((plural, namespace), {}), str(metadata.get("name"))
        if kind == "DELETED":
            here.pop(name, None)
        elif plural == SECRETS or name in self._wanted[namespace]:
            here[name] = found

    def _note_failure(self, namespace: str, name: str, found: LiveObject | None) -> None:
        """Remember which ExternalSecrets fail on each store."""
        title = f"{namespace}/{name}"
        for titles in self._failing.values():
            titles.pop(title, None)
        if found is not None and ready_of(found).get("status") == "False":
            self._failing.setdefault(_store_of(found, namespace), {})[title] = None

    def failing_on(self, manifest: LiveObject) -> str | None:
        """An ExternalSecret beside those of this run that fails on the same store, as namespace/name; None for none."""
        titles = self._failing.get(_store_of(manifest, _place(manifest)[0]), {})
        return next((each for each in titles if each not in self._titles), None)

    def _note_sign(self, sign: datetime | None) -> None:
        if sign is not None:
            self.newest_sign = max(sign, self.newest_sign or sign)

    def _is_old(self, at: tuple[str, str, str], version: str) -> bool:
        if not version.isdecimal():
            return False
        known = self._versions.get(at, 0)
        self._versions[at] = max(known, int(version))
        return int(version) < known

    def _change_pod(self, namespace: str, found: LiveObject, *, is_gone: bool) -> None:
        uid = str(found["metadata"].get("uid"))
        for name in self._reading.pop((namespace, uid), ()):
            self._pods[namespace, name].pop(uid, None)
        pod = None if is_gone else pod_of(found, self._wanted[namespace])
        if pod is None:
            return
        names = {each.secret for each in pod.reads} & self._wanted[namespace]
        self._reading[namespace, uid] = names
        for name in names:
            self._pods.setdefault((namespace, name), {})[uid] = pod

    def again(self) -> None:
        """Ask anew for stores, namespaces and events when they are next wanted: nothing watches them."""
        self._stores.clear()
        self._spaces.clear()
        self._warnings.clear()

    def live(self, manifest: LiveObject) -> Live:
        """The live objects of one ExternalSecret. Raises ClusterError."""
        namespace, name = _place(manifest)
        reference = manifest["spec"]["secretStoreRef"]
        store, has_store = self._store(reference["kind"], reference["name"], namespace)
        return Live(
            self._objects.get((EXTERNAL_SECRETS, namespace), {}).get(name),
            self._objects.get((SECRETS, namespace), {}).get(name),
            store,
            self._space(namespace) if selects_by_labels(store) else None,
            self._has_secrets(namespace),
            has_store,
        )

    def secrets(self, namespace: str) -> Mapping[str, LiveObject] | None:
        """The Secrets of a namespace by name, None where they may not be asked for."""
        return self._objects.get((SECRETS, namespace), {}) if self._has_secrets(namespace) else None

    def _has_secrets(self, namespace: str) -> bool:
        return self._with_secrets and (SECRETS, namespace) not in self.refused

    def has_refused(self, what: str, namespace: str) -> bool:
        """Whether so much may not be asked in a namespace."""
        return (what, namespace) in self.refused

    @property
    def is_whole(self) -> bool:
        """Whether all was allowed that tells a secret in effect; `--without-secrets` says that no Secret is needed."""
        return not any(what in _NEEDED for what, _ in self.refused)

    def not_asked(self, namespace: str) -> tuple[str, ...]:
        """What was not asked in a namespace, and why, in words."""
        left_out = () if self._with_secrets else (f"{_ABOUT[SECRETS]}: --without-secrets",)
        refused = (
            f"{_ABOUT[what]}: you are not allowed to {permission}"
            for (what, space), permission in self.refused.items()
            if space == namespace
        )
        return (*left_out, *refused)

    def pods(self, namespace: str, secret: str) -> tuple[Pod, ...] | None:
        """The pods that read a Secret, None where pods may not be asked for."""
        if (PODS, namespace) in self.refused:
            return None
        return tuple(self._pods.get((namespace, secret), {}).values())

    def warning(self, external_secret: LiveObject) -> LiveObject | None:
        """The newest warning about an ExternalSecret; None where there is none, or events may not be asked for."""
        namespace = str(external_secret["metadata"].get("namespace"))
        if namespace not in self._warnings:
            found = self._or_refused("events", namespace, self._cluster.warnings, namespace) or {}
            self._warnings[namespace] = found
            for each in found.values():
                self._note_sign(moment_of(each["moment"]))
        return self._warnings[namespace].get(str(external_secret["metadata"].get("uid")))

    def _store(self, kind: str, name: str, namespace: str) -> tuple[LiveObject | None, bool]:
        at = (kind, name, namespace if kind == "SecretStore" else "")
        if at not in self._stores:
            plural = f"{kind.lower()}s"
            found = self._or_refused(plural, namespace, self._cluster.store_object, kind, name, namespace)
            self._stores[at] = found, (plural, namespace) not in self.refused
        return self._stores[at]

    def _space(self, name: str) -> LiveObject | None:
        if name not in self._spaces:
            self._spaces[name] = self._or_refused("namespaces", name, self._cluster.namespace_object, name)
        return self._spaces[name]

    def _or_refused(self, what: str, namespace: str, ask: Callable[..., T | None], *given: str) -> T | None:
        try:
            with self.asks(f"read {what}", namespace):
                return ask(*given)
        except ClusterError as error:
            if error.permission is None:
                raise
            self.refused[what, namespace] = error.permission
            return None


def _store_of(found: LiveObject, namespace: str) -> tuple[str, str, str]:
    """The store that an ExternalSecret names: a SecretStore is another one in each namespace."""
    reference = child(found, "spec", "secretStoreRef")
    kind = str(reference.get("kind") or "SecretStore")
    return kind, str(reference.get("name")), namespace if kind == "SecretStore" else ""


def _place(manifest: LiveObject) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return str(metadata["namespace"]), str(metadata["name"])


_ABOUT = {
    SECRETS: "keys and UID of the Secret",
    PODS: "pods",
    "events": "the operator's warnings",
    "namespaces": "the namespace's labels",
    "clustersecretstores": "the store",
    "secretstores": "the store",
}
