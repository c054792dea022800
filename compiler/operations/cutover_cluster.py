"""Checks before a switch whether the cluster is ready for it, and finds what it means there.

Loaded only where the cluster is asked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from compiler.cluster.judge import Evidence, problems, unknowns, wrong_cluster
from compiler.cluster.operator import (
    allows_namespace,
    controller_of,
    identity_problem,
    read_operator,
    store_object_line,
    store_problems,
    store_unknowns,
)
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.times import last_read_before
from compiler.cluster.view import (
    CLOCKS,
    OPERATOR,
    OPERATOR_PODS,
    SECRETS,
    STORE_EVENTS,
    ClusterError,
    ClusterView,
    Live,
    LiveObject,
)
from compiler.consumers.readers import readers_in
from compiler.model.environment import Environment
from compiler.model.values import Manifest, child, manifests_of
from compiler.operations.cutover_gate import About, Check, CutoverRequest, Switch, Verdict
from compiler.text.wording import command_line, list_names, pluralize, quote, repeat_option

# What the gate goes on without. Not every cluster has Rollouts.
OPTIONAL = frozenset({SECRETS, OPERATOR, OPERATOR_PODS, STORE_EVENTS, "rollouts"})
# With one of these an ExternalSecret is never switched.
_GONE = (ClusterState.ABSENT, ClusterState.DELETED, ClusterState.FOREIGN)
# These do not stop a switch back: a failing operator may be the reason for it.
_FAILING = (ClusterState.IMMUTABLE, ClusterState.NOT_READY, ClusterState.NOT_SYNCED)
_BEHIND = (ClusterState.OPERATOR_DOWN, ClusterState.SILENT, ClusterState.NOT_REFRESHED, ClusterState.OLDER_VALUE)


class ClusterGate:
    """Checks switches against one reading of a cluster."""

    def __init__(self, view: ClusterView, now: datetime | None = None) -> None:
        self._view = view
        self._now = now or datetime.now(UTC)

    @staticmethod
    def or_unanswered(checks: Iterable[Check]) -> Iterator[Check]:
        """The checks and, if the cluster does not answer, a last one that says so."""
        try:
            yield from checks
        except ClusterError as error:
            message = f"the cluster cannot be asked: {error}"
            yield Check(About.CLUSTER_SECRETS, Verdict.UNANSWERED, message, error.remedy)

    def check_cluster(self, switches: Sequence[Switch], request: CutoverRequest) -> Iterator[Check]:
        """Whether it is the right cluster. Raises ClusterError, and Refusal if an environment names another."""
        environments = dict.fromkeys(each.environment for each in switches)
        for each in environments:
            # The cluster of the requested environment was checked when the view was opened.
            if each.cluster is not None and each.name != request.environment:
                self._view.require(each.cluster)
        manifests = [manifests_of(each.environment, [each.secret])[each.secret] for each in switches]
        if (question := wrong_cluster(self._view, manifests)) is not None:
            yield Check(About.CLUSTER, Verdict.REFUSED, question.message, question.mend or None)
            return
        pinned = all(each.cluster is not None for each in environments)
        verdict, what = (
            (Verdict.PASSED, "the environment's") if pinned else (Verdict.NOTED, "not named by the environment")
        )
        yield Check(About.CLUSTER, verdict, f"the cluster is {what}: {self._view.name}")

    def check_steps(self, environment: Environment, secrets: Sequence[str], request: CutoverRequest) -> Iterator[Check]:
        """Whether the earlier steps are in effect: the cluster runs on the environment's version of `secrets`.

        Raises ClusterError.
        """
        manifests, refused = manifests_of(environment, secrets), False
        evidence = self._evidence(manifests.values())
        for name in secrets:
            live = self._view.live(manifests[name])
            if not live.has_secrets:
                message = f"{quote(name)}: the keys of its Secret are not asked for: you may not list Secrets"
                yield Check(About.IN_EFFECT, Verdict.NOTED, message)
            for unknown in unknowns(manifests[name], live):
                yield Check(About.IN_EFFECT, Verdict.NOTED, f"{quote(name)}: {unknown}")
            for problem in problems(manifests[name], live, evidence):
                refused, mend = True, _way_out(problem, environment, [name], request)
                yield Check(About.IN_EFFECT, Verdict.REFUSED, f"{quote(name)}: {problem.message}", mend)
        if not refused and secrets:
            yield Check(About.IN_EFFECT, Verdict.PASSED, f"the steps before are in effect: {list_names(secrets)}")

    def check_switches(
        self, switches: Sequence[Switch], request: CutoverRequest, written: Mapping[Switch, datetime]
    ) -> Iterator[Check]:
        """Checks the stores of both sides, then the live ExternalSecrets.

        `written` is when each present store got a value. Raises ClusterError.
        """
        by_store = {(each.source, each.destination, each.namespace): each for each in switches}
        for switch in by_store.values():
            yield from self._check_stores(switch, is_back=request.is_back)
        states = (*_GONE, *(() if request.is_back else _FAILING), *_BEHIND)
        found, refused = dict(self._gravest_problems(switches, states, written)), False
        for each, problem in found.items():
            is_behind = problem.state in _BEHIND
            verdict = Verdict.NOTED if request.is_back and is_behind else Verdict.REFUSED
            refused = refused or verdict is Verdict.REFUSED
            # One command is for all secrets of the environment with a problem of this kind.
            alike = [
                one.secret
                for one, its in found.items()
                if one.environment is each.environment and (its.state in _BEHIND) is is_behind
            ]
            mend = _way_out(problem, each.environment, alike, request)
            yield Check(About.CLUSTER_SECRETS, verdict, problem.message, mend)
        if not refused:
            what = pluralize(len(switches), "ExternalSecret")
            state = "managed by this chart" if request.is_back else "managed by this chart and not failing"
            yield Check(About.CLUSTER_SECRETS, Verdict.PASSED, f"{what} in the cluster, {state}")

    def readers_of(self, switches: Sequence[Switch]) -> dict[Switch, tuple[str, ...] | None]:
        """The live workloads that read the Secret of each switch, None if they may not be read."""
        by_space = {
            space: readers_in(self._view, space) for space in dict.fromkeys(each.namespace for each in switches)
        }
        return {
            each: found.get(each.before.entry.target, ()) if (found := by_space[each.namespace]) is not None else None
            for each in switches
        }

    def unread_values(self, written: Mapping[Switch, datetime]) -> dict[Switch, str]:
        """The switches whose Secret gets a value that the operator has not read yet: "takes" or "may take"."""
        found: dict[Switch, str] = {}
        # A missing permission is reported by the checks.
        with suppress(ClusterError):
            for each, date in written.items():
                live = self._view.external_secrets(each.namespace).get(each.before.entry.external_secret, {})
                serves = child(live, "spec", "secretStoreRef").get("name") == each.source.name
                if serves and (read := last_read_before(live, date)) is not None:
                    # A small difference may come from the clocks.
                    found[each] = "takes" if date - read > CLOCKS else "may take"
        return found

    def _gravest_problems(
        self, switches: Sequence[Switch], states: Sequence[ClusterState], written: Mapping[Switch, datetime]
    ) -> Iterator[tuple[Switch, ClusterProblem]]:
        """The worst problem of each ExternalSecret, in the order of `states`, without its Secret and store."""
        manifests = {each.environment: manifests_of(each.environment) for each in switches}
        going = [manifests[each.environment][each.secret] for each in switches]
        evidence = self._evidence(going)
        for each, manifest in zip(switches, going, strict=True):
            external_secret = self._view.external_secrets(manifest.namespace).get(manifest.name)
            live = Live(external_secret, None, None, has_secrets=False, has_store=False)
            every = problems(manifest, live, replace(evidence, written=written.get(each)))
            in_order = (problem for state in states for problem in every if problem.state is state)
            if (gravest := next(in_order, None)) is not None:
                yield each, gravest

    def _evidence(self, manifests: Iterable[Manifest]) -> Evidence:
        """What manifests are judged by: without pods and the dates of values."""
        operator, spaces = read_operator(self._view), dict.fromkeys(each.namespace for each in manifests)
        return Evidence(self._now, newest_sign=self._view.newest_sign(spaces), operator=operator)

    def _check_stores(self, switch: Switch, *, is_back: bool) -> Iterator[Check]:
        namespace, (store, present) = switch.namespace, (switch.destination, switch.source)
        live, present_live = (self._view.store(each.kind, each.name, namespace) for each in (store, present))
        unknown = list(store_unknowns(store, live, namespace))
        # If the store is unproven, values may be compared in one store and read from another.
        unproven = [each for each in unknown if each.is_unproven and not is_back]
        controller = self._other_controller(switch, live, present_live)
        warning = self._view.store_warning(live)
        refused = [*store_problems(store, live, namespace, warning), *controller, *unproven]
        yield from (Check(About.CLUSTER_STORE, Verdict.REFUSED, each.message, each.mend) for each in refused)
        noted = (each for each in unknown if each not in unproven)
        yield from (Check(About.CLUSTER_STORE, Verdict.NOTED, each.message, each.mend) for each in noted)
        if not refused:
            is_known = live is not None and allows_namespace(live, namespace)
            allows = f" and allows the namespace {quote(namespace)}" if is_known else ""
            yield Check(About.CLUSTER_STORE, Verdict.PASSED, f"the {store.kind} {quote(store.name)} is ready{allows}")
        # If the present store is another one, pods do not have the values that were compared.
        problem = identity_problem(present, present_live, namespace) if present_live is not None else None
        if problem is not None:
            verdict = Verdict.NOTED if is_back else Verdict.REFUSED
            yield Check(About.CLUSTER_STORE, verdict, problem.message, problem.mend)

    @staticmethod
    def _other_controller(
        switch: Switch, live: LiveObject | None, present: LiveObject | None
    ) -> Iterator[ClusterProblem]:
        """The problem that the new store has a controller which is neither the default nor the present store's."""
        store, known = switch.destination, {"default", *([controller_of(present)] if present is not None else [])}
        if live is not None and (other := controller_of(live)) not in known:
            message = f"the {store.kind} {quote(store.name)} belongs to another controller, {quote(other)}"
            yield ClusterProblem(
                ClusterState.STORE_ELSEWHERE, message, store_object_line("get", store, switch.namespace)
            )


def _way_out(problem: ClusterProblem, environment: Environment, secrets: Sequence[str], request: CutoverRequest) -> str:
    """The remedy for a problem that `secrets` of an environment have."""
    if problem.state in (ClusterState.NOT_REFRESHED, ClusterState.OLDER_VALUE):
        options = (*repeat_option("--only", secrets), "--wait", "--force-sync", *request.context)
        return command_line("status", environment.name, *options)
    return problem.mend or command_line("verify", environment.name, *secrets, *request.cluster)
