"""Makes workloads of objects that run pods: what their pods read, what sets variables, and when they are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.operations.cluster.slim import child
from compiler.operations.consumers.objects import Moment, Phase, Reading, Setting, Workload
from compiler.operations.consumers.pod_specs import containers, maps, prefix, secret_reads, text
from compiler.text.regex import regex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from compiler.model.source import Span
    from compiler.operations.consumers.pod_specs import Path, PlainMap

    Locate = Callable[[Path], Span | None]

TEMPLATE = ("spec", "template", "spec")
# Where the spec of the pods is in each kind; of Argo Rollouts, whose group is its own, as in a Deployment.
POD_SPECS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet", "Rollout"), TEMPLATE),
    "CronJob": ("spec", "jobTemplate", *TEMPLATE),
    "Pod": ("spec",),
}
_GROUPS = {"Pod": "v1", "Job": "batch/", "CronJob": "batch/", "Rollout": "argoproj.io/"}
_OTHER_GROUP = "apps/"
_COMPONENTS = ("app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/instance")
_ARGO_HOOK, _HELM_HOOK = "argocd.argoproj.io/hook", "helm.sh/hook"
_WAVE, _WEIGHT = "argocd.argoproj.io/sync-wave", "helm.sh/hook-weight"
# Helm's hooks as Argo CD runs them; what it never runs on a deployment waits for nothing.
_ARGO_PHASES = {"PreSync": Phase.PRE_SYNC, "Sync": Phase.SYNC, "PostSync": Phase.POST_SYNC}
_HELM_PHASES = {
    **dict.fromkeys(("crd-install", "pre-install", "pre-upgrade"), Phase.PRE_SYNC),
    **dict.fromkeys(("post-install", "post-upgrade"), Phase.POST_SYNC),
}
_NUMBER = regex(r"\s*[-+]?[0-9]{1,9}\s*")


def is_workload(api_version: str, kind: str) -> bool:
    """Whether objects of that kind run pods whose spec is known."""
    return kind in POD_SPECS and api_version.startswith(_GROUPS.get(kind, _OTHER_GROUP))


def workload_of(
    kind: str, namespace: str, metadata: PlainMap, spec: PlainMap, locate: Locate, at: Span | None = None
) -> Workload:
    """The workload of that kind with the pods' `spec`; `locate` finds the place of a path in that."""
    labels = child(metadata, "labels")
    hook, moment = hook_of(metadata)
    return Workload(
        kind,
        namespace,
        text(metadata, "name") or text(metadata, "generateName") or "",
        frozenset(word for label in _COMPONENTS if (word := text(labels, label))),
        tuple(
            Reading(read, locate(read.path), locate(read.key_path) if read.key_path is not None else None)
            for read in secret_reads(spec)
        ),
        tuple(tuple(_settings(each)) for _, each in containers(spec)),
        at=at,
        hook=hook,
        moment=moment,
    )


def hook_of(metadata: PlainMap) -> tuple[str | None, Moment]:
    """Which hook an object is, None for none, and when it is applied. Argo CD's own word counts first."""
    annotations = child(metadata, "annotations")
    for name, phases in ((_ARGO_HOOK, _ARGO_PHASES), (_HELM_HOOK, _HELM_PHASES)):
        hooks = [hook.strip() for hook in (text(annotations, name) or "").split(",") if hook.strip()]
        if hooks:
            known = [hook for hook in hooks if hook in phases]
            first = min(known, key=phases.__getitem__, default=None)
            phase = phases[first] if first is not None else Phase.POST_SYNC
            return first or hooks[0], Moment(phase, _wave(annotations, is_helm=name == _HELM_HOOK))
    return None, Moment(Phase.SYNC, _wave(annotations, is_helm=False))


def _wave(annotations: PlainMap, *, is_helm: bool) -> int:
    written = text(annotations, _WAVE) or (text(annotations, _WEIGHT) if is_helm else None) or ""
    return int(written) if _NUMBER.fullmatch(written) else 0


def _settings(container: PlainMap) -> Iterator[Setting]:
    for _, source in maps(container.get("envFrom")):
        before = prefix(source)
        if name := text(child(source, "secretRef"), "name"):
            yield Setting(secret=name, prefix=before)
        elif name := text(child(source, "configMapRef"), "name"):
            yield Setting(config_map=name, prefix=before)
    for _, variable in maps(container.get("env")):
        if set_one := text(variable, "name"):
            reference = child(variable, "valueFrom", "secretKeyRef")
            yield Setting(secret=text(reference, "name"), key=text(reference, "key"), variable=set_one)
