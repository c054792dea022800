"""Checks an environment's live objects for `verify --cluster`, and masks values in what the operator says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from compiler.cluster.connect import opened
from compiler.cluster.judge import (
    FAILING,
    Lack,
    Live,
    Signs,
    Stale,
    controllers_of,
    is_own,
    operator_pods,
    ready_reason,
    reasons_against,
    sign_of,
    silence,
)
from compiler.cluster.masking import EVER, Quotes
from compiler.cluster.store_access import selects_by_labels, store_doubts, store_lacks
from compiler.cluster.view import ClusterError, LiveCollections, child, target_of
from compiler.model.diagnostic import Diagnostic
from compiler.model.document import Span
from compiler.model.environment import Environment, Store
from compiler.rules.api import Finding
from compiler.rules.live_rules import BY_ID
from compiler.stores.interface import RemoteSecret
from compiler.text.wording import quoted

LiveObject = Mapping[str, Any]
T = TypeVar("T")
# The date of the newest value that a secret, by id, reads from a store, by id: None where one was not read.
Dates = Mapping[tuple[str, str], datetime | None]
Check = Callable[[Sequence[RemoteSecret], Dates], tuple[Diagnostic, ...]]


class Look:
    """Reads each object once. Every method raises ClusterError; `refused` are those for lists of Secrets."""

    def __init__(self, cluster: LiveCollections) -> None:
        self.cluster = cluster
        self.refused: list[ClusterError] = []
        self._stores: dict[tuple[str, str, str], LiveObject | None] = {}
        self._external_secrets: dict[str, dict[str, LiveObject]] = {}
        self._secrets: dict[str, dict[str, LiveObject] | None] = {}
        self._namespaces: dict[str, LiveObject | None] = {}
        self._warnings: dict[str, Mapping[str, LiveObject]] = {}

    def store(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        asked = (kind, name, namespace if kind == "SecretStore" else "")
        if asked not in self._stores:
            self._stores[asked] = self.cluster.store_object(kind, name, namespace)
        return self._stores[asked]

    def external_secrets(self, namespace: str) -> Mapping[str, LiveObject]:
        """The ExternalSecrets of a namespace by name."""
        if namespace not in self._external_secrets:
            self._external_secrets[namespace] = _by_name(self.cluster.external_secret_objects(namespace))
        return self._external_secrets[namespace]

    def secret(self, namespace: str, name: str) -> tuple[LiveObject | None, bool]:
        """The metadata of a Secret, and whether it may be asked for."""
        if namespace not in self._secrets:
            found = _allowed(lambda: self.cluster.secret_metadata(namespace), self.refused.append)
            self._secrets[namespace] = _by_name(found) if found is not None else None
        secrets = self._secrets[namespace]
        return (secrets.get(name), True) if secrets is not None else (None, False)

    def labels_for(self, store: LiveObject | None, namespace: str) -> LiveObject | None:
        """The namespace's object where `store` selects by labels; None too where it may not be asked for."""
        if not selects_by_labels(store):
            return None
        if namespace not in self._namespaces:
            self._namespaces[namespace] = _allowed(lambda: self.cluster.namespace_object(namespace))
        return self._namespaces[namespace]

    def warning(self, external_secret: LiveObject) -> LiveObject | None:
        """The newest warning about an ExternalSecret; of an earlier one of its name there is none."""
        metadata = external_secret["metadata"]
        namespace = str(metadata.get("namespace"))
        if namespace not in self._warnings:
            self._warnings[namespace] = self.cluster.warnings(namespace)
        return self._warnings[namespace].get(str(metadata.get("uid")))

    def live(self, manifest: LiveObject) -> Live:
        """The live objects of one compiled ExternalSecret."""
        metadata, reference = manifest["metadata"], manifest["spec"]["secretStoreRef"]
        namespace, name = metadata["namespace"], metadata["name"]
        external_secret = self.external_secrets(namespace).get(name)
        secret, asked = self.secret(namespace, name)
        store = self.store(reference["kind"], reference["name"], namespace)
        return Live(external_secret, secret, store, self.labels_for(store, namespace), asked)


def _allowed(ask: Callable[[], T], on_refusal: Callable[[ClusterError], None] = lambda _: None) -> T | None:
    """What `ask` returns, None where the caller may not ask for it."""
    try:
        return ask()
    except ClusterError as error:
        if error.permission is None:
            raise
        on_refusal(error)
        return None


def _by_name(objects: Iterable[LiveObject]) -> dict[str, LiveObject]:
    return {str((each.get("metadata") or {}).get("name")): each for each in objects}


