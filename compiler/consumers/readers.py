"""Finds which Secrets and keys the pods of workloads read, by the spec that the API returns or a manifest holds.

A spec that does not have the form of a pod's reads nothing: manifests come from other programs. `$(NAME)` is expanded
as the kubelet does it: a name that the container does not set stays as it is written, `$$` is a dollar sign, and which
variables it knows differs from place to place (its `container/helpers.go`, `prober.go` and `lifecycle/handlers.go`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from compiler.cluster.view import child
from compiler.model.document import Span
from compiler.text.wording import quoted

PlainMap = Mapping[str, Any]
Path = tuple[str | int, ...]
Locate = Callable[[Path], Span | None]


CONTAINERS = ("initContainers", "containers", "ephemeralContainers")


class Way(StrEnum):
    """How a pod gets a Secret. A volume follows a change, if not mounted by subPath; the others keep what they read."""

    ENV = "env"
    ENV_FROM = "envFrom"
    VOLUME = "volume"
    SUB_PATH = "subPath"
    IMAGE_PULL = "imagePullSecrets"


_FROZEN = frozenset({Way.ENV, Way.ENV_FROM, Way.SUB_PATH})


@dataclass(frozen=True, slots=True)
class SecretRead:
    """One reading of a Secret; a `key` of None means all that it has.

    Where it is `optional`, the pod starts without it. `container` is None for what a pod reads as a whole. `prefix`
    stands before the names of variables. `path` leads from the spec to the Secret's name, `key_path` to the key's.
    """

    secret: str
    key: str | None
    way: Way
    optional: bool = False
    container: str | None = None
    prefix: str = field(default="", compare=False)
    path: Path = field(default=(), compare=False)
    key_path: Path | None = field(default=None, compare=False)

    @property
    def keeps(self) -> bool:
        """Whether the pod keeps what it has read until it is started anew."""
        return self.way in _FROZEN


def secret_reads(spec: PlainMap) -> tuple[SecretRead, ...]:
    """Every reading of a Secret in a pod's `spec`, each once."""
    found = [*_of_containers(spec), *_of_volumes(spec)]
    found += [
        SecretRead(name, None, Way.IMAGE_PULL, optional=True, path=("imagePullSecrets", at, "name"))
        for at, each in maps(spec.get("imagePullSecrets"))
        if (name := text(each, "name"))
    ]
    return tuple(dict.fromkeys(found))


def containers(spec: PlainMap) -> Iterator[tuple[Path, PlainMap]]:
    """Every container of a pod's spec, of all kinds, with the path that leads to it."""
    for kind in CONTAINERS:
        for at, container in maps(spec.get(kind)):
            yield (kind, at), container


def maps(value: object) -> Iterator[tuple[int, PlainMap]]:
    """The maps in a list with their positions; none where `value` is no list."""
    for at, each in enumerate(value if isinstance(value, list | tuple) else ()):
        if isinstance(each, dict):
            yield at, each


def text(data: PlainMap, key: str) -> str | None:
    """What stands under `key` as text, None where it is nothing or no scalar."""
    found = data.get(key)
    return str(found) if isinstance(found, str | int) and found != "" else None


def prefix(source: PlainMap) -> str:
    """What stands before the name of each variable of an `envFrom`."""
    found = source.get("prefix")
    return found if isinstance(found, str) else ""


def _of_containers(spec: PlainMap) -> Iterator[SecretRead]:
    for path, container in containers(spec):
        name = str(container.get("name"))
        for at, source in maps(container.get("envFrom")):
            reference = child(source, "secretRef")
            if secret := text(reference, "name"):
                here = (*path, "envFrom", at, "secretRef", "name")
                is_optional, before = reference.get("optional") is True, prefix(source)
                yield SecretRead(secret, None, Way.ENV_FROM, is_optional, name, before, here)
        for at, variable in maps(container.get("env")):
            reference = child(variable, "valueFrom", "secretKeyRef")
            if secret := text(reference, "name"):
                above = (*path, "env", at, "valueFrom", "secretKeyRef")
                is_optional, key = reference.get("optional") is True, text(reference, "key") or ""
                yield SecretRead(secret, key, Way.ENV, is_optional, name, "", (*above, "name"), (*above, "key"))


