"""Gathers workloads and Secrets from manifests or a live cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from compiler.cluster.view import ClusterError, LiveCollections, child, keys_of, target_of
from compiler.consumers.readers import (
    POD_SPECS,
    TEMPLATE,
    Gathered,
    Made,
    Path,
    PlainMap,
    hook_of,
    is_workload,
    maps,
    text,
    workload_of,
)
from compiler.model.document import Node, Span
from compiler.refusal import Refusal

LiveObject = Mapping[str, Any]


PART_OF_LABEL = "app.kubernetes.io/part-of"
# What refers to no Secret but the ones that it makes, or is large and says nothing of those that there are.
_WITHOUT = frozenset(
    {"ConfigMap", "Service", "CustomResourceDefinition", "Namespace", "NetworkPolicy", "Secret", "SecretProviderClass"}
)
_REFERENCES = ("secretref", "secretkeyref", "secretkeyselector", "credentials", "secret")
_NAMES = ("secretname", "existingsecret", "credentialname")
_LISTS = frozenset({"imagePullSecrets", "secrets"})
_TLS = frozenset({"tls.crt", "tls.key", "ca.crt"})
_KEYSTORES = {"jks": ("keystore.jks", "truststore.jks"), "pkcs12": ("keystore.p12", "truststore.p12")}


def take(document: Node, gathered: Gathered, namespace: str) -> None:
    """Add what one document says; an object without a namespace is in `namespace`. A List is all of its items."""
    kind = document.text("kind") or ""
    items = document.get("items")
    if kind.endswith("List") and items is not None:
        for item in items.items:
            take(item, gathered, namespace)
        return
    if not kind:
        return
    gathered.objects += 1
    metadata_node = document.get("metadata")
    metadata: Any = metadata_node.plain_data() if metadata_node is not None else {}
    metadata = metadata if isinstance(metadata, dict) else {}
    here = text(metadata, "namespace") or namespace
    api_version = document.text("apiVersion") or ""
    if (pods := _pods_path(document, api_version, kind)) is not None:
        _take_workload(document, pods, gathered, here, metadata)
    elif kind == "ConfigMap":
        keys = _keys(document, "data") | _keys(document, "binaryData")
        gathered.config_maps[here, text(metadata, "name") or ""] = keys
    for made in _made(document, api_version, kind, here, metadata):
        gathered.make(made)
    if kind not in _WITHOUT:
        gathered.mentioned.update((at or here, name) for at, name in _mentions(document))


def _pods_path(document: Node, api_version: str, kind: str) -> tuple[str, ...] | None:
    """Where the spec of the pods is that an object runs, None where it runs none.

    In a kind that is not known it is where most have it, as in a Service of Knative.
    """
    if is_workload(api_version, kind):
        return POD_SPECS[kind]
    return TEMPLATE if document.get(*TEMPLATE, "containers") is not None else None


def _take_workload(
    document: Node, pods: tuple[str, ...], gathered: Gathered, namespace: str, metadata: PlainMap
) -> None:
    kind = document.text("kind") or ""
    spec_node = document.get(*pods)
    spec: Any = spec_node.plain_data() if spec_node is not None else {}

    def locate(path: Path) -> Span | None:
        return _at(spec_node, path) if spec_node is not None else None

    gathered.workloads.append(
        workload_of(kind, namespace, metadata, spec if isinstance(spec, dict) else {}, locate, name_place(document))
    )


def name_place(document: Node) -> Span:
    """Where an object's name is written; where it begins, if it has none."""
    return document.nearest("metadata", "name").span


def _at(node: Node, path: Path) -> Span:
    for part in path:
        found = node.items[part] if isinstance(part, int) else node.children.get(part)
        if found is None:
            # A reference without its key, which the API server will refuse.
            break
        node = found
    return node.span


def _keys(node: Node, *members: str) -> frozenset[str]:
    found = node.get(*members)
    return frozenset(found.children) if found is not None else frozenset()


def _made(document: Node, api_version: str, kind: str, namespace: str, metadata: PlainMap) -> Iterator[Made]:
    """Every Secret that an object makes."""
    name = text(metadata, "name") or ""
    part_of = text(child(metadata, "labels"), PART_OF_LABEL)
    _, moment = hook_of(metadata)
    group, _, version = api_version.partition("/")
    is_old = kind == "ExternalSecret" and version != "v1"
    for target, keys in _targets(document, group, kind, name):
        yield Made(kind, namespace, target, keys, name, part_of, name_place(document), moment, is_old)


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
        case "SealedSecret", "bitnami.com":
            keys = _keys(document, "spec", "encryptedData") | _keys(document, "spec", "template", "data")
            yield document.text("spec", "template", "metadata", "name") or name, keys
        case "Certificate", "cert-manager.io":
            stores = _keys(document, "spec", "keystores")
            keys = _TLS | {file for store in stores for file in _KEYSTORES.get(store, ())}
            yield document.text("spec", "secretName") or "", keys
        case "SecretProviderClass", "secrets-store.csi.x-k8s.io":
            for each in _items(document, "spec", "secretObjects"):
                yield each.text("secretName") or "", _texts(_items(each, "data"), "key")


