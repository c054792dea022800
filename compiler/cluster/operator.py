"""Judges what External Secrets Operator needs: its own Deployments, and the store objects that it reads by.

A store object is ready, leads to the written store, and lets a namespace use it; the operator and its webhook run.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from compiler.cluster.messages import is_log_in_failure, show_message
from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import (
    CERTIFICATES,
    CONTROLLER,
    NAME_LABEL,
    WEBHOOK,
    ClusterView,
    LiveObject,
    Objects,
    container_states,
    credential_of,
    ready_of,
)
from compiler.model import group_pairs
from compiler.model.environment import Store
from compiler.model.provider import UNKNOWN
from compiler.model.store import Sameness, compare_stores, parse_address
from compiler.model.values import child
from compiler.stores.registry import live_identity
from compiler.stores.secret_value import SecretValue
from compiler.text.wording import BLANK, kubectl_line, quote

# The class of a store that names none. Any operator serves such a store.
_DEFAULT_CLASS = "default"
# The conditions of a store by patterns and labels are left to the operator, which names what it denies.
_UNCHECKED = ("namespaceRegexes", "namespaceSelector")


def store_problems(
    store: Store,
    live: LiveObject | None,
    namespace: str,
    warning: LiveObject | None = None,
    values: Collection[SecretValue] = (),
) -> Iterator[ClusterProblem]:
    """The problems with the live object of `store`.

    `warning` is the newest one about it, if that was read, and `values` are left out of what it says.
    """
    subject, describe = _subject(store), store_object_line("describe", store, namespace)
    if live is None:
        # If the chart does not render it, a person applies it from a file outside the project.
        how = "deploy the chart again" if store.rendered else f"apply it ({kubectl_line('apply', '-f', BLANK)})"
        yield ClusterProblem(ClusterState.STORE_MISSING, f"{subject} is not in the cluster", how)
        return
    if child(live, "metadata").get("deletionTimestamp"):
        yield ClusterProblem(ClusterState.STORE_NOT_READY, f"{subject} is being deleted", describe)
    elif not (condition := ready_of(live)):
        message = f"{subject} has not been checked by the operator yet"
        yield ClusterProblem(ClusterState.STORE_NOT_READY, message, describe)
    elif condition.get("status") != "True":
        texts = [str((found or {}).get("message") or "").strip() for found in (warning, condition)]
        said = next(filter(None, texts), "")
        shown = show_message(said, values, hides_quotes=True)
        if is_log_in_failure("\n".join(texts), is_of_store=True):
            yield log_in_problem(store, live, namespace, said, shown)
        else:
            why = ": ".join(
                filter(None, (str(condition.get("reason") or "Unknown"), show_message(said, values, hides_quotes=True)))
            )
            yield ClusterProblem(ClusterState.STORE_NOT_READY, f"{subject} is not ready: {why}", describe)
    if (found := identity_problem(store, live, namespace)) is not None and not found.is_unproven:
        yield found
    if allows_namespace(live, namespace) is False:
        message = f"{subject} does not allow the namespace {quote(namespace)}"
        yield ClusterProblem(ClusterState.STORE_CLOSED, message, "add it to the store's `conditions`")


def log_in_problem(store: Store, live: LiveObject, namespace: str, said: str, shown: str = "") -> ClusterProblem:
    """The problem that the operator cannot log in to `store`.

    Its message `said` tells which credential it uses, and is never shown; `shown` is what is.
    """
    credential = credential_of(live, said)
    message = f"the operator cannot log in to the store {quote(store.id)}{f': {shown}' if shown else ''}"
    if credential is not None:
        message += f"; its credential is the {credential}"
        mend = f"put a valid credential into the {credential}"
    else:
        shown = f"{store_object_line('get', store, namespace)} -o yaml"
        mend = f"correct the role or identity that it logs in by, which {shown} shows"
    return ClusterProblem(ClusterState.STORE_LOG_IN, message, mend)


def store_unknowns(store: Store, live: LiveObject | None, namespace: str) -> Iterator[ClusterProblem]:
    """What cannot be determined about the live object of `store`, in the form of problems."""
    if live is None:
        return
    if (found := identity_problem(store, live, namespace)) is not None and found.is_unproven:
        yield found
    if allows_namespace(live, namespace) is None:
        allows = f"{_subject(store)} allows the namespace {quote(namespace)}"
        message = f"not checked: whether {allows}, which it decides by a pattern or labels"
        yield ClusterProblem(ClusterState.STORE_CLOSED, message, store_object_line("get", store, namespace))


def identity_problem(store: Store, live: LiveObject, namespace: str) -> ClusterProblem | None:
    """The problem that a live store object points to another store than `store`, or may; None if it does not."""
    sameness = sameness_of(store, live)
    if sameness is Sameness.UNPROVEN:
        return _unproven_store(store, live, namespace)
    if sameness is not Sameness.ANOTHER:
        return None
    message = f"{_subject(store)} leads to another store than {quote(store.id)}: {_store_difference(store, live)}"
    wanted, found = store.identity._replace(has_namespaces=True), live_identity(live)
    with_our_version = found._replace(version=wanted.version)
    if found.provider is wanted.provider and compare_stores(wanted, with_our_version) is not Sameness.ANOTHER:
        # Only the version of the engine differs.
        change = json.dumps({"spec": {"provider": {store.provider.id: {"version": store.identity.version}}}})
        mend = store_object_line("patch", store, namespace, "--type", "merge", "-p", change)
        return ClusterProblem(ClusterState.STORE_VERSION, message, mend)
    shown = f"{store_object_line('get', store, namespace)} -o yaml"
    mend = f"correct the address that is wrong; that of the cluster: {shown}"
    return ClusterProblem(ClusterState.STORE_ELSEWHERE, message, mend)


def sameness_of(store: Store, live: LiveObject) -> Sameness:
    """Whether a live store object points to `store` as its environment describes it; VAULT_ADDR does not matter.

    Another namespace is another store, even on a server without namespaces; so is another provider with the same host.
    """
    found = live_identity(live)
    found = found if found.provider.is_known or found.provider is UNKNOWN else found._replace(server="")
    return compare_stores(store.identity._replace(has_namespaces=True), found)


def store_object_line(verb: str, store: Store, namespace: str, *options: str) -> str:
    """The kubectl command that shows or changes the live object of `store`."""
    where = ["-n", namespace] if store.kind == "SecretStore" else []
    return kubectl_line(*where, verb, store.kind.lower(), store.name, *options)


def _subject(store: Store) -> str:
    return f"the {store.kind} {quote(store.name)}"


def _store_difference(store: Store, live: LiveObject) -> str:
    wanted, found = store.identity, live_identity(live)
    if wanted.provider is not found.provider:
        return f"its provider is {quote(found.provider.id)}, not {quote(wanted.provider.id)}"
    if not wanted.provider.has_mounts:
        hosts = [parse_address(url) for url in (_address(store, live), store.address or "")]
        there, here = (quote(each.host if each is not None else "") for each in hosts)
        return f"its `{store.provider.address}` leads to {there}, not {here}"
    fields = (
        ("path", found.mount, wanted.mount),
        ("namespace", found.namespace, wanted.namespace),
        ("version", found.version, wanted.version),
    )
    return " and ".join(
        f"its `{name}` is {quote(there or '')}, not {quote(here or '')}"
        for name, there, here in fields
        if there != here
    )


def _address(store: Store, live: LiveObject) -> str:
    return str(child(live, "spec", "provider", store.provider.id).get(store.provider.address) or "")


def _unproven_store(store: Store, live: LiveObject, namespace: str) -> ClusterProblem:
    message = f"whether {_subject(store)} leads to the store {quote(store.id)} is not proven"
    shown = f"{store_object_line('get', store, namespace)} -o yaml"
    if live_identity(live).provider is UNKNOWN:
        mend = f"leave one in its `namespace` and `headers`: {shown}"
        return ClusterProblem(ClusterState.STORE_ELSEWHERE, f"{message}: it has two namespaces", mend, is_unproven=True)
    field, url = store.provider.address, _address(store, live)
    address, own = parse_address(url), parse_address(store.address or "")
    # A password in it is not shown.
    is_shown = address is not None and not address.extra
    line = f"`{field}: {url}`" if is_shown else f"its `{field}`"
    mend = f"write {line} in the environment, as the cluster has it"
    if "reachableAt" in store.provider.settings:
        mend += ", and `reachableAt` for the address from here"
    if not is_shown:
        mend += f"; {shown} shows it"
    why = f"the environment has no `{field}`"
    if store.address:
        # Two names of one server, or a wrong address that nobody should copy.
        has = f" {quote(url)}" if is_shown else " another address"
        why = f"its `{field}` is{has}" + (f", not {quote(store.address)}" if own is not None and not own.extra else "")
        mend = f"if that is the same store, {mend}; if not, correct the {store.kind}"
    return ClusterProblem(ClusterState.STORE_ELSEWHERE, f"{message}: {why}", mend, is_unproven=True)


def controller_of(store: LiveObject) -> str:
    """The controller class that a store belongs to; operators of another class ignore what refers to it."""
    return str((store.get("spec") or {}).get("controller") or _DEFAULT_CLASS)


def allows_namespace(store: LiveObject, namespace: str) -> bool | None:
    """Whether ExternalSecrets of `namespace` may use `store`; None if a pattern or labels decide that.

    A SecretStore serves its own namespace. A ClusterSecretStore serves every namespace that meets one of its
    conditions, or all without conditions.
    """
    conditions = (store.get("spec") or {}).get("conditions") or ()
    if store.get("kind") == "SecretStore" or not conditions:
        return True
    if any(namespace in (each.get("namespaces") or ()) for each in conditions):
        return True
    return None if any(name in each for each in conditions for name in _UNCHECKED) else False


# The kubelet's reasons for a container that does not run which are shown.
_CRASHES = ("CrashLoopBackOff", "Error", "OOMKilled")
_UNSTARTED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError")
_PARTS = {WEBHOOK: "webhook", CERTIFICATES: "controller of certificates"}
# One operator has three Deployments. Many more failing ones are not all looked at.
_MOST_FAILING = 9


@dataclass(frozen=True)
class Operator:
    """The operator's Deployments, and the pods of Deployments without a ready pod, by namespace and name."""

    # None where they may not be listed.
    deployments: Objects | None = None
    pods: Mapping[tuple[str, str], Objects] = field(default_factory=dict)

    def parts(self, name: str) -> Sequence[LiveObject]:
        return self._by_name.get(name, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[LiveObject]]:
        every = self.deployments or ()
        return group_pairs((str(child(each, "metadata", "labels").get(NAME_LABEL)), each) for each in every)

    def problem(self) -> ClusterProblem | None:
        """The problem that every operator is down; None if one runs, or if that is not known."""
        return next(self._down(self.parts(CONTROLLER), ClusterState.OPERATOR_DOWN, "the operator"), None)

    def runs(self) -> bool | None:
        """Whether an operator runs; None if its Deployments may not be listed, or are not found."""
        return self.problem() is None if self.parts(CONTROLLER) else None

    def webhook_problem(self) -> ClusterProblem | None:
        """The problem that no webhook of the operator runs, so that writes are refused."""
        return next(self._down(self.parts(WEBHOOK), ClusterState.WEBHOOK_DOWN, "the operator's webhook"), None)

    def notes(self) -> tuple[str, ...]:
        """Problems of the operator that have no effect now, with the command that fixes them, and what is not known."""
        found = [*self.webhook_notes(), *self._notes(CERTIFICATES, "the webhook's certificate is not renewed")]
        if self.deployments is not None and not self.parts(CONTROLLER):
            label = f"{NAME_LABEL}={CONTROLLER}"
            found.append(f"no operator Deployment found (label {label}); judged by its last sync")
        return tuple(found)

    def webhook_notes(self) -> tuple[str, ...]:
        return tuple(self._notes(WEBHOOK, "what is deployed or changed is refused until it runs"))

    def _notes(self, name: str, effect: str) -> Iterator[str]:
        for problem in self._down(self.parts(name), ClusterState.WEBHOOK_DOWN, f"the operator's {_PARTS[name]}"):
            yield f"{problem.message}; {effect}: {problem.mend}"

    def _down(self, parts: Sequence[LiveObject], state: ClusterState, who: str) -> Iterator[ClusterProblem]:
        if parts and not any(map(_is_ready, parts)):
            yield self._describe(parts[0], state, who)

    def _describe(self, deployment: LiveObject, state: ClusterState, who: str) -> ClusterProblem:
        namespace, name = place_of(deployment)
        title, count = quote(f"{namespace}/{name}"), _replicas(deployment)
        where = ("-n", namespace)
        if count == 0:
            mend = kubectl_line(*where, "scale", f"deployment/{name}", "--replicas=1")
            return ClusterProblem(state, f"{who} is down: its Deployment {title} is scaled to 0 pods", mend)
        message = f"{who} is down: 0 of {count} pods of its Deployment {title} are ready"
        for pod in self.pods.get((namespace, name), ()):
            of_pod = str(child(pod, "metadata").get("name"))
            for container, reason in _container_failures(pod):
                of_container = ("-c", container) if len(container_states(pod)) > 1 else ()
                logs = ("logs", of_pod, *of_container, "--previous")
                words = logs if reason in _CRASHES else ("describe", "pod", of_pod)
                return ClusterProblem(state, f"{message} ({reason})", kubectl_line(*where, *words))
        return ClusterProblem(state, message, kubectl_line(*where, "describe", f"deployment/{name}"))


