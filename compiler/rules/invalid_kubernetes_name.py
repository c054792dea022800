"""A name, label or annotation that the cluster's API refuses.

One such name fails the whole synchronisation, late and far from its cause. The rule checks namespaces (DNS labels of at
most 63 characters), names of targets and stores (DNS names; 253 characters, but 63 where they also become the value of
the label `app.kubernetes.io/name`, as those of targets and rendered stores do), keys of Secrets, the objects that a
rendered store refers to, `partOf`, which is a label's value, `argocdProject`, from which names are made (at most 63
characters), and the labels and annotations of ExternalSecrets and Secrets: keys, values and total size (256 KiB).

    namespace: AI_Platform
    labels: {team: "platform & tools"}

Use the forms that Kubernetes takes:

    namespace: ai-platform
    labels: {team: platform-tools}
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain

from compiler.model import facts
from compiler.model.environment import METADATA, Environment, Secret, Store
from compiler.rules.api import ENVIRONMENT, ERROR, Catalogue, Finding, Findings, Node, places_below, rule
from compiler.text.characters import foreign_character
from compiler.text.wording import quote, typing_mistake

# TotalAnnotationSizeLimitB of k8s.io/apimachinery.
_ANNOTATION_BYTES = 256 * 1024
# For an object whose name is also the value of a label.
_labelled_name_problem = partial(facts.object_name_problem, longest=facts.LONGEST_LABEL)


def check_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        scope = ("secrets", entry.id)
        yield from _judge("the target", entry.node.get("target"), _labelled_name_problem, scope)
        yield from _judge(
            "the ExternalSecret's name", entry.node.get("externalSecret"), facts.object_name_problem, scope
        )
        for name, node in chain(
            entry.node.members_at("keys").items(), entry.node.members_at("template", "data").items()
        ):
            if problem := facts.secret_key_problem(name):
                message = f"the key {quote(name)} {problem}"
                yield Finding(message, node.key_span, help=_way_out(name, problem), scope=scope)


@rule("invalid-kubernetes-name", ERROR, ENVIRONMENT, catalogue_check=check_catalogue)
def check(environment: Environment) -> Findings:
    root = environment.root.children
    yield from _judge("the value of `partOf`", root.get("partOf"), facts.label_value_problem, ())
    yield from _judge("the AppProject's name", root.get("argocdProject"), _labelled_name_problem, ())
    for store in environment.stores.values():
        yield from _store(store)
    # After what is said once: of very many findings the last are not listed.
    for node, scope in places_below(environment.root, "secrets"):
        if node.children:
            yield from _judge("the namespace", node.children.get("namespace"), facts.namespace_problem, scope)
            yield from _metadata(node, scope)
    for secret in environment.secrets.values():
        if secret.annotations:
            yield from _annotation_size(secret, environment, "annotations", secret.annotations)
        if secret.secret_annotations:
            yield from _annotation_size(secret, environment, "secretAnnotations", secret.secret_annotations)


def _store(store: Store) -> Findings:
    scope = ("stores", store.id)
    name_problem = _labelled_name_problem if store.rendered else facts.object_name_problem
    yield from _judge("the store's name", store.node.get("name"), name_problem, scope)
    if not store.rendered:
        return
    for node in store.node.nearest("conditions", "namespaces").items:
        yield from _judge("the namespace", node, facts.namespace_problem, scope)
    for part in ("auth", "caProvider"):
        for node in store.node.nearest(part).walk() if part in store.node.children else ():
            yield from _judge("the namespace", node.children.get("namespace"), facts.namespace_problem, scope)
            yield from _judge("the name", node.children.get("name"), facts.object_name_problem, scope)
            yield from _judge("the key", node.children.get("key"), facts.secret_key_problem, scope)


def _metadata(owner: Node, scope: tuple[str, ...]) -> Findings:
    for member, kind in METADATA.items():
        for key, value in owner.members_at(member).items():
            if problem := facts.label_key_problem(key):
                message = f"the {kind} {quote(key)} {problem}"
                yield Finding(message, value.key_span, help=_way_out(key, problem), scope=scope)
            is_label = kind.endswith("label") and isinstance(value.value, str)
            if is_label and (problem := facts.label_value_problem(str(value.value))):
                message = f"the value of the {kind} {quote(key)} {problem}"
                yield Finding(message, value, help=_way_out(str(value.value), problem), scope=scope)


def _annotation_size(secret: Secret, environment: Environment, member: str, texts: Mapping[str, str]) -> Findings:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in texts.items())
    if size > _ANNOTATION_BYTES:
        node = secret.node.get(member) or environment.root.nearest(member)
        what = f"the {METADATA[member]}s of {quote(secret.id)}"
        message = f"{what} have {size} bytes, and Kubernetes allows {_ANNOTATION_BYTES}"
        yield Finding(message, node.key_span, help="shorten them", scope=("secrets", secret.id))


def _judge(what: str, node: Node | None, find_problem: Callable[[str], str | None], scope: tuple[str, ...]) -> Findings:
    name = node.value if node is not None else None
    if node is None or not isinstance(name, str) or not (problem := find_problem(name)):
        return
    from compiler.rules.forms.schema_error import as_id  # noqa: PLC0415 - only where something is wrong

    form = as_id(name) if name.isascii() else None
    way_out = typing_mistake(name) or (f'write "{form}"' if form is not None else _way_out(name, problem))
    yield Finding(f"{what} {quote(name)} {problem}", node, help=way_out, scope=scope)


def _way_out(name: str, problem: str) -> str:
    if "Kubernetes allows" in problem:
        return "shorten it"
    return foreign_character(name) or "write it in the form that Kubernetes accepts"
