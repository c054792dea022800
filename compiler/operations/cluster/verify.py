"""Compares a cluster with what an environment should have in it, and reports differences at the secrets' lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.part_of import LABEL, PART_OF
from compiler.model.record import dataclass
from compiler.operations.cluster.masking import Mask, values_of
from compiler.operations.cluster.objects import ClusterError
from compiler.rules.interface import Finding
from compiler.rules.live_rules import BY_ID
from compiler.text.wording import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from compiler.model.diagnostic import Diagnostic
    from compiler.model.environment import Environment, Store
    from compiler.model.source import Span
    from compiler.operations.cluster.objects import Cluster, LiveExternalSecret, LiveSecret, Ready
    from compiler.stores.interface import RemoteSecret

_AGREE = "choose another target, or agree with its owner"
_DEPLOY = "deploy the newest values, then wait for a refresh"
# Reasons of an ExternalSecret's condition, from External Secrets Operator 2.10 on: what each means, and the way out.
_REASONS = {
    "SecretOwnedByOther": ("another owner has its Secret", _AGREE),
    "SecretImmutable": (
        "its Secret is immutable, so no new value gets in",
        "delete the Secret, and the operator makes it again; pods that run keep what they have read",
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """One ExternalSecret of the chart; it and its Secret are named `name`. `at` is the line that asks for it.

    `part_of` is the value of the label by which it is known as the chart's own; one that was deployed before the
    environment had a `partOf` has the default.
    """

    secret: str
    namespace: str
    name: str
    store: Store
    keys: tuple[str, ...]
    at: Span
    part_of: str = PART_OF


def expected_of(environment: Environment, secrets: Sequence[str] = ()) -> tuple[Expected, ...]:
    """What `secrets`, or all, of an environment should have in the cluster."""
    return tuple(
        Expected(
            secret.id,
            secret.namespace,
            secret.entry.target,
            secret.store,
            tuple(item.key.name for item in secret.keys),
            secret.node.key_span,
            environment.part_of,
        )
        for secret in environment.secrets.values()
        if secret.namespace is not None and secret.store is not None and (not secrets or secret.id in secrets)
    )


def verify_cluster(
    expected: Sequence[Expected], cluster: Cluster, read: Iterable[RemoteSecret] = ()
) -> tuple[Diagnostic, ...]:
    """How the cluster differs from `expected`. A cluster that cannot be read is the last finding.

    The values of `read` are hidden in the operator's messages, which may quote a value.
    """
    found: list[Diagnostic] = []
    quote = _Quoting(read)
    try:
        found.extend(_stores(expected, cluster, quote))
        for namespace in dict.fromkeys(each.namespace for each in expected):
            here = [each for each in expected if each.namespace == namespace]
            live = cluster.external_secrets(namespace)
            targets = {each.name: each for each in cluster.secrets(namespace)}
            complaints = _Complaints(cluster, namespace, quote)
            for each in here:
                found.extend(_judge(each, live, targets.get(each.name), complaints))
    except ClusterError as error:
        found.append(unreachable(expected, error, "checked any further"))
    return tuple(found)


def unreachable(expected: Sequence[Expected], error: ClusterError, what: str = "checked") -> Diagnostic:
    """The finding that the cluster cannot be read, at the line of the first secret that should be in it."""
    rule = "cluster-no-answer" if error.permission is None else "cluster-forbidden"
    message = f"the cluster cannot be {what}: {error}"
    return BY_ID[rule].diagnostic(Finding(message, expected[0].at, help=error.remedy))


class _Quoting:
    """Quotes the operator's messages without the values that were read."""

    def __init__(self, read: Iterable[RemoteSecret]) -> None:
        self._mask = Mask(value for remote in read for value in values_of(remote))

    def __call__(self, said: str) -> str:
        return self._mask.hides(said.strip()) or "the operator gives no reason"


class _Complaints:
    """The events of a namespace, read only where something is wrong in it."""

    def __init__(self, cluster: Cluster, namespace: str, quote: _Quoting) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._quote = quote
        self._found: Mapping[str, str] | None = None

    def why(self, name: str, ready: Ready | None) -> str:
        """Why an ExternalSecret is not ready: the newest event says more than the condition."""
        if self._found is None:
            self._found = self._cluster.complaints(self._namespace)
        if said := self._found.get(name):
            return self._quote(said)
        return self._quote(ready.message) if ready is not None else "it has no condition yet"


def _stores(expected: Iterable[Expected], cluster: Cluster, quote: _Quoting) -> Iterator[Diagnostic]:
    # A SecretStore is another one in each namespace.
    wanted = {
        (each.store, each.namespace if each.store.kind == "SecretStore" else ""): each.namespace for each in expected
    }
    for (store, _), namespace in wanted.items():
        live = cluster.store(store.kind, store.name, namespace)
        subject = f"the {store.kind} {quoted(store.name)}"
        message = None
        if live is None:
            message = f"{subject} is not in the cluster"
        elif live.ready is None:
            message = f"{subject} has not been checked by the operator yet"
        elif not live.ready.is_true:
            message = f"{subject} is not ready: {quote(live.ready.message)}"
        if message is not None:
            yield BY_ID["store-not-ready"].diagnostic(Finding(message, store.node.key_span))


def _judge(
    each: Expected, live: Sequence[LiveExternalSecret], target: LiveSecret | None, complaints: _Complaints
) -> Iterator[Diagnostic]:
    yield from _foreigners(each, live, target)
    title = f"{each.namespace}/{each.name}"
    own = next((one for one in live if one.name == each.name), None)
    if own is None:
        yield _found("not-in-cluster", each, f"there is no ExternalSecret {quoted(title)} in the cluster")
    elif own.ready is None or not own.ready.is_true:
        meaning, help_text = _REASONS.get(own.ready.reason if own.ready is not None else "", (None, None))
        reason = ": ".join(words for words in (meaning, complaints.why(each.name, own.ready)) if words)
        yield _found("not-synchronised", each, f"the ExternalSecret {quoted(title)} is not ready: {reason}", help_text)
    elif target is None:
        yield _found("missing-target-key", each, f"there is no Secret {quoted(title)}", _DEPLOY)
    elif missing := [key for key in each.keys if key not in target.keys]:
        yield _found("missing-target-key", each, f"the Secret {quoted(title)} lacks {listed(missing)}", _DEPLOY)


def _foreigners(each: Expected, live: Sequence[LiveExternalSecret], target: LiveSecret | None) -> Iterator[Diagnostic]:
    title = f"{each.namespace}/{each.name}"
    for one in live:
        message = None
        if one.name != each.name and one.target == each.name:
            message = f"the ExternalSecret {quoted(one.name)} already makes the Secret {quoted(title)}"
        elif one.name == each.name and one.labels.get(LABEL) not in (each.part_of, PART_OF):
            message = f"the ExternalSecret {quoted(title)} is not managed by this chart; deploying would overwrite it"
        if message is not None:
            yield _found("foreign-external-secret", each, message, _AGREE)
    if target is not None and target.controller != ("ExternalSecret", each.name):
        yield _found("foreign-secret", each, _foreign(title, target), _AGREE)


def _found(rule: str, each: Expected, message: str, help_text: str | None = None) -> Diagnostic:
    return BY_ID[rule].diagnostic(Finding(message, each.at, help=help_text))


def _foreign(title: str, target: LiveSecret) -> str:
    if target.controller is None:
        return f"the Secret {quoted(title)} is not managed by an ExternalSecret; deploying would overwrite it"
    kind, name = target.controller
    return f"the Secret {quoted(title)} belongs to the {kind} {quoted(name)}"
