"""Finds which Secrets the pods of manifests or a cluster read, and what makes Secrets there. Never keeps a value."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from compiler.cluster.judge import is_written_for
from compiler.cluster.pods import (
    COMPLETED,
    Locate,
    Path,
    PlainMap,
    SecretRead,
    containers,
    maps,
    secret_reads,
    text,
)
from compiler.cluster.view import SECRETS, ClusterError, ClusterView, keys_of, target_of
from compiler.model import group_pairs
from compiler.model.document import Node, Span
from compiler.model.facts import LABEL
from compiler.model.values import child
from compiler.refusal import Refusal
from compiler.text.wording import quote

# A namespace and a name in it.
Name = tuple[str, str]


# The phases of a deployment by Argo CD, in their order.
_PHASES = ("PreSync", "Sync", "PostSync")
PRE_SYNC, SYNC, POST_SYNC = range(3)


class Moment(NamedTuple):
    """When an object is applied: its phase, and its wave within that."""

    phase: int = SYNC
    wave: int = 0

    @property
    def title(self) -> str:
        return f"wave {self.wave} of {_PHASES[self.phase]}"


_USUAL = Moment()
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
_ARGO_PHASES = {name: phase for phase, name in enumerate(_PHASES)}
_HELM_PHASES = {
    **dict.fromkeys(("crd-install", "pre-install", "pre-upgrade"), PRE_SYNC),
    **dict.fromkeys(("post-install", "post-upgrade"), POST_SYNC),
}
_NUMBER = re.compile(r"\s*[-+]?[0-9]{1,9}\s*")
# What refers to no Secret but the ones that it makes, or is large and says nothing of those that there are.
_WITHOUT = frozenset(
    {"ConfigMap", "Service", "CustomResourceDefinition", "Namespace", "NetworkPolicy", "Secret", "SecretProviderClass"}
)
_REFERENCES = ("secretref", "secretkeyref", "secretkeyselector", "credentials", "secret")
_NAMES = ("secretname", "existingsecret", "credentialname")
_LISTS = frozenset({"imagePullSecrets", "secrets"})
_TLS = frozenset({"tls.crt", "tls.key", "ca.crt"})
_KEYSTORES = {"jks": ("keystore.jks", "truststore.jks"), "pkcs12": ("keystore.p12", "truststore.p12")}
_PLURALS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
    "rollouts": "Rollout",
    "pods": "Pod",
}
# Who may not list these is told the rest: not every cluster has Rollouts, and ConfigMaps only hide variables.
OPTIONAL = frozenset({"rollouts", "configmaps"})
_HELM = ("app.kubernetes.io/managed-by", "Helm")


@dataclass(frozen=True, slots=True)
class VariableSource:
    """One thing that sets variables of a container. Later ones win."""

    secret: str | None = None  # neither this nor `config_map`: the variable is written out
    config_map: str | None = None
    key: str | None = None  # None: all keys
    variable: str | None = None  # the name it gets, where it is one
    prefix: str = ""  # before the names of all others


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Something that runs pods."""

    kind: str
    namespace: str
    name: str
    components: frozenset[str]  # the words by which a chart calls it
    readings: tuple[SecretRead, ...]
    containers: tuple[tuple[VariableSource, ...], ...]  # the settings of each container, the weakest first
    at: Span | None = None
    hook: str | None = None  # which hook it is, None for what is not one
    moment: Moment = _USUAL

    @property
    def title(self) -> str:
        """`Deployment "mcp-github"`, as messages call it."""
        return f"{self.kind} {quote(self.name)}"


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """An object that makes a Secret."""

    kind: str
    namespace: str
    name: str
    keys: frozenset[str] | None  # None where they cannot be told
    by: str  # the object's own name
    part_of: str | None = None
    at: Span | None = None
    moment: Moment = _USUAL
    is_old: bool = False  # an ExternalSecret of an API before v1


