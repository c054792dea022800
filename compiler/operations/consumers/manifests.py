"""Gathers from manifests what reads and what makes Secrets. Of a Secret's data only the names of keys are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.operations.cluster.slim import child
from compiler.operations.consumers.objects import Gathered, Made
from compiler.operations.consumers.pod_specs import text
from compiler.operations.consumers.workloads import POD_SPECS, TEMPLATE, hook_of, is_workload, workload_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from compiler.model.document import Node
    from compiler.model.source import Span
    from compiler.operations.consumers.pod_specs import Path, PlainMap

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
