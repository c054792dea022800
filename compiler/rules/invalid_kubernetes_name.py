"""A name, label or annotation that the cluster's API refuses.

One such name fails the whole synchronisation, late and far from its cause. Checked are namespaces (DNS labels of at
most 63 characters), names of targets and stores (DNS names; 253 characters, but 63 where they also become the value
of the label `app.kubernetes.io/name`, as those of targets and rendered stores do), keys of Secrets, the objects that
a rendered store refers to, `partOf`, which is a label's value, `argocdProject`, of which names are made (at most 63
characters), and labels and annotations, of ExternalSecrets and of Secrets, with their keys, values and total size (256
KiB).

    namespace: AI_Platform
    labels: {team: "platform & tools"}

Use the forms that Kubernetes takes:

    namespace: ai-platform
    labels: {team: platform-tools}
"""

from collections.abc import Mapping

from compiler.model.environment import METADATA, Environment, Secret, Store
from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Finding, Findings, Node, places_below, rule
from compiler.rules.forms.names import (
    LONGEST_LABEL,
    LONGEST_NAME,
    label_key_problem,
    label_value_problem,
    namespace_problem,
    object_name_problem,
    secret_key_problem,
)
from compiler.text.characters import foreign_character
from compiler.text.wording import quoted, typing_mistake

# TotalAnnotationSizeLimitB of k8s.io/apimachinery.
_ANNOTATION_BYTES = 256 * 1024


def check_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        scope = ("secrets", entry.id)
        # Its name is also the value of a label.
        if entry.target and (problem := object_name_problem(entry.target, LONGEST_LABEL)):
            yield _finding("the target", entry.target, problem, entry.node.nearest("target"), scope)
        for key in entry.keys.values():
            if problem := secret_key_problem(key.name):
                message = f"the key {quoted(key.name)} {problem}"
                yield Finding(message, key.node.key_span, help=_way_out(key.name, problem), scope=scope)


@rule("invalid-kubernetes-name", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    root = environment.root.children
    part_of = root.get("partOf")
    if part_of is not None and isinstance(part_of.value, str) and (problem := label_value_problem(part_of.value)):
        yield _finding("the value of `partOf`", part_of.value, problem, part_of, ())
    project = environment.root.text("argocdProject")
    if project is not None and (problem := object_name_problem(project, LONGEST_LABEL)):
        yield _finding("the AppProject's name", project, problem, root["argocdProject"], ())
    for store in environment.stores.values():
        yield from _store(store)
    # After what is said once: of very many findings the last are not listed.
    for node, scope in places_below(environment.root, "secrets"):
        if node.children:
            yield from _namespace(node.children.get("namespace"), scope)
            yield from _metadata(node, scope)
    for secret in environment.secrets.values():
        if secret.annotations:
            yield from _annotation_size(secret, environment, "annotations", secret.annotations)
        if secret.secret_annotations:
            yield from _annotation_size(secret, environment, "secretAnnotations", secret.secret_annotations)


def _namespace(node: Node | None, scope: tuple[str, ...]) -> Findings:
    if node is not None and isinstance(node.value, str) and (problem := namespace_problem(node.value)):
        yield _finding("the namespace", node.value, problem, node, scope)


def _store(store: Store) -> Findings:
    scope = ("stores", store.id)
    if store.name and (problem := object_name_problem(store.name, LONGEST_LABEL if store.rendered else LONGEST_NAME)):
        yield _finding("the store's name", store.name, problem, store.node.nearest("name"), scope)
    if not store.rendered:
        return
    for node in store.node.nearest("conditions", "namespaces").items:
        yield from _namespace(node, scope)
    for part in ("auth", "caProvider"):
        for node in store.node.nearest(part).walk() if part in store.node.children else ():
            children = node.children
            yield from _namespace(children.get("namespace"), scope)
            name, key = children.get("name"), children.get("key")
            if name is not None and isinstance(name.value, str) and (problem := object_name_problem(name.value)):
                yield _finding("the name", name.value, problem, name, scope)
            if key is not None and isinstance(key.value, str) and (problem := secret_key_problem(key.value)):
                yield _finding("the key", key.value, problem, key, scope)


def _metadata(owner: Node, scope: tuple[str, ...]) -> Findings:
    for member, kind in METADATA.items():
        for key, value in owner.members_at(member).items():
            if problem := label_key_problem(key):
                message = f"the {kind} {quoted(key)} {problem}"
                yield Finding(message, value.key_span, help=_way_out(key, problem), scope=scope)
            is_label = kind.endswith("label") and isinstance(value.value, str)
            if is_label and (problem := label_value_problem(str(value.value))):
                message = f"the value of the {kind} {quoted(key)} {problem}"
                yield Finding(message, value, help=_way_out(str(value.value), problem), scope=scope)


def _annotation_size(secret: Secret, environment: Environment, member: str, texts: Mapping[str, str]) -> Findings:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in texts.items())
    if size > _ANNOTATION_BYTES:
        node = secret.node.get(member) or environment.root.nearest(member)
        what = f"the {METADATA[member]}s of {quoted(secret.id)}"
        message = f"{what} have {size} bytes, and Kubernetes allows {_ANNOTATION_BYTES}"
        yield Finding(message, node.key_span, help="shorten them", scope=("secrets", secret.id))


def _finding(what: str, name: str, problem: str, node: Node, scope: tuple[str, ...]) -> Finding:
    from compiler.rules.forms.schema_error import as_id  # noqa: PLC0415 - only where something is wrong

    form = as_id(name) if name.isascii() else None
    way_out = typing_mistake(name) or (f'write "{form}"' if form is not None else _way_out(name, problem))
    return Finding(f"{what} {quoted(name)} {problem}", node, help=way_out, scope=scope)


def _way_out(name: str, problem: str) -> str:
    if "Kubernetes allows" in problem:
        return "shorten it"
    return foreign_character(name) or "write it in the form that Kubernetes accepts"