@dataclass(slots=True)
class ObjectIndex:
    """What all manifests, or the cluster, hold."""

    workloads: list[Workload] = field(default_factory=list)
    made: dict[Name, list[Made]] = field(default_factory=dict)
    config_maps: dict[Name, frozenset[str]] = field(default_factory=dict)  # the keys of each
    mentioned: set[Name] = field(default_factory=set)  # Secrets that objects without pods refer to
    objects: int = 0

    def make(self, made: Made) -> None:
        self.made.setdefault((made.namespace, made.name), []).append(made)

    def readers(self) -> dict[Name, list[tuple[Workload, SecretRead]]]:
        """Every reading, by the Secret that is read, in the order of the input."""
        every = ((workload, each) for workload in self.workloads for each in workload.readings)
        return group_pairs(((workload.namespace, each.secret), (workload, each)) for workload, each in every)


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
        secret_reads(spec, locate),
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
            phase = phases[first] if first is not None else POST_SYNC
            return first or hooks[0], Moment(phase, _wave(annotations, is_helm=name == _HELM_HOOK))
    return None, Moment(SYNC, _wave(annotations, is_helm=False))


def _wave(annotations: PlainMap, *, is_helm: bool) -> int:
    written = text(annotations, _WAVE) or (text(annotations, _WEIGHT) if is_helm else None) or ""
    return int(written) if _NUMBER.fullmatch(written) else 0


def _settings(container: PlainMap) -> Iterator[VariableSource]:
    for _, source in maps(container, "envFrom"):
        before = text(source, "prefix") or ""
        if name := text(child(source, "secretRef"), "name"):
            yield VariableSource(secret=name, prefix=before)
        elif name := text(child(source, "configMapRef"), "name"):
            yield VariableSource(config_map=name, prefix=before)
    for _, variable in maps(container, "env"):
        if set_one := text(variable, "name"):
            reference = child(variable, "valueFrom", "secretKeyRef")
            yield VariableSource(secret=text(reference, "name"), key=text(reference, "key"), variable=set_one)


def take(document: Node, gathered: ObjectIndex, namespace: str) -> None:
    """Add what one document says; an object without a namespace is in `namespace`. A List is all of its items."""
    for each in objects_in(document):
        _take_object(each, gathered, namespace)


def objects_in(document: Node) -> Iterator[Node]:
    """Each object of a document: of a List all of its items, of what has no kind none."""
    kind, items = document.text("kind") or "", document.get("items")
    if kind.endswith("List") and items is not None:
        for item in items.items:
            yield from objects_in(item)
    elif kind:
        yield document


def _take_object(document: Node, gathered: ObjectIndex, namespace: str) -> None:
    kind, api_version = document.text("kind") or "", document.text("apiVersion") or ""
    gathered.objects += 1
    metadata = _plain_map(document, "metadata")
    here, name = text(metadata, "namespace") or namespace, text(metadata, "name") or ""
    at = document.nearest("metadata", "name").span
    if (pods := _pods_path(document, api_version, kind)) is not None:
        locate = partial(_place_below, document.nearest(*pods))
        gathered.workloads.append(workload_of(kind, here, metadata, _plain_map(document, *pods), locate, at))
    elif kind == "ConfigMap":
        gathered.config_maps[here, name] = _keys(document, "data") | _keys(document, "binaryData")
    part_of, (_, moment) = text(child(metadata, "labels"), LABEL), hook_of(metadata)
    group, _, version = api_version.partition("/")
    is_old = kind == "ExternalSecret" and version != "v1"
    for target, keys in _targets(document, group, kind, name):
        gathered.make(Made(kind, here, target, keys, name, part_of, at, moment, is_old))
    if kind not in _WITHOUT:
        gathered.mentioned.update((where or here, mentioned) for where, mentioned in _mentions(document))


def _plain_map(document: Node, *path: str) -> PlainMap:
    return {key: each.plain_data() for key, each in document.members_at(*path).items()}


def _pods_path(document: Node, api_version: str, kind: str) -> tuple[str, ...] | None:
    """Where the spec of an object's pods is, None where it runs none; in unknown kinds at the usual place."""
    if is_workload(api_version, kind):
        return POD_SPECS[kind]
    return TEMPLATE if document.get(*TEMPLATE, "containers") is not None else None


