"""Judges the Deployments of External Secrets Operator: whether it and its webhook run, and how they start again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.cluster.view import (
    CERTIFICATES,
    CONTROLLER,
    NAME_LABEL,
    WEBHOOK,
    ClusterView,
    LiveObject,
    Objects,
    child,
    container_states,
)
from compiler.text.wording import kubectl_line, quote

# Why a container does not run, of the kubelet's words those that are shown.
_CRASHES = ("CrashLoopBackOff", "Error", "OOMKilled")
_UNSTARTED = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "RunContainerError")
_PARTS = {WEBHOOK: "webhook", CERTIFICATES: "controller of certificates"}
# A store without a controller is every operator's, and an operator without an argument has this class.
_DEFAULT_CLASS, _FILLED_IN = "default", "$("
# There are three of one operator; whoever has made many more is not asked about all.
_MOST_FAILING = 9


@dataclass(frozen=True)
class Operator:
    """The operator's Deployments, and the pods of those without a pod that is ready, by namespace and name."""

    # None where they may not be listed.
    deployments: Objects | None = None
    pods: Mapping[tuple[str, str], Objects] = field(default_factory=dict)

    def parts(self, name: str) -> Sequence[LiveObject]:
        return self._by_name.get(name, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[LiveObject]]:
        found: dict[str, list[LiveObject]] = {}
        for each in self.deployments or ():
            found.setdefault(str(labels_of(each).get(NAME_LABEL)), []).append(each)
        return found

    def controllers(self, store: LiveObject | None, namespace: str) -> tuple[LiveObject, ...]:
        """The Deployments that would serve an ExternalSecret of a namespace on that store object."""
        return tuple(each for each in self.parts(CONTROLLER) if _serves(each, store, namespace))

    def problem(self, store: LiveObject | None, namespace: str) -> ClusterProblem | None:
        """The problem that every operator of the store is down; None where one runs, or nobody knows."""
        return next(self._down(self.controllers(store, namespace), ClusterState.OPERATOR_DOWN, "the operator"), None)

    def runs(self, store: LiveObject | None, namespace: str) -> bool | None:
        """Whether an operator of the store runs; None where its Deployments may not be listed, or none is found."""
        return self.problem(store, namespace) is None if self.controllers(store, namespace) else None

    def webhook_problem(self) -> ClusterProblem | None:
        """The problem that no webhook of the operator runs, so that what is written is refused."""
        return next(self._down(self.parts(WEBHOOK), ClusterState.WEBHOOK_DOWN, "the operator's webhook"), None)

    def notes(self, store: LiveObject | None, namespace: str) -> tuple[str, ...]:
        """What keeps nothing from being in effect now, with the line that mends it, and what nobody can tell."""
        found = [*self.webhook_notes(), *self._notes(CERTIFICATES, "the webhook's certificate is not renewed")]
        if self.deployments is not None and not self.controllers(store, namespace):
            label = f"has the label {NAME_LABEL}={CONTROLLER}"
            why = "of the class of the store, and for this namespace, " if self.parts(CONTROLLER) else ""
            found.append(f"whether the operator runs is judged by its work alone: no Deployment {why}{label}")
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
            for container, reason in _reasons(pod):
                of_container = ("-c", container) if len(container_states(pod)) > 1 else ()
                logs = ("logs", of_pod, *of_container, "--previous")
                words = logs if reason in _CRASHES else ("describe", "pod", of_pod)
                return ClusterProblem(state, f"{message} ({reason})", kubectl_line(*where, *words))
        return ClusterProblem(state, message, kubectl_line(*where, "describe", f"deployment/{name}"))


def read_operator(view: ClusterView) -> Operator:
    """What the cluster has of the operator now. Raises ClusterError."""
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


def labels_of(found: LiveObject) -> LiveObject:
    return child(found, "metadata", "labels")


def _replicas(deployment: LiveObject) -> int:
    count = child(deployment, "spec").get("replicas")
    return 1 if count is None else int(count)


def _reasons(pod: LiveObject) -> Iterator[tuple[str, str]]:
    """The containers that do not run, with the reason."""
    for each in container_states(pod):
        said = (
            child(each, "state", "waiting").get("reason"),
            child(each, "state", "terminated").get("reason"),
        )
        yield from ((str(each.get("name")), str(reason)) for reason in said if reason in (*_CRASHES, *_UNSTARTED))


def _serves(deployment: LiveObject, store: LiveObject | None, namespace: str) -> bool:
    flags = _flags(deployment)
    wanted = str(child(store or {}, "spec").get("controller") or "")
    own, scope = flags.get("--controller-class", _DEFAULT_CLASS), flags.get("--namespace", "")
    # What the kubelet fills in is not known here.
    return (wanted in ("", own) or _FILLED_IN in own) and (scope in ("", namespace) or _FILLED_IN in scope)


def _flags(deployment: LiveObject) -> dict[str, str]:
    """The flags of the operator's containers that `--name=value` gives, or two words."""
    containers = child(deployment, "spec", "template", "spec").get("containers") or ()
    words = [word for each in containers for word in each.get("args") or ()]
    found: dict[str, str] = {}
    for word, behind in zip(words, [*words[1:], ""], strict=False):
        name, is_given, value = word.partition("=")
        found[name] = value if is_given else behind
    return found