_AGREE = "choose another target, or agree with its owner"
_DEPLOY = "deploy the newest values, then wait for a refresh"
_IMMUTABLE = "delete the Secret, and the operator makes it again; pods that run keep what they have read"
# A reason of an ExternalSecret's condition, from External Secrets Operator 2.10 on.
_OTHER_OWNER = "SecretOwnedByOther"
# What is said of an ExternalSecret, the first alone of those below one rule. A foreign one has words of its own.
_RULES = {
    Lack.ABSENT: "not-in-cluster",
    Lack.DELETED: "not-synchronised",
    Lack.IMMUTABLE: "not-synchronised",
    Lack.NOT_READY: "not-synchronised",
    Lack.RETAINED: "not-synchronised",
    Lack.NOT_SYNCED: "not-synchronised",
    Lack.NO_TARGET: "missing-target-key",
    Lack.MISSING_KEY: "missing-target-key",
    Lack.EDITED: "not-synchronised",
}
_IN_SECRET = frozenset({Lack.NO_TARGET, Lack.MISSING_KEY})


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """One ExternalSecret of the chart, as it is compiled; `at` is the line that asks for it."""

    secret: str
    manifest: LiveObject
    store: Store
    at: Span

    @property
    def namespace(self) -> str:
        return str(self.manifest["metadata"]["namespace"])

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def title(self) -> str:
        return quoted(f"{self.namespace}/{self.name}")


def expected_of(
    environment: Environment, manifests: Mapping[str, LiveObject], secrets: Sequence[str] = ()
) -> tuple[Expected, ...]:
    """What `secrets`, or all, of an environment should have in the cluster; `manifests` are its ExternalSecrets."""
    return tuple(
        Expected(secret.id, manifests[secret.entry.target], secret.store, secret.node.key_span)
        for secret in environment.secrets.values()
        if secret.namespace is not None and secret.store is not None and (not secrets or secret.id in secrets)
    )


def cluster_checker(
    expected: Sequence[Expected],
    environ: Mapping[str, str],
    context: str | None,
    other: Store | None = None,
    *,
    is_whole: bool = False,
) -> Check:
    """A function that compares the cluster with `expected`, hiding the values of the remote secrets that it is given.

    The cluster is the kubeconfig's `context`, the current one for None. Raises Refusal where the client is not
    installed. A kubeconfig that cannot be used is a finding: what the stores hold is told all the same.
    """
    if not expected:
        return lambda _read, _dates: ()
    try:
        cluster = opened(environ, context)
    except ClusterError as error:
        silent = unreachable(expected, error)
        return lambda _read, _dates: (silent,)
    return lambda read, dates: verify_cluster(expected, cluster, read, dates, other=other, is_whole=is_whole)


def verify_cluster(
    expected: Sequence[Expected],
    cluster: LiveCollections,
    read: Iterable[RemoteSecret],
    dates: Dates,
    *,
    other: Store | None = None,
    now: datetime | None = None,
    is_whole: bool = False,
) -> tuple[Diagnostic, ...]:
    """How the cluster differs from `expected`. A cluster that cannot be read is the last finding.

    `other` is a store that is checked beside those in use. For `read`, `dates` and `is_whole` see Quotes.
    """
    found: list[Diagnostic] = []
    look = Look(cluster)
    judge = _Judge(look, Quotes(read, is_whole=is_whole), dates, now or datetime.now(UTC))
    try:
        found += judge.stores(expected, other)
        for each in expected:
            found += judge.external_secret(each)
        refused = look.refused
    except ClusterError as error:
        refused = [error]
    found += [unreachable(expected, error, "checked any further") for error in refused]
    return tuple(found)


def unreachable(expected: Sequence[Expected], error: ClusterError, what: str = "checked") -> Diagnostic:
    """The finding that the cluster cannot be read, at the line of the first secret that should be in it."""
    rule = "cluster-no-answer" if error.permission is None else "cluster-forbidden"
    message = f"the cluster cannot be {what}: {error}"
    return BY_ID[rule].diagnostic(Finding(message, expected[0].at, help=error.remedy))