def _keys_of_external_secret(document: Node) -> frozenset[str] | None:
    template = ("spec", "target", "template")
    of_template = _keys(document, *template, "data")
    if _items(document, *template, "templateFrom"):
        return None
    if of_template and document.text(*template, "mergePolicy") != "Merge":
        return of_template
    if _items(document, "spec", "dataFrom"):
        return None
    return of_template | _texts(_items(document, "spec", "data"), "secretKey")


def _items(node: Node, *path: str) -> Sequence[Node]:
    found = node.get(*path)
    return found.items if found is not None else ()


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


_KINDS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
    "rollouts": "Rollout",
    "pods": "Pod",
}
# Who may not list these is told the rest: not every cluster has Rollouts, and ConfigMaps only hide variables.
_DISPENSABLE = frozenset({"rollouts", "configmaps"})
# A pod that is over reads nothing any more.
_COMPLETED = frozenset({"Succeeded", "Failed"})
_HELM = ("app.kubernetes.io/managed-by", "Helm")


def gather(cluster: LiveCollections, namespaces: Iterable[str]) -> tuple[Gathered, tuple[str, ...]]:
    """What the cluster holds in those namespaces, and what may not be asked, in words.

    Raises Refusal where the cluster does not answer, or does not let the caller list what matters.
    """
    gathered, notes = Gathered(), list[str]()

    def listed(plural: str, namespace: str) -> tuple[LiveObject, ...]:
        try:
            return cluster.collection(plural, namespace)[0]
        except ClusterError as error:
            if error.permission is None or plural not in _DISPENSABLE:
                failure = Refusal("cannot run", f"the cluster cannot be asked: {error}", error.remedy)
            else:
                notes.append(f"{plural} are not looked at: {error}")
                return ()
        raise failure

    for namespace in dict.fromkeys(namespaces):
        _take_external_secrets(gathered, namespace, listed("externalsecrets", namespace))
        _take_secrets(gathered, namespace, listed("secrets", namespace))
        for each in listed("configmaps", namespace):
            gathered.config_maps[namespace, text(child(each, "metadata"), "name") or ""] = keys_of(each)
        for plural, kind in _KINDS.items():
            for found in listed(plural, namespace):
                _take_live_workload(gathered, namespace, kind, found)
    return gathered, tuple(notes)


def readers_in(cluster: LiveCollections, namespace: str) -> Mapping[str, tuple[str, ...]] | None:
    """The live workloads that read each Secret, as messages call them; None where they may not be asked for."""
    gathered = Gathered()
    for plural, kind in _KINDS.items():
        try:
            every = cluster.collection(plural, namespace)[0]
        except ClusterError as error:
            if plural in _DISPENSABLE and error.permission is not None:
                continue
            return None
        for found in every:
            _take_live_workload(gathered, namespace, kind, found)
    readers = gathered.readers()
    return {name: tuple(dict.fromkeys(each.title for each, _ in reading)) for (_, name), reading in readers.items()}


def _take_live_workload(gathered: Gathered, namespace: str, kind: str, found: LiveObject) -> None:
    metadata = child(found, "metadata")
    owner = _controller(metadata)
    # What belongs to one of those kinds is told by its owner; an operator's own kind has no pods' spec to look at.
    is_told = is_workload(text(owner, "apiVersion") or "", text(owner, "kind") or "")
    if is_told or metadata.get("deletionTimestamp") or child(found, "status").get("phase") in _COMPLETED:
        return
    gathered.objects += 1
    gathered.workloads.append(workload_of(kind, namespace, metadata, child(found, "spec"), lambda _: None))


def _take_external_secrets(gathered: Gathered, namespace: str, every: Iterable[LiveObject]) -> None:
    for found in every:
        metadata, spec = child(found, "metadata"), child(found, "spec")
        name, target = text(metadata, "name") or "", target_of(found)
        if target is None:
            continue
        data = [text(item, "secretKey") for _, item in maps(spec.get("data"))]
        is_known = bool(data) and not spec.get("dataFrom") and not child(spec, "target", "template")
        keys = frozenset(key for key in data if key is not None) if is_known else None
        part_of = text(child(metadata, "labels"), PART_OF_LABEL)
        gathered.make(Made("ExternalSecret", namespace, target, keys, name, part_of))


def _take_secrets(gathered: Gathered, namespace: str, every: Iterable[LiveObject]) -> None:
    for found in every:
        metadata = child(found, "metadata")
        name, label = text(metadata, "name") or "", _HELM[0]
        controller = text(_controller(metadata), "kind")
        known = gathered.made.get((namespace, name), [])
        if controller == "ExternalSecret" and known:
            # Its ExternalSecret is listed; what it really has says more than the spec.
            gathered.made[namespace, name] = [
                Made(each.kind, namespace, name, keys_of(found), each.by, each.part_of) for each in known
            ]
        else:
            kind = controller or (
                "Helm release's Secret" if child(metadata, "labels").get(label) == _HELM[1] else "Secret"
            )
            gathered.make(Made(kind, namespace, name, keys_of(found), name))


def _controller(metadata: LiveObject) -> LiveObject:
    """The reference to the owner that controls the object, an empty one where none does."""
    return next((each for _, each in maps(metadata.get("ownerReferences")) if each.get("controller")), {})