def _of_volumes(spec: PlainMap) -> Iterator[SecretRead]:
    by_sub_path = {
        mount.get("name")
        for _, container in containers(spec)
        for _, mount in maps(container.get("volumeMounts"))
        if (mount.get("subPath") or mount.get("subPathExpr")) and isinstance(mount.get("name"), str)
    }
    for at, volume in maps(spec.get("volumes")):
        name = volume.get("name")
        way = Way.SUB_PATH if isinstance(name, str) and name in by_sub_path else Way.VOLUME
        yield from _files(child(volume, "secret"), "secretName", way, ("volumes", at, "secret"))
        for index, source in maps(child(volume, "projected").get("sources")):
            above = ("volumes", at, "projected", "sources", index, "secret")
            yield from _files(child(source, "secret"), "name", way, above)
        # What a driver logs in with, without which the volume is not mounted.
        for *within, named in (("csi", "nodePublishSecretRef", "name"), ("azureFile", "secretName")):
            if secret := text(child(volume, *within), named):
                yield SecretRead(secret, None, Way.VOLUME, path=("volumes", at, *within, named))


def _files(source: PlainMap, named: str, way: Way, above: Path) -> Iterator[SecretRead]:
    secret, is_optional, here = text(source, named), source.get("optional") is True, (*above, named)
    if secret is None:
        return
    items = list(maps(source.get("items")))
    for at, item in items:
        key, key_path = text(item, "key") or "", (*above, "items", at, "key")
        yield SecretRead(secret, key, way, is_optional, path=here, key_path=key_path)
    if not items:
        yield SecretRead(secret, None, way, is_optional, path=here)


# A namespace and a name in it.
Name = tuple[str, str]


class Phase(IntEnum):
    """The phases of a deployment by Argo CD, in their order."""

    PRE_SYNC = 0
    SYNC = 1
    POST_SYNC = 2


class Moment(NamedTuple):
    """When an object is applied: its phase, and its wave within that."""

    phase: Phase = Phase.SYNC
    wave: int = 0


_USUAL = Moment()


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One reading of a Secret by a workload: where its name is written, and its key's; None where it is no file."""

    read: SecretRead
    at: Span | None
    key_at: Span | None


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that sets variables of a container, in the order of their weight: what comes later wins.

    `secret` or `config_map` name where they come from, `key` the one that is taken from there, None for all. Of a
    variable that is written out, neither is set. `variable` is the name it gets, where it is one; `prefix` stands
    before the names of all others.
    """

    secret: str | None = None
    config_map: str | None = None
    key: str | None = None
    variable: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Something that runs pods. `hook` says which hook it is, None for what is none; `at` is its name's place.

    `components` are the words by which a chart calls it. `containers` are the settings of each, the weakest first.
    """

    kind: str
    namespace: str
    name: str
    components: frozenset[str]
    readings: tuple[Reading, ...]
    containers: tuple[tuple[Setting, ...], ...]
    at: Span | None = None
    hook: str | None = None
    moment: Moment = _USUAL

    @property
    def title(self) -> str:
        """`Deployment "mcp-github"`, as messages call it."""
        return f"{self.kind} {quoted(self.name)}"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An object that makes a Secret. `keys` are those that it will have, None where that cannot be told.

    `by` is the object's own name, and `part_of` its label of that name. `is_old` says that it is an ExternalSecret of
    an API before v1.
    """

    kind: str
    namespace: str
    name: str
    keys: frozenset[str] | None
    by: str
    part_of: str | None = None
    at: Span | None = None
    moment: Moment = _USUAL
    is_old: bool = False


@dataclass(slots=True)
class Gathered:
    """What all manifests, or the cluster, hold.

    `config_maps` are the keys of each, `mentioned` the Secrets that objects without pods refer to.
    """

    workloads: list[Workload] = field(default_factory=list)
    made: dict[Name, list[Made]] = field(default_factory=dict)
    config_maps: dict[Name, frozenset[str]] = field(default_factory=dict)
    mentioned: set[Name] = field(default_factory=set)
    objects: int = 0

    def make(self, made: Made) -> None:
        self.made.setdefault((made.namespace, made.name), []).append(made)

    def readers(self) -> dict[Name, list[tuple[Workload, Reading]]]:
        """Every reading, by the Secret that is read, in the order of the input."""
        found: dict[Name, list[tuple[Workload, Reading]]] = {}
        for workload in self.workloads:
            for reading in workload.readings:
                found.setdefault((workload.namespace, reading.read.secret), []).append((workload, reading))
        return found


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
_NUMBER = re.compile(r"\s*[-+]?[0-9]{1,9}\s*")


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
