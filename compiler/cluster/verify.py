"""Checks an environment's live objects for `verify --cluster`."""

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType

from compiler.cluster.judge import (
    AGREE,
    Evidence,
    foreign_external_secret,
    foreign_secret,
    problems,
    wrong_cluster,
)
from compiler.cluster.messages import describe_failure
from compiler.cluster.operator import read_operator, store_problems, store_unknowns
from compiler.cluster.pods import judge_starts, pods_by_secret
from compiler.cluster.problem import FAILING, ClusterProblem, ClusterState
from compiler.cluster.view import (
    OPERATOR,
    OPERATOR_PODS,
    PODS,
    SECRETS,
    STORE_EVENTS,
    ClusterError,
    ClusterName,
    ClusterView,
    Live,
    LiveObject,
    target_of,
)
from compiler.model.document import Diagnostic, Severity
from compiler.model.environment import Store
from compiler.model.values import Manifest, child
from compiler.rules.api import Finding
from compiler.rules.listed_rules import BY_ID
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import ACCEPT_STORE, quote

# By secret and store, by id: when each of its values was written, by key, as far as that is known.
Written = Mapping[tuple[str, str], Mapping[str, datetime]]
# By secret and store, by id: its values, where all were read.
Values = Mapping[tuple[str, str], Collection[SecretValue]]
Check = Callable[[Written, Values], tuple[Diagnostic, ...]]


# What `verify --cluster` and the gate of a switch go on without.
OPTIONAL = frozenset({SECRETS, PODS, OPERATOR, OPERATOR_PODS, STORE_EVENTS})


_RESTART = "restart-needed"
# The rule of each state that is said of an ExternalSecret, of which the first alone is. A foreign one has rules of its
# own, and is reported before it is deployed, too.
_RULES = {
    ClusterState.OPERATOR_DOWN: "not-synchronised",
    ClusterState.ABSENT: "not-in-cluster",
    ClusterState.DELETED: "not-synchronised",
    ClusterState.IMMUTABLE: "not-synchronised",
    ClusterState.OTHER_TYPE: "not-synchronised",
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
    connect: Callable[[], ClusterView],
    other: Store | None = None,
    *,
    accepted: Container[str] = (),
) -> tuple[Check, ClusterName | None]:
    """A function that compares the cluster with `expected`, and the name of the cluster, None if it was not asked.

    `accepted` are the ids of stores that a person accepts without proof. Raises the Refusal of `connect`; its
    ClusterError becomes a finding, so that the findings in the stores are shown all the same.
    """
    if not expected:
        return (lambda _written, _values: ()), None
    try:
        view = connect()
    except ClusterError as error:
        silent = unreachable(expected, error)
        return (lambda _written, _values: (silent,)), None

    def check(written: Written, values: Values) -> tuple[Diagnostic, ...]:
        found = verify_cluster(expected, view, written, values, other=other)
        return tuple(each._replace(severity=Severity.NOTE) if is_accepted(each) else each for each in found)

    def is_accepted(found: Diagnostic) -> bool:
        return found.rule == "unproven-store" and found.scope[-1] in accepted

    return check, view.name


def verify_cluster(
    expected: Sequence[Manifest],
    view: ClusterView,
    written: Written = MappingProxyType({}),
    values: Values = MappingProxyType({}),
    *,
    other: Store | None = None,
    now: datetime | None = None,
) -> tuple[Diagnostic, ...]:
    """How the cluster differs from `expected`. If it cannot be read, that is the last finding.

    `other` is a store to check besides the stores in use.
    """
    found = list[Diagnostic]()
    sign_in = cache(lambda namespace: view.newest_sign((namespace,)))
    names = frozenset(each.target for each in expected)
    pods_in = cache(lambda namespace: pods_by_secret(view.objects(PODS, namespace) or (), names))
    try:
        found += _check_stores(expected, other, view, values)
        if (question := wrong_cluster(view, expected)) is not None:
            return (_finding("not-in-cluster", expected[0], question),)
        operator = read_operator(view)
        now = now or datetime.now(UTC)
        for each in expected:
            live = view.live(each)
            found += _check_owners(each, view.external_secrets(each.namespace).values(), live)
            at = each.secret, each.store.id
            dates = written.get(at, {})
            pods = pods_in(each.namespace).get(each.target, ())
            starts = judge_starts(pods, live.secret, dates, now, external_secret=live.external_secret)
            # An older value is no finding, as the operator may still be about to read it; nor are pods that are not
            # ready, and whether one that fails is still tried: the finding says how old the failure is.
            newest = max(dates.values(), default=None)
            sign = sign_in(each.namespace)
            evidence = Evidence(now, newest, newest_sign=sign, operator=operator, restarts=starts.problems)
            found += _check_external_secret(each, live, view, evidence, starts.notes, values.get(at, ()))
        found += _unknown_pods(expected, view)
        refused = [error for (plural, _), error in view.refused.items() if plural == SECRETS]
    except ClusterError as error:
        refused = [error]
    found += [unreachable(expected, error, "checked any further") for error in refused]
    return tuple(found)


