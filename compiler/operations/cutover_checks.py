"""Checks whether the cluster is ready for a switch: its stores, its ExternalSecrets, and the steps before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from compiler.cluster.judge import Unread, clock, doubts_about, is_own, is_synced, ready_reason, reasons_against, unread
from compiler.cluster.store_access import (
    StoreLack,
    another_store,
    controller_of,
    kubectl_line,
    sameness_of,
    store_doubts,
    store_lacks,
)
from compiler.cluster.verify import Look
from compiler.cluster.view import child
from compiler.model.environment import Environment, Store
from compiler.model.store_identity import Sameness
from compiler.operations.cutover_gate import About, Check, Switch, Verdict
from compiler.operations.parity import manifests_of
from compiler.text.wording import counted, listed, quoted

LiveObject = Mapping[str, Any]


def in_cluster(switches: Sequence[Switch], look: Look, verify: str, *, is_back: bool) -> Iterator[Check]:
    """The stores of both sides, then the live ExternalSecrets. Raises ClusterError.

    On the way back an ExternalSecret may be failing: that is why one goes back.
    """
    by_store = {(each.source, each.destination, _namespace(each)): each for each in switches}
    for (_, _, namespace), switch in by_store.items():
        yield from _stores(switch, namespace, look, is_back=is_back)
    compiled = {each.environment: manifests_of(each.environment) for each in switches}
    refused = [
        check
        for switch in switches
        for check in _external_secret(switch, compiled[switch.environment], look, verify, is_back=is_back)
    ]
    yield from refused
    if not refused:
        what = counted(len(switches), "ExternalSecret")
        state = "managed by this chart" if is_back else "managed by this chart and not failing"
        yield Check(About.CLUSTER_SECRETS, Verdict.PASSED, f"{what} in the cluster, {state}")


def _namespace(switch: Switch) -> str:
    return switch.environment.secrets[switch.secret].namespace or ""


def _stores(switch: Switch, namespace: str, look: Look, *, is_back: bool) -> Iterator[Check]:
    store = switch.destination
    live = look.store(store.kind, store.name, namespace)
    labelled = look.labels_for(live, namespace)
    lacks = [*store_lacks(store, live, namespace, labelled), *_other_controller(switch, live, look)]
    doubts = list(store_doubts(store, live, namespace, labelled))
    if live is not None and sameness_of(store, live) is Sameness.UNPROVEN and not is_back:
        # The first doubt is that; a value may be compared in one Vault and read from another.
        lacks.append(doubts.pop(0))
    yield from (Check(About.CLUSTER_STORE, Verdict.REFUSED, lack.message, lack.mend) for lack in lacks)
    yield from (Check(About.CLUSTER_STORE, Verdict.NOTED, doubt.message, doubt.mend) for doubt in doubts)
    if not lacks:
        message = f"the {store.kind} {quoted(store.name)} is ready and allows the namespace {quoted(namespace)}"
        yield Check(About.CLUSTER_STORE, Verdict.PASSED, message)
    yield from _compared(switch.source, namespace, look, is_back=is_back)


def _compared(store: Store, namespace: str, look: Look, *, is_back: bool) -> Iterator[Check]:
    """Whether pods have the values of the present store that were compared."""
    live = look.store(store.kind, store.name, namespace)
    lack = another_store(store, live, namespace) if live is not None else None
    if live is not None and sameness_of(store, live) is Sameness.UNPROVEN:
        lack = next(store_doubts(store, live, namespace))
    if lack is not None:
        yield Check(About.CLUSTER_STORE, Verdict.NOTED if is_back else Verdict.REFUSED, lack.message, lack.mend)


def _other_controller(switch: Switch, live: LiveObject | None, look: Look) -> Iterator[StoreLack]:
    """The new store has a controller that neither is the default one nor has the name of the present store's."""
    store, namespace = switch.destination, _namespace(switch)
    if live is None:
        return
    present = look.store(switch.source.kind, switch.source.name, namespace)
    known = {"default", *([controller_of(present)] if present is not None else [])}
    if (other := controller_of(live)) not in known:
        message = f"the {store.kind} {quoted(store.name)} belongs to another controller, {quoted(other)}"
        yield StoreLack(message, kubectl_line("get", store, namespace))


def _external_secret(
    switch: Switch, compiled: Mapping[str, LiveObject], look: Look, verify: str, *, is_back: bool
) -> Iterator[Check]:
    secret = switch.environment.secrets[switch.secret]
    namespace, name = _namespace(switch), secret.entry.target
    subject = f"the ExternalSecret {quoted(f'{namespace}/{name}')}"
    live = look.external_secrets(namespace).get(name)
    if live is None:
        why: str | None = "is not in the cluster"
    elif live["metadata"].get("deletionTimestamp"):
        why = "is being deleted"
    elif not is_own(live, compiled[name]):
        why = "is not managed by this chart"
    elif is_back:
        why = None
    elif (reason := ready_reason(live)) is not None:
        why = f"is failing already: {reason}"
    else:
        why = None if is_synced(live) else "has not been synchronised as it is now"
    if why is not None:
        yield Check(About.CLUSTER_SECRETS, Verdict.REFUSED, f"{subject} {why}", verify)


def unread_values(
    switches: Sequence[Switch], look: Look, written: Mapping[Switch, datetime]
) -> Iterator[tuple[Switch, Unread]]:
    """The switches whose live Secret is older than the value in their present store. Raises ClusterError."""
    for switch in switches:
        secret = switch.environment.secrets[switch.secret]
        live = look.external_secrets(_namespace(switch)).get(secret.entry.target, {})
        serves = child(live, "spec", "secretStoreRef").get("name") == switch.source.name
        if serves and (found := unread(live, written.get(switch))) is not None:
            yield switch, found


def unread_note(switch: Switch, found: Unread, now: datetime) -> Check:
    """That the Secret takes a newer value with the switch, which is not the switch's doing."""
    put, read = clock(found.written, now), clock(found.refreshed, now)
    takes = "takes" if found.is_certain else "may take"
    times = f"the value of {quoted(switch.secret)} was put {put}, and the operator last read it {read}"
    message = f"{times}: with the switch the Secret {takes} the newer one"
    return Check(About.IN_EFFECT, Verdict.NOTED, message)


def in_effect(environment: Environment, secrets: Sequence[str], look: Look, verify: str) -> Iterator[Check]:
    """Whether the cluster runs on what the environment says of `secrets`. Raises ClusterError."""
    compiled = manifests_of(environment)
    refused = False
    for name in secrets:
        secret = environment.secrets[name]
        manifest, store = compiled[secret.entry.target], secret.store
        if store is None:
            continue
        live = look.live(manifest)
        if not live.has_secrets:
            message = f"{quoted(name)}: the keys of its Secret are not asked for: you may not list Secrets"
            yield Check(About.IN_EFFECT, Verdict.NOTED, message)
        for doubt in doubts_about(manifest, live, store):
            yield Check(About.IN_EFFECT, Verdict.NOTED, f"{quoted(name)}: {doubt}")
        for reason in reasons_against(manifest, live, store):
            refused = True
            yield Check(About.IN_EFFECT, Verdict.REFUSED, f"{quoted(name)}: {reason.message}", verify)
    if not refused and secrets:
        yield Check(About.IN_EFFECT, Verdict.PASSED, f"the steps before are in effect: {listed(secrets)}")
