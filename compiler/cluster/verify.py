"""Checks an environment's live objects for `verify --cluster`."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache

from compiler.cluster.judge import (
    FAILING,
    ClusterState,
    controllers_of,
    is_own,
    operator_pods,
    problems,
    ready_reason,
    silence,
    store_doubts,
    store_lacks,
    unproven_store,
)
from compiler.cluster.view import (
    EVER,
    NAMESPACES,
    SECRETS,
    ClusterError,
    ClusterView,
    Live,
    LiveObject,
    Quotes,
    child,
    newest_sign,
    opened,
    target_of,
)
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.environment import Store
from compiler.model.values import Manifest
from compiler.rules.api import Finding
from compiler.rules.live_rules import BY_ID
from compiler.stores.interface import RemoteSecret
from compiler.text.wording import ACCEPT_STORE, quoted

# The date of the newest value that a secret, by id, reads from a store, by id: None where one was not read.
Dates = Mapping[tuple[str, str], datetime | None]
Check = Callable[[Sequence[RemoteSecret], Dates], tuple[Diagnostic, ...]]


# What `verify --cluster` and the gate of a switch go on without.
OPTIONAL = frozenset({SECRETS, NAMESPACES})


_AGREE = "choose another target, or agree with its owner"
_DEPLOY = "deploy the newest values, then wait for a refresh"
_IMMUTABLE = "delete the Secret, and the operator makes it again; pods that run keep what they have read"
# A reason of an ExternalSecret's condition, from External Secrets Operator 2.10 on.
_OTHER_OWNER = "SecretOwnedByOther"
# The rule of each state that is said of an ExternalSecret, of which the first alone is. A foreign one has words of its
# own.
_RULES = {
    ClusterState.ABSENT: "not-in-cluster",
    ClusterState.DELETED: "not-synchronised",
    ClusterState.IMMUTABLE: "not-synchronised",
    ClusterState.NOT_READY: "not-synchronised",
    ClusterState.RETAINED: "not-synchronised",
    ClusterState.NOT_SYNCED: "not-synchronised",
    ClusterState.NO_TARGET: "missing-target-key",
    ClusterState.MISSING_KEY: "missing-target-key",
    ClusterState.EDITED: "not-synchronised",
}
_IN_SECRET = frozenset({ClusterState.NO_TARGET, ClusterState.MISSING_KEY})


def cluster_checker(
    expected: Sequence[Manifest],
    environ: Mapping[str, str],
    context: str | None,
    other: Store | None = None,
    *,
    is_whole: bool = False,
    accepted: Container[str] = (),
) -> Check:
    """A function that compares the cluster with `expected`, hiding the values of the remote secrets that it is given.

    The cluster is the kubeconfig's `context`, the current one for None. `accepted` are stores, by id, that it reads as
    a person says, where that is not proven. Raises Refusal where the client is not
    installed. A kubeconfig that cannot be used is a finding: what the stores hold is told all the same.
    """
    if not expected:
        return lambda _read, _dates: ()
    try:
        cluster = opened(environ, context)
    except ClusterError as error:
        silent = unreachable(expected, error)
        return lambda _read, _dates: (silent,)
    view = ClusterView(cluster, OPTIONAL)

    def check(read: Sequence[RemoteSecret], dates: Dates) -> tuple[Diagnostic, ...]:
        found = verify_cluster(expected, view, read, dates, other=other, is_whole=is_whole)
        return tuple(each._replace(severity=Severity.NOTE) if _is_of(each, accepted) else each for each in found)

    return check


def _is_of(doubt: Diagnostic, stores: Container[str]) -> bool:
    return doubt.rule == "unproven-store" and doubt.scope[-1] in stores


def verify_cluster(
    expected: Sequence[Manifest],
    view: ClusterView,
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
    found, quotes, now = list[Diagnostic](), Quotes(read, is_whole=is_whole), now or datetime.now(UTC)
    sign_in = cache(lambda namespace: newest_sign(view.external_secrets(namespace).values()))
    try:
        found += _check_stores(expected, other, view, quotes, dates)
        for each in expected:
            live = view.live(each)
            found += _foreigners(each, view.external_secrets(each.namespace).values(), live)
            found += _check_external_secret(each, live, view, quotes, dates, now, sign_in)
        refused = [error for (plural, _), error in view.refused.items() if plural == SECRETS]
    except ClusterError as error:
        refused = [error]
    found += [unreachable(expected, error, "checked any further") for error in refused]
    return tuple(found)


def unreachable(expected: Sequence[Manifest], error: ClusterError, what: str = "checked") -> Diagnostic:
    """The finding that the cluster cannot be read, at the line of the first secret that should be in it."""
    rule = "cluster-no-answer" if error.permission is None else "cluster-forbidden"
    message = f"the cluster cannot be {what}: {error}"
    return BY_ID[rule].diagnostic(Finding(message, expected[0].span, help=error.remedy))


def _check_stores(
    expected: Sequence[Manifest], other: Store | None, view: ClusterView, quotes: Quotes, dates: Dates
) -> Iterator[Diagnostic]:
    # Each namespace is let in or not by itself.
    wanted = dict.fromkeys((each.store, each.namespace) for each in expected)
    if other is not None:
        wanted |= dict.fromkeys((other, each.namespace) for each in expected)
    told: set[str] = set()
    for store, namespace in wanted:
        secrets = [each.secret for each in expected if each.store is store or store is other]
        since = _newest(dates, ((secret, store.id) for secret in secrets))
        for diagnostic in _check_store(store, namespace, view, quotes, since):
            if diagnostic.message not in told:
                told.add(diagnostic.message)
                yield diagnostic


def _check_store(
    store: Store, namespace: str, view: ClusterView, quotes: Quotes, since: datetime | None
) -> Iterator[Diagnostic]:
    live = view.store(store.kind, store.name, namespace)
    labelled = view.labels_for(live, namespace)
    for lack in store_lacks(store, live, namespace, labelled):
        said = quotes.of_condition(live, since, lack.mend) if live is not None and lack.has_cause else ""
        message = f"{lack.message}: {said}" if said else lack.message
        yield BY_ID["store-not-ready"].diagnostic(Finding(message, store.node.key_span, help=lack.mend))
    for doubt in store_doubts(store, live, namespace, labelled):
        mend, severity = doubt.mend, Severity.NOTE
        if live is not None and doubt == unproven_store(store, live, namespace):
            mend, severity = f"{mend}; to accept it: {ACCEPT_STORE} {store.id}", Severity.WARNING
        at, scope = store.node.key_span, ("stores", store.id)
        yield BY_ID["unproven-store"].diagnostic(Finding(doubt.message, at, mend, scope=scope, severity=severity))


def _newest(dates: Dates, values: Iterable[tuple[str, str]]) -> datetime | None:
    """The date of the newest of those values, None where one was not read."""
    found = [dates.get(each) for each in values]
    known = [each for each in found if each is not None]
    return max(known, default=EVER) if len(known) == len(found) else None


def _check_external_secret(
    each: Manifest,
    live: Live,
    view: ClusterView,
    quotes: Quotes,
    dates: Dates,
    now: datetime,
    sign_in: Callable[[str], datetime | None],
) -> Iterator[Diagnostic]:
    """The findings of one ExternalSecret; `sign_in` returns the newest sign of the operator in a namespace."""
    messages = {problem.state: problem.message for problem in reversed(problems(each, live))}
    if ClusterState.OTHER_SPEC in messages:
        yield _found("older-spec", each, messages[ClusterState.OTHER_SPEC], _DEPLOY)
    state, found = next((state for state in _RULES if state in messages), None), live.external_secret
    if state in FAILING and found is not None:
        parts, way_out, reason = [messages[state]], None, ready_reason(found)
        if state is ClusterState.IMMUTABLE:
            parts, way_out = [*parts, reason or ""], _IMMUTABLE
        elif reason == _OTHER_OWNER:
            parts, way_out = [*parts, "another owner has its Secret"], _AGREE
        # What the spec before reads was not read here.
        since = _newest(dates, [(each.secret, each.store.id)]) if ClusterState.OTHER_SPEC not in messages else None
        parts.append(quotes.of_failure(found, view.warning(found), since, now))
        yield _found("not-synchronised", each, ": ".join(filter(None, parts)), way_out)
    elif state is not None:
        yield _found(_RULES[state], each, messages[state], _DEPLOY if state in _IN_SECRET else None)
    elif found is not None:
        for stale in silence(found, each.title, now, newest=sign_in(each.namespace)):
            help_line = operator_pods() if stale.state is ClusterState.SILENT else None
            yield _found("not-synchronised", each, stale.message, help_line)


def _foreigners(each: Manifest, every: Iterable[LiveObject], live: Live) -> Iterator[Diagnostic]:
    title = quoted(each.title)
    for one in every:
        name, message = child(one, "metadata").get("name"), None
        if name != each.name and target_of(one) == each.name:
            message = f"the ExternalSecret {quoted(str(name))} already makes the Secret {title}"
        elif name == each.name and not is_own(one, each):
            message = f"the ExternalSecret {title} is not managed by this chart; deploying would overwrite it"
        if message is not None:
            yield _found("foreign-external-secret", each, message, _AGREE)
    owners = controllers_of(live.secret) if live.secret is not None else [("ExternalSecret", each.name)]
    if not owners:
        message = f"the Secret {title} is not managed by an ExternalSecret; deploying would overwrite it"
        yield _found("foreign-secret", each, message, _AGREE)
    elif owners[0] != ("ExternalSecret", each.name):
        kind, name = owners[0]
        message = f"the Secret {title} belongs to the {kind} {quoted(str(name))}"
        yield _found("foreign-secret", each, message, _AGREE)


def _found(rule: str, each: Manifest, message: str, help_text: str | None = None) -> Diagnostic:
    return BY_ID[rule].diagnostic(Finding(message, each.span, help=help_text))