def _place_below(node: Node, path: Path) -> Span:
    for part in path:
        found = node.items[part] if isinstance(part, int) else node.children.get(part)
        if found is None:
            # A reference without its key, which the API server will refuse.
            break
        node = found
    return node.span


def _keys(node: Node, *members: str) -> frozenset[str]:
    return frozenset(node.members_at(*members))


def _targets(document: Node, group: str, kind: str, name: str) -> Iterator[tuple[str, frozenset[str] | None]]:
    """The name of each Secret that an object makes, with its keys."""
    match kind, group:
        case "Secret", "v1":
            yield name, _keys(document, "data") | _keys(document, "stringData")
        case "ExternalSecret", "external-secrets.io":
            target = ("spec", "target")
            made = document.text(*target, "manifest", "kind") or "Secret"
            if made == "Secret" and document.text(*target, "creationPolicy") != "None":
                yield document.text(*target, "name") or name, _keys_of_external_secret(document)
        case "ExternalSecret", "kubernetes-client.io":
            # As kubernetes-external-secrets makes it, also of the older `secretDescriptor`.
            spec = "spec" if document.get("spec") is not None else "secretDescriptor"
            unknown = document.items_at(spec, "dataFrom") or document.items_at(spec, "dataFromWithOptions")
            yield name, None if unknown else _texts(document.items_at(spec, "data"), "name")
        case "SealedSecret", "bitnami.com":
            keys = _keys(document, "spec", "encryptedData") | _keys(document, "spec", "template", "data")
            yield document.text("spec", "template", "metadata", "name") or name, keys
        case "Certificate", "cert-manager.io":
            stores = _keys(document, "spec", "keystores")
            keys = _TLS | {file for store in stores for file in _KEYSTORES.get(store, ())}
            yield document.text("spec", "secretName") or "", keys
        case "SecretProviderClass", "secrets-store.csi.x-k8s.io":
            for each in document.items_at("spec", "secretObjects"):
                yield each.text("secretName") or "", _texts(each.items_at("data"), "key")


def _keys_of_external_secret(document: Node) -> frozenset[str] | None:
    template = ("spec", "target", "template")
    of_template = _keys(document, *template, "data")
    if document.items_at(*template, "templateFrom"):
        return None
    if of_template and document.text(*template, "mergePolicy") != "Merge":
        return of_template
    if document.items_at("spec", "dataFrom"):
        return None
    return of_template | _texts(document.items_at("spec", "data"), "secretKey")


def _texts(nodes: Iterable[Node], member: str) -> frozenset[str]:
    return frozenset(found for each in nodes if (found := each.text(member)))


def _mentions(document: Node) -> Iterator[tuple[str | None, str]]:
    """The names of Secrets in whatever looks like a reference to one, with the namespace where it names one."""
    stack = [document]
    while stack:
        node = stack.pop()
        stack.extend(each for each in node.items if not isinstance(each.value, str))
        for key, value in node.children.items():
            if isinstance(value.value, str):
                if key.lower().endswith(_NAMES):
                    yield None, value.value
                continue
            stack.append(value)
            if key in _LISTS:
                yield from ((None, name) for item in value.items if (name := item.text("name")))
            elif key.lower().endswith(_REFERENCES) and (name := value.text("name")):
                yield value.text("namespace"), name


def gather(view: ClusterView, namespaces: Iterable[str], environment: str = "") -> tuple[ObjectIndex, tuple[str, ...]]:
    """What the cluster holds in those namespaces of an environment, and what may not be asked. Raises Refusal."""
    gathered = ObjectIndex()
    try:
        view.read_each(read for namespace in dict.fromkeys(namespaces) for read in _readings(gathered, view, namespace))
    except ClusterError as error:
        failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", error.way_out(environment))
    else:
        return gathered, tuple(f"{plural} are not looked at: {error}" for (plural, _), error in view.refused.items())
    raise failure