def unreachable(expected: Sequence[Manifest], error: ClusterError, what: str = "checked") -> Diagnostic:
    """The finding that the cluster cannot be read, at the line of the first expected secret."""
    rule = "cluster-no-answer" if error.permission is None else "cluster-forbidden"
    message = f"the cluster cannot be {what}: {error}"
    return BY_ID[rule].diagnostic(Finding(message, expected[0].span, help=error.way_out(expected[0].environment)))


def _check_stores(
    expected: Sequence[Manifest], other: Store | None, view: ClusterView, values: Values
) -> Iterator[Diagnostic]:
    # Each namespace is let in or not by itself.
    wanted = dict.fromkeys((each.store, each.namespace) for each in expected)
    if other is not None:
        wanted |= dict.fromkeys((other, each.namespace) for each in expected)
    told: set[str] = set()
    for store, namespace in wanted:
        of_store = [value for (_, at), every in values.items() if at == store.id for value in every]
        for diagnostic in _check_store(store, namespace, view, of_store):
            if diagnostic.message not in told:
                told.add(diagnostic.message)
                yield diagnostic


def _check_store(
    store: Store, namespace: str, view: ClusterView, values: Collection[SecretValue]
) -> Iterator[Diagnostic]:
    live = view.store(store.kind, store.name, namespace)
    for problem in store_problems(store, live, namespace, view.store_warning(live), values):
        yield BY_ID["store-not-ready"].diagnostic(Finding(problem.message, store.node.key_span, help=problem.mend))
    for unknown in store_unknowns(store, live, namespace):
        mend, severity = unknown.mend, Severity.NOTE
        if unknown.is_unproven:
            mend, severity = f"{mend}; to accept it: {ACCEPT_STORE} {store.id}", Severity.WARNING
        at, scope = store.node.key_span, ("stores", store.id)
        yield BY_ID["unproven-store"].diagnostic(Finding(unknown.message, at, mend, scope=scope, severity=severity))


def _check_external_secret(
    each: Manifest,
    live: Live,
    view: ClusterView,
    evidence: Evidence,
    may: Iterable[str],
    values: Collection[SecretValue],
) -> Iterator[Diagnostic]:
    every = problems(each, live, evidence)
    for doubt in may if not every else ():
        yield _finding(_RESTART, each, ClusterProblem(ClusterState.RESTART, doubt))._replace(severity=Severity.NOTE)
    by_state = {problem.state: problem for problem in reversed(every)}
    if (older := by_state.get(ClusterState.OTHER_SPEC)) is not None:
        yield _finding("older-spec", each, older)
    yield from (_finding(_RESTART, each, problem) for problem in every if problem.state is ClusterState.RESTART)
    problem = next((by_state[state] for state in _RULES if state in by_state), None)
    if problem is None:
        return
    if problem.state in FAILING and (found := live.external_secret) is not None:
        said = describe_failure(found, view.warning(found), evidence.now, live.store, values)
        problem = replace(problem, message=f"{problem.message}: {said}" if said else problem.message)
    yield _finding(_RULES[problem.state], each, problem)


def _check_owners(each: Manifest, every: Iterable[LiveObject], live: Live) -> Iterator[Diagnostic]:
    for one in every:
        if (name := child(one, "metadata").get("name")) != each.name and target_of(one) == each.target:
            message = f"the ExternalSecret {quote(str(name))} already makes the Secret {quote(each.target_title)}"
            yield _finding("foreign-external-secret", each, ClusterProblem(ClusterState.FOREIGN, message, AGREE))
    for problem in foreign_external_secret(each, live.external_secret) if live.external_secret is not None else ():
        yield _finding("foreign-external-secret", each, problem)
    for problem in foreign_secret(each, live.secret) if live.secret is not None else ():
        yield _finding("foreign-secret", each, problem)


def _unknown_pods(expected: Sequence[Manifest], view: ClusterView) -> Iterator[Diagnostic]:
    for (plural, namespace), error in view.refused.items():
        if plural == PODS:
            first = next(each for each in expected if each.namespace == namespace)
            message = f"whether pods in {quote(namespace)} keep an earlier value was not asked: {error}"
            found = _finding(_RESTART, first, ClusterProblem(ClusterState.RESTART, message, error.remedy))
            yield found._replace(severity=Severity.NOTE)


def _finding(rule: str, each: Manifest, problem: ClusterProblem) -> Diagnostic:
    return BY_ID[rule].diagnostic(Finding(problem.message, each.span, help=problem.mend or None))
