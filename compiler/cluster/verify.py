"""Checks an environment's live objects for `verify --cluster`."""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from compiler.cluster.judge import AGREE, Evidence, foreign_external_secret, foreign_secret, problems
from compiler.cluster.problem import FAILING, ClusterProblem, ClusterState
from compiler.cluster.store_object import store_problems, store_unknowns
from compiler.cluster.view import (
    EVER,
    NAMESPACES,
    SECRETS,
    ClusterError,
    ClusterView,
    Live,
    LiveObject,
    SafeMessages,
    child,
    open_cluster,
    target_of,
)
from compiler.model.diagnostic import Diagnostic, Severity
from compiler.model.environment import Store
from compiler.model.values import Manifest
from compiler.rules.api import Finding
from compiler.rules.live_rules import BY_ID
from compiler.stores.interface import RemoteSecret
from compiler.text.wording import ACCEPT_STORE, quote

# The date of the newest value that a secret, by id, reads from a store, by id: None where one was not read.
Dates = Mapping[tuple[str, str], datetime | None]
Check = Callable[[Sequence[RemoteSecret], Dates], tuple[Diagnostic, ...]]


# What `verify --cluster` and the gate of a switch go on without.
OPTIONAL = frozenset({SECRETS, NAMESPACES})


# The rule of each state that is said of an ExternalSecret, of which the first alone is. A foreign one has rules of its
# own, and is reported before it is deployed, too.
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
    ClusterState.NOT_REFRESHED: "not-synchronised",
    ClusterState.SILENT: "not-synchronised",
}


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
        cluster = open_cluster(environ, context)
    except ClusterError as error:
        silent = unreachable(expected, error)
        return lambda _read, _dates: (silent,)
    view = ClusterView(cluster, OPTIONAL)

    def check(read: Sequence[RemoteSecret], dates: Dates) -> tuple[Diagnostic, ...]:
        found = verify_cluster(expected, view, read, dates, other=other, is_whole=is_whole)
        return tuple(each._replace(severity=Severity.NOTE) if is_accepted(each) else each for each in found)

    def is_accepted(found: Diagnostic) -> bool:
        return found.rule == "unproven-store" and found.scope[-1] in accepted

    return check


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

    `other` is a store that is checked beside those in use. For `read`, `dates` and `is_whole` see SafeMessages.
    """
    found, quotes, now = list[Diagnostic](), SafeMessages(read, is_whole=is_whole), now or datetime.now(UTC)
    sign_in = cache(lambda namespace: view.newest_sign((namespace,)))
    try:
        found += _check_stores(expected, other, view, quotes, dates)
        for each in expected:
            live = view.live(each)
            found += _check_owners(each, view.external_secrets(each.namespace).values(), live)
            # Left out are the value's date, as the operator may still be about to read it, pods, and of one that fails
            # whether it is still tried: the finding says how old the failure is.
            evidence = Evidence(now, newest_sign=sign_in(each.namespace))
            found += _check_external_secret(each, live, view, quotes, dates, evidence)
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
    expected: Sequence[Manifest], other: Store | None, view: ClusterView, quotes: SafeMessages, dates: Dates
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
    store: Store, namespace: str, view: ClusterView, quotes: SafeMessages, since: datetime | None
) -> Iterator[Diagnostic]:
    live = view.store(store.kind, store.name, namespace)
    labelled = view.labels_for(live, namespace)
    for problem in store_problems(store, live, namespace, labelled):
        said = quotes.of_condition(live, since, problem.mend) if live is not None and problem.has_cause else ""
        message = f"{problem.message}: {said}" if said else problem.message
        yield BY_ID["store-not-ready"].diagnostic(Finding(message, store.node.key_span, help=problem.mend))
    for unknown in store_unknowns(store, live, namespace, labelled):
        mend, severity = unknown.mend, Severity.NOTE
        if unknown.is_unproven:
            mend, severity = f"{mend}; to accept it: {ACCEPT_STORE} {store.id}", Severity.WARNING
        at, scope = store.node.key_span, ("stores", store.id)
        yield BY_ID["unproven-store"].diagnostic(Finding(unknown.message, at, mend, scope=scope, severity=severity))


def _newest(dates: Dates, values: Iterable[tuple[str, str]]) -> datetime | None:
    """The date of the newest of those values, None where one was not read."""
    found = [dates.get(each) for each in values]
    known = [each for each in found if each is not None]
    return max(known, default=EVER) if len(known) == len(found) else None


def _check_external_secret(
    each: Manifest, live: Live, view: ClusterView, quotes: SafeMessages, dates: Dates, evidence: Evidence
) -> Iterator[Diagnostic]:
    by_state = {problem.state: problem for problem in reversed(problems(each, live, evidence))}
    if (older := by_state.get(ClusterState.OTHER_SPEC)) is not None:
        yield _finding("older-spec", each, older)
    problem = next((by_state[state] for state in _RULES if state in by_state), None)
    if problem is None:
        return
    if problem.state in FAILING and (found := live.external_secret) is not None:
        # What the spec before reads was not read here.
        since = _newest(dates, [(each.secret, each.store.id)]) if older is None else None
        said = quotes.of_failure(found, view.warning(found), since, evidence.now)
        problem = replace(problem, message=f"{problem.message}: {said}" if said else problem.message)
    yield _finding(_RULES[problem.state], each, problem)


def _check_owners(each: Manifest, every: Iterable[LiveObject], live: Live) -> Iterator[Diagnostic]:
    for one in every:
        if (name := child(one, "metadata").get("name")) != each.name and target_of(one) == each.name:
            message = f"the ExternalSecret {quote(str(name))} already makes the Secret {quote(each.title)}"
            yield _finding("foreign-external-secret", each, ClusterProblem(ClusterState.FOREIGN, message, AGREE))
    for problem in foreign_external_secret(each, live.external_secret) if live.external_secret is not None else ():
        yield _finding("foreign-external-secret", each, problem)
    for problem in foreign_secret(each, live.secret) if live.secret is not None else ():
        yield _finding("foreign-secret", each, problem)


def _finding(rule: str, each: Manifest, problem: ClusterProblem) -> Diagnostic:
    return BY_ID[rule].diagnostic(Finding(problem.message, each.span, help=problem.mend or None))