def read_operator(view: ClusterView) -> Operator:
    """The operator's Deployments in the cluster, and the pods of those without a ready replica. Raises ClusterError."""
    found = view.operator_deployments()
    pods: dict[tuple[str, str], Objects] = {}
    for each in found or ():
        labels = child(each, "spec", "selector", "matchLabels")
        if _replicas(each) and not _is_ready(each) and labels and len(pods) < _MOST_FAILING:
            at = place_of(each)
            pods[at] = view.operator_pods(at[0], labels)
    return Operator(found, pods)


def _is_ready(deployment: LiveObject) -> bool:
    return bool(child(deployment, "status").get("readyReplicas"))


def place_of(found: LiveObject) -> tuple[str, str]:
    metadata = child(found, "metadata")
    return str(metadata.get("namespace")), str(metadata.get("name"))


def _replicas(deployment: LiveObject) -> int:
    count = child(deployment, "spec").get("replicas")
    return 1 if count is None else int(count)


def _container_failures(pod: LiveObject) -> Iterator[tuple[str, str]]:
    """The containers that do not run, each with the reason."""
    for each in container_states(pod):
        said = (
            child(each, "state", "waiting").get("reason"),
            child(each, "state", "terminated").get("reason"),
        )
        yield from ((str(each.get("name")), str(reason)) for reason in said if reason in (*_CRASHES, *_UNSTARTED))