class _Judge:
    """Judges the stores and the ExternalSecrets of one cluster."""

    def __init__(self, look: Look, quotes: Quotes, dates: Dates, now: datetime) -> None:
        self._look = look
        self._quotes = quotes
        self._dates = dates
        self._now = now
        self._newest_signs: dict[str, datetime | None] = {}

    def stores(self, expected: Sequence[Expected], other: Store | None) -> Iterator[Diagnostic]:
        # Each namespace is let in or not by itself.
        wanted = dict.fromkeys((each.store, each.namespace) for each in expected)
        if other is not None:
            wanted |= dict.fromkeys((other, each.namespace) for each in expected)
        told: set[str] = set()
        for store, namespace in wanted:
            secrets = [each.secret for each in expected if each.store is store or store is other]
            for diagnostic in self._store(store, namespace, secrets):
                if diagnostic.message not in told:
                    told.add(diagnostic.message)
                    yield diagnostic

    def _store(self, store: Store, namespace: str, secrets: Iterable[str]) -> Iterator[Diagnostic]:
        live = self._look.store(store.kind, store.name, namespace)
        labelled = self._look.labels_for(live, namespace)
        for lack in store_lacks(store, live, namespace, labelled):
            message = lack.message
            if live is not None and lack.has_cause:
                since = self._newest((secret, store.id) for secret in secrets)
                message = ": ".join(filter(None, (message, self._quotes.of_condition(live, since, lack.mend))))
            yield BY_ID["store-not-ready"].diagnostic(Finding(message, store.node.key_span, help=lack.mend))
        for doubt in store_doubts(store, live, namespace, labelled):
            yield BY_ID["unproven-store"].diagnostic(Finding(doubt.message, store.node.key_span, help=doubt.mend))

    def _newest(self, asked: Iterable[tuple[str, str]]) -> datetime | None:
        """The date of the newest of those values, None where one was not read."""
        dates = [self._dates.get(each) for each in asked]
        known = [each for each in dates if each is not None]
        return max(known, default=EVER) if len(known) == len(dates) else None

    def external_secret(self, each: Expected) -> Iterator[Diagnostic]:
        live = self._look.live(each.manifest)
        yield from _foreigners(each, self._look.external_secrets(each.namespace).values(), live)
        reasons = {reason.lack: reason.message for reason in reversed(reasons_against(each.manifest, live, each.store))}
        if Lack.OTHER_SPEC in reasons:
            yield _found("older-spec", each, reasons[Lack.OTHER_SPEC], _DEPLOY)
        lack = next((lack for lack in _RULES if lack in reasons), None)
        if lack in FAILING and live.external_secret is not None:
            yield self._failing(each, live.external_secret, lack, reasons)
        elif lack is not None:
            yield _found(_RULES[lack], each, reasons[lack], _DEPLOY if lack in _IN_SECRET else None)
        elif live.external_secret is not None:
            for stale in silence(live.external_secret, f"{each.namespace}/{each.name}", self._signs(each.namespace)):
                help_line = operator_pods() if stale.kind is Stale.SILENT else None
                yield _found("not-synchronised", each, stale.message, help_line)

    def _signs(self, namespace: str) -> Signs:
        """What shows that the operator runs, for one that is in order."""
        if namespace not in self._newest_signs:
            signs = (sign_of(one) for one in self._look.external_secrets(namespace).values())
            self._newest_signs[namespace] = max(filter(None, signs), default=None)
        return Signs(self._now, newest=self._newest_signs[namespace])

    def _failing(self, each: Expected, found: LiveObject, lack: Lack, reasons: Mapping[Lack, str]) -> Diagnostic:
        parts, way_out, reason = [reasons[lack]], None, ready_reason(found)
        if lack is Lack.IMMUTABLE:
            parts, way_out = [*parts, reason or ""], _IMMUTABLE
        elif reason == _OTHER_OWNER:
            parts, way_out = [*parts, "another owner has its Secret"], _AGREE
        # What the spec before reads was not read here.
        since = self._newest([(each.secret, each.store.id)]) if Lack.OTHER_SPEC not in reasons else None
        parts.append(self._quotes.of_failure(found, self._look.warning(found), since, self._now))
        return _found("not-synchronised", each, ": ".join(filter(None, parts)), way_out)


def _foreigners(each: Expected, every: Iterable[LiveObject], live: Live) -> Iterator[Diagnostic]:
    for one in every:
        name, message = child(one, "metadata").get("name"), None
        if name != each.name and target_of(one) == each.name:
            message = f"the ExternalSecret {quoted(str(name))} already makes the Secret {each.title}"
        elif name == each.name and not is_own(one, each.manifest):
            message = f"the ExternalSecret {each.title} is not managed by this chart; deploying would overwrite it"
        if message is not None:
            yield _found("foreign-external-secret", each, message, _AGREE)
    owners = controllers_of(live.secret) if live.secret is not None else [("ExternalSecret", each.name)]
    if not owners:
        message = f"the Secret {each.title} is not managed by an ExternalSecret; deploying would overwrite it"
        yield _found("foreign-secret", each, message, _AGREE)
    elif owners[0] != ("ExternalSecret", each.name):
        kind, name = owners[0]
        message = f"the Secret {each.title} belongs to the {kind} {quoted(str(name))}"
        yield _found("foreign-secret", each, message, _AGREE)


def _found(rule: str, each: Expected, message: str, help_text: str | None = None) -> Diagnostic:
    return BY_ID[rule].diagnostic(Finding(message, each.at, help=help_text))
