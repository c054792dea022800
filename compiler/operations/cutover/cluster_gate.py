"""Checks in the cluster that the new store can serve the namespace, and that the ExternalSecrets are in order now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.freshness import clock, unread
from compiler.operations.cluster.in_effect import Live, is_own, is_synced, ready_reason, reasons_against
from compiler.operations.cluster.objects import ClusterError
from compiler.operations.cluster.slim import child
from compiler.operations.cluster.store_access import Access, access_of, controller_of, is_ready
from compiler.operations.consumers.live import readers_in
from compiler.operations.cutover.check import About, Check, Verdict
from compiler.operations.parity.manifests import manifests_of
from compiler.text.command_line import shell_line
from compiler.text.wording import counted, listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from compiler.model.environment import Environment, Store
    from compiler.operations.cluster.freshness import Unread
    from compiler.operations.cluster.objects import LiveCollections
    from compiler.operations.cutover.trial import Switch

    LiveObject = Mapping[str, Any]


class Look:
    """Reads each object of the cluster once a run."""

    def __init__(self, cluster: LiveCollections) -> None:
        self._cluster = cluster
        self._stores: dict[tuple[str, str, str], LiveObject | None] = {}
        self._external_secrets: dict[str, dict[str, LiveObject]] = {}
        self._secrets: dict[str, dict[str, LiveObject] | None] = {}
        self._namespaces: dict[str, LiveObject | None] = {}
        self._readers: dict[str, Mapping[str, tuple[str, ...]] | None] = {}

    def store(self, kind: str, name: str, namespace: str) -> LiveObject | None:
        asked = (kind, name, namespace if kind == "SecretStore" else "")
        if asked not in self._stores:
            self._stores[asked] = self._cluster.store_object(kind, name, namespace)
        return self._stores[asked]

    def external_secret(self, namespace: str, name: str) -> LiveObject | None:
        if namespace not in self._external_secrets:
            self._external_secrets[namespace] = _by_name(self._cluster.external_secret_objects(namespace))
        return self._external_secrets[namespace].get(name)

    def secret(self, namespace: str, name: str) -> tuple[LiveObject | None, bool]:
        """The metadata of a Secret, and whether it may be asked for."""
        if namespace not in self._secrets:
            try:
                self._secrets[namespace] = _by_name(self._cluster.secret_metadata(namespace))
            except ClusterError as error:
                if error.permission is None:
                    raise
                self._secrets[namespace] = None
        found = self._secrets[namespace]
        return (found.get(name), True) if found is not None else (None, False)

    def readers(self, namespace: str, secret: str) -> tuple[str, ...] | None:
        """The live workloads that read a Secret, None where they may not be asked for."""
        if namespace not in self._readers:
            self._readers[namespace] = readers_in(self._cluster, namespace)
        found = self._readers[namespace]
        return found.get(secret, ()) if found is not None else None

    def namespace(self, name: str) -> LiveObject | None:
        """The namespace, None where it may not be asked for: then what depends on its labels stays unknown."""
        if name not in self._namespaces:
            try:
                self._namespaces[name] = self._cluster.namespace_object(name)
            except ClusterError as error:
                if error.permission is None:
                    raise
                self._namespaces[name] = None
        return self._namespaces[name]


def _by_name(objects: Iterable[LiveObject]) -> dict[str, LiveObject]:
    return {str((each.get("metadata") or {}).get("name")): each for each in objects}


def in_cluster(switches: Sequence[Switch], look: Look, verify: str, *, is_back: bool) -> Iterator[Check]:
    """The new stores, then the live ExternalSecrets. Raises ClusterError.

    On the way back an ExternalSecret may be failing: that is why one goes back.
    """
    seen: set[tuple[str, str, str]] = set()
    for switch in switches:
        namespace = _namespace(switch)
        key = (switch.destination.kind, switch.destination.name, namespace)
        if key not in seen:
            seen.add(key)
            yield from _store(switch, namespace, look)
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


def _store(switch: Switch, namespace: str, look: Look) -> Iterator[Check]:
    store = switch.destination
    subject = f"the {store.kind} {quoted(store.name)}"
    live = look.store(store.kind, store.name, namespace)
    why = mend = None
    if live is None:
        why, mend = "is not in the cluster", _describe(store, namespace, verb="get")
    elif not is_ready(live):
        why, mend = "is not ready", _describe(store, namespace)
    elif (other := _other_controller(switch, live, look)) is not None:
        why, mend = f"belongs to another controller, {quoted(other)}", _describe(store, namespace, verb="get")
    else:
        access = access_of(live, namespace, look.namespace(namespace) if _selects(live) else None)
        if access is Access.DENIED:
            why = f"does not allow the namespace {quoted(namespace)}"
            mend = "add it to the store's `conditions`"
        elif access is Access.UNKNOWN:
            message = f"whether {subject} allows the namespace {quoted(namespace)} depends on what cannot be read here"
            yield Check(About.CLUSTER_STORE, Verdict.NOTED, message)
    if why is not None:
        yield Check(About.CLUSTER_STORE, Verdict.REFUSED, f"{subject} {why}", mend)
    else:
        message = f"{subject} is ready and allows the namespace {quoted(namespace)}"
        yield Check(About.CLUSTER_STORE, Verdict.PASSED, message)


def _describe(store: Store, namespace: str, *, verb: str = "describe") -> str:
    where = ["-n", namespace] if store.kind == "SecretStore" else []
    return shell_line("kubectl", *where, verb, store.kind.lower(), store.name)


def _selects(live: LiveObject) -> bool:
    return any("namespaceSelector" in each for each in (live.get("spec") or {}).get("conditions") or ())


def _other_controller(switch: Switch, live: LiveObject, look: Look) -> str | None:
    """The controller of the new store, where neither the default one nor that of the present store has that name."""
    present = look.store(switch.source.kind, switch.source.name, _namespace(switch))
    known = {"default", *([controller_of(present)] if present is not None else [])}
    return None if controller_of(live) in known else controller_of(live)


def _external_secret(
    switch: Switch, compiled: Mapping[str, LiveObject], look: Look, verify: str, *, is_back: bool
) -> Iterator[Check]:
    secret = switch.environment.secrets[switch.secret]
    namespace, name = _namespace(switch), secret.entry.target
    subject = f"the ExternalSecret {quoted(f'{namespace}/{name}')}"
    live = look.external_secret(namespace, name)
    if live is None:
        why: str | None = "is not in the cluster"
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
        live = look.external_secret(_namespace(switch), secret.entry.target) or {}
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
        manifest = compiled[environment.secrets[name].entry.target]
        live = _live(manifest, look)
        if not live.has_secrets:
            message = f"{quoted(name)}: the keys of its Secret are not asked for: you may not list Secrets"
            yield Check(About.IN_EFFECT, Verdict.NOTED, message)
        for reason in reasons_against(manifest, live):
            refused = True
            yield Check(About.IN_EFFECT, Verdict.REFUSED, f"{quoted(name)}: {reason.message}", verify)
    if not refused and secrets:
        yield Check(About.IN_EFFECT, Verdict.PASSED, f"the steps before are in effect: {listed(secrets)}")


def _live(manifest: LiveObject, look: Look) -> Live:
    metadata, reference = manifest["metadata"], manifest["spec"]["secretStoreRef"]
    namespace, name = metadata["namespace"], metadata["name"]
    store = look.store(reference["kind"], reference["name"], namespace)
    secret, asked = look.secret(namespace, name)
    labelled = look.namespace(namespace) if store is not None and _selects(store) else None
    return Live(look.external_secret(namespace, name), secret, store, labelled, asked)
