"""Checks whether the cluster is ready for a switch: its stores, its ExternalSecrets, and the steps before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from compiler.cluster.judge import (
    ClusterProblem,
    ClusterState,
    StoreLack,
    Unread,
    another_store,
    clock,
    controller_of,
    doubts,
    kubectl_line,
    problems,
    sameness_of,
    store_doubts,
    store_lacks,
    unread,
)
from compiler.cluster.view import NAMESPACES, SECRETS, ClusterError, ClusterView, Live, LiveObject, child
from compiler.consumers.readers import readers_in
from compiler.model.environment import Environment, Store
from compiler.model.store import Sameness
from compiler.model.values import Manifest, manifests_of
from compiler.operations.cutover_gate import About, Check, Switch, Verdict
from compiler.text.wording import command_line, counted, listed, quoted

# What the gate goes on without. Not every cluster has Rollouts.
OPTIONAL = frozenset({SECRETS, NAMESPACES, "rollouts"})
# What keeps an ExternalSecret from being switched back, and forth, the gravest first.
_GONE = (ClusterState.ABSENT, ClusterState.DELETED, ClusterState.FOREIGN)
_UNFIT = (*_GONE, ClusterState.IMMUTABLE, ClusterState.NOT_READY, ClusterState.NOT_SYNCED)


def answered(checks: Iterator[Check]) -> Iterator[Check]:
    """The checks of a cluster, as far as it answers."""
    try:
        yield from checks
    except ClusterError as error:
        yield Check(About.CLUSTER_SECRETS, Verdict.UNANSWERED, f"the cluster cannot be asked: {error}", error.remedy)


def check_cluster(switches: Sequence[Switch], view: ClusterView, *, is_back: bool) -> Iterator[Check]:
    """The stores of both sides, then the live ExternalSecrets. Raises ClusterError.

    On the way back an ExternalSecret may be failing: that is why one goes back.
    """
    by_store = {(each.source, each.destination, _namespace(each)): each for each in switches}
    for (_, _, namespace), switch in by_store.items():
        yield from _stores(switch, namespace, view, is_back=is_back)
    manifests = {each.environment: manifests_of(each.environment) for each in switches}
    secrets = dict.fromkeys(each.secret for each in switches)
    verify = command_line("verify", switches[0].environment.name, *secrets, "--cluster")
    refused = [
        Check(About.CLUSTER_SECRETS, Verdict.REFUSED, problem.message, verify)
        for each in switches
        for problem in _unfit(manifests[each.environment][each.secret], view, is_back=is_back)
    ]
    yield from refused
    if not refused:
        what = counted(len(switches), "ExternalSecret")
        state = "managed by this chart" if is_back else "managed by this chart and not failing"
        yield Check(About.CLUSTER_SECRETS, Verdict.PASSED, f"{what} in the cluster, {state}")


def _namespace(switch: Switch) -> str:
    return switch.before.namespace or ""


def _stores(switch: Switch, namespace: str, view: ClusterView, *, is_back: bool) -> Iterator[Check]:
    store = switch.destination
    live = view.store(store.kind, store.name, namespace)
    labelled = view.labels_for(live, namespace)
    lacks = [*store_lacks(store, live, namespace, labelled), *_other_controller(switch, live, view)]
    doubts = list(store_doubts(store, live, namespace, labelled))
    if live is not None and sameness_of(store, live) is Sameness.UNPROVEN and not is_back:
        # The first doubt is that; a value may be compared in one Vault and read from another.
        lacks.append(doubts.pop(0))
    yield from (Check(About.CLUSTER_STORE, Verdict.REFUSED, lack.message, lack.mend) for lack in lacks)
    yield from (Check(About.CLUSTER_STORE, Verdict.NOTED, doubt.message, doubt.mend) for doubt in doubts)
    if not lacks:
        message = f"the {store.kind} {quoted(store.name)} is ready and allows the namespace {quoted(namespace)}"
        yield Check(About.CLUSTER_STORE, Verdict.PASSED, message)
    yield from _compared(switch.source, namespace, view, is_back=is_back)


def _compared(store: Store, namespace: str, view: ClusterView, *, is_back: bool) -> Iterator[Check]:
    """Whether pods have the values of the present store that were compared."""
    live = view.store(store.kind, store.name, namespace)
    lack = another_store(store, live, namespace) if live is not None else None
    if live is not None and sameness_of(store, live) is Sameness.UNPROVEN:
        lack = next(store_doubts(store, live, namespace))
    if lack is not None:
        yield Check(About.CLUSTER_STORE, Verdict.NOTED if is_back else Verdict.REFUSED, lack.message, lack.mend)


def _other_controller(switch: Switch, live: LiveObject | None, view: ClusterView) -> Iterator[StoreLack]:
    """The new store has a controller that neither is the default one nor has the name of the present store's."""
    store, namespace = switch.destination, _namespace(switch)
    if live is None:
        return
    present = view.store(switch.source.kind, switch.source.name, namespace)
    known = {"default", *([controller_of(present)] if present is not None else [])}
    if (other := controller_of(live)) not in known:
        message = f"the {store.kind} {quoted(store.name)} belongs to another controller, {quoted(other)}"
        yield StoreLack(message, kubectl_line("get", store, namespace))