def readers_in(view: ClusterView, namespace: str) -> Mapping[str, tuple[str, ...]] | None:
    """The live workloads that read each Secret, as messages call them; None where they may not be asked for."""
    gathered = ObjectIndex()
    try:
        for plural in _PLURALS:
            _take_workloads(gathered, view, namespace, plural)
    except ClusterError:
        return None
    readers = gathered.readers()
    return {name: tuple(dict.fromkeys(each.title for each, _ in reading)) for (_, name), reading in readers.items()}


def _readings(gathered: ObjectIndex, view: ClusterView, namespace: str) -> Iterator[Callable[[], None]]:
    yield lambda: _take_external_secrets(gathered, namespace, view.external_secrets(namespace).values())
    yield lambda: _take_secrets(gathered, namespace, (view.by_name(SECRETS, namespace) or {}).values())
    yield lambda: _take_config_maps(gathered, namespace, view.by_name("configmaps", namespace) or {})
    yield from (partial(_take_workloads, gathered, view, namespace, plural) for plural in _PLURALS)


def _take_workloads(gathered: ObjectIndex, view: ClusterView, namespace: str, plural: str) -> None:
    for found in view.objects(plural, namespace) or ():
        _take_live_workload(gathered, namespace, _PLURALS[plural], found)


def _take_config_maps(gathered: ObjectIndex, namespace: str, every: Mapping[str, PlainMap]) -> None:
    gathered.config_maps.update({(namespace, name): keys_of(found) for name, found in every.items()})


def _take_live_workload(gathered: ObjectIndex, namespace: str, kind: str, found: PlainMap) -> None:
    metadata = child(found, "metadata")
    owner = _controller(metadata)
    # What belongs to one of those kinds is told by its owner; an operator's own kind has no pods' spec to look at.
    is_told = is_workload(text(owner, "apiVersion") or "", text(owner, "kind") or "")
    if is_told or metadata.get("deletionTimestamp") or child(found, "status").get("phase") in COMPLETED:
        return
    gathered.objects += 1
    gathered.workloads.append(workload_of(kind, namespace, metadata, child(found, *POD_SPECS[kind]), lambda _: None))


def _take_external_secrets(gathered: ObjectIndex, namespace: str, every: Iterable[PlainMap]) -> None:
    for found in every:
        metadata, spec = child(found, "metadata"), child(found, "spec")
        name, target = text(metadata, "name") or "", target_of(found)
        if target is None:
            continue
        data = [text(item, "secretKey") for _, item in maps(spec, "data")]
        is_known = bool(data) and not spec.get("dataFrom") and not child(spec, "target", "template")
        keys = frozenset(key for key in data if key is not None) if is_known else None
        part_of = text(child(metadata, "labels"), LABEL)
        gathered.make(Made("ExternalSecret", namespace, target, keys, name, part_of))


def _take_secrets(gathered: ObjectIndex, namespace: str, every: Iterable[PlainMap]) -> None:
    label, manager = _HELM
    for found in every:
        metadata = child(found, "metadata")
        name = text(metadata, "name") or ""
        controller = text(_controller(metadata), "kind")
        known = gathered.made.get((namespace, name), [])
        # An orphan has no owner, and its labels may be Helm's: the operator copies what the ExternalSecret gives it.
        is_orphan = controller is None and any(is_written_for(each.by, found) for each in known)
        if known and (controller == "ExternalSecret" or is_orphan):
            # Its ExternalSecret is listed; what it really has says more than the spec.
            gathered.made[namespace, name] = [replace(each, keys=keys_of(found)) for each in known]
        else:
            is_of_helm = child(metadata, "labels").get(label) == manager
            kind = controller or ("Helm release's Secret" if is_of_helm else "Secret")
            gathered.make(Made(kind, namespace, name, keys_of(found), name))


def _controller(metadata: PlainMap) -> PlainMap:
    """The reference to the owner that controls the object, an empty one where none does."""
    return next((each for _, each in maps(metadata, "ownerReferences") if each.get("controller")), {})