def _unfit(manifest: Manifest, view: ClusterView, *, is_back: bool) -> list[ClusterProblem]:
    """The gravest problem of an ExternalSecret before its switch, if it has one; of its spec and its Secret none is."""
    found = view.external_secrets(manifest.namespace).get(manifest.name)
    every = problems(manifest, Live(found, None, None, has_secrets=False, has_store=False))
    by_state = {problem.state: problem for problem in every}
    return [by_state[state] for state in (_GONE if is_back else _UNFIT) if state in by_state][:1]


def note_unread(
    switches: Sequence[Switch],
    view: ClusterView,
    written: Mapping[Switch, datetime],
    found: dict[Switch, Unread],
    now: datetime,
) -> Iterator[Check]:
    """That a Secret is older than the value in its present store, and takes that one with the switch.

    That is not the switch's doing. Adds each such value to `found`. Raises ClusterError.
    """
    for switch in switches:
        live = view.external_secrets(_namespace(switch)).get(switch.before.entry.target, {})
        serves = child(live, "spec", "secretStoreRef").get("name") == switch.source.name
        if not serves or (newer := unread(live, written.get(switch))) is None:
            continue
        found[switch] = newer
        put, read = clock(newer.written, now), clock(newer.refreshed, now)
        takes = "takes" if newer.is_certain else "may take"
        times = f"the value of {quoted(switch.secret)} was put {put}, and the operator last read it {read}"
        message = f"{times}: with the switch the Secret {takes} the newer one"
        yield Check(About.IN_EFFECT, Verdict.NOTED, message)


def readers_of(switches: Sequence[Switch], view: ClusterView) -> dict[Switch, tuple[str, ...] | None]:
    """The live workloads that read the Secret of each switch, None where they may not be asked for."""
    by_space = {space: readers_in(view, space) for space in dict.fromkeys(map(_namespace, switches))}
    return {
        each: found.get(each.before.entry.target, ()) if (found := by_space[_namespace(each)]) is not None else None
        for each in switches
    }


def check_in_effect(environment: Environment, secrets: Sequence[str], view: ClusterView) -> Iterator[Check]:
    """Whether the cluster runs on what the environment says of `secrets`. Raises ClusterError."""
    manifests, refused = manifests_of(environment), False
    verify = command_line("verify", environment.name, *secrets, "--cluster")
    for name in secrets:
        manifest = manifests[name]
        live = view.live(manifest)
        if not live.has_secrets:
            message = f"{quoted(name)}: the keys of its Secret are not asked for: you may not list Secrets"
            yield Check(About.IN_EFFECT, Verdict.NOTED, message)
        for doubt in doubts(manifest, live):
            yield Check(About.IN_EFFECT, Verdict.NOTED, f"{quoted(name)}: {doubt}")
        for problem in problems(manifest, live):
            refused = True
            yield Check(About.IN_EFFECT, Verdict.REFUSED, f"{quoted(name)}: {problem.message}", verify)
    if not refused and secrets:
        yield Check(About.IN_EFFECT, Verdict.PASSED, f"the steps before are in effect: {listed(secrets)}")
