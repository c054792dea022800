"""Judges names, labels and annotations: what the API refuses, what pods cannot use, what others write themselves."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain

from compiler.model import facts
from compiler.model.document import Node, Span
from compiler.model.environment import (
    METADATA,
    OWN_ID,
    PLACEHOLDER,
    PLACEHOLDERS,
    Catalogue,
    Environment,
    Secret,
    Store,
    placeholders,
)
from compiler.model.facts import ANNOTATION, LABEL
from compiler.model.values import CHART_LABELS
from compiler.rules.api import CATALOGUE, ENVIRONMENT, ERROR, WARNING, Finding, Findings, places_below, rule
from compiler.stores.registry import PATTERNS
from compiler.text.characters import foreign_character
from compiler.text.credential import looks_like_credential
from compiler.text.wording import quote, suggest, typing_mistake

# TotalAnnotationSizeLimitB of k8s.io/apimachinery.
_ANNOTATION_BYTES = 256 * 1024
# For an object whose name is also the value of a label.
_labelled_name_problem = partial(facts.object_name_problem, longest=facts.LONGEST_LABEL)


def find_invalid_kubernetes_name_in_catalogue(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        scope = ("secrets", entry.id)
        yield from _judge_name("the target", entry.node.get("target"), _labelled_name_problem, scope)
        yield from _judge_name(
            "the ExternalSecret's name", entry.node.get("externalSecret"), facts.object_name_problem, scope
        )
        for name, node in chain(
            entry.node.members_at("keys").items(), entry.node.members_at("template", "data").items()
        ):
            if problem := facts.secret_key_problem(name):
                message = f"the key {quote(name)} {problem}"
                yield Finding(message, node.key_span, help=_name_way_out(name, problem), scope=scope)


@rule("invalid-kubernetes-name", ERROR, ENVIRONMENT, catalogue_check=find_invalid_kubernetes_name_in_catalogue)
def find_invalid_kubernetes_name(environment: Environment) -> Findings:
    root = environment.root.children
    yield from _judge_name("the value of `partOf`", root.get("partOf"), facts.label_value_problem, ())
    yield from _judge_name("the AppProject's name", root.get("argocdProject"), _labelled_name_problem, ())
    for store in environment.stores.values():
        yield from _judge_store(store)
    # After what is said once: of very many findings the last are not listed.
    for node, scope in places_below(environment.root, "secrets"):
        if node.children:
            yield from _judge_name("the namespace", node.children.get("namespace"), facts.namespace_problem, scope)
            yield from _judge_metadata(node, scope)
    for secret in environment.secrets.values():
        if secret.annotations:
            yield from _annotation_size(secret, environment, "annotations", secret.annotations)
        if secret.secret_annotations:
            yield from _annotation_size(secret, environment, "secretAnnotations", secret.secret_annotations)


def _judge_store(store: Store) -> Findings:
    scope = ("stores", store.id)
    name_problem = _labelled_name_problem if store.rendered else facts.object_name_problem
    yield from _judge_name("the store's name", store.node.get("name"), name_problem, scope)
    if not store.rendered:
        return
    for node in store.node.nearest("conditions", "namespaces").items:
        yield from _judge_name("the namespace", node, facts.namespace_problem, scope)
    for part in ("auth", "caProvider"):
        for node in store.node.nearest(part).walk() if part in store.node.children else ():
            yield from _judge_name("the namespace", node.children.get("namespace"), facts.namespace_problem, scope)
            yield from _judge_name("the name", node.children.get("name"), facts.object_name_problem, scope)
            yield from _judge_name("the key", node.children.get("key"), facts.secret_key_problem, scope)


def _judge_metadata(owner: Node, scope: tuple[str, ...]) -> Findings:
    for member, kind in METADATA.items():
        for key, value in owner.members_at(member).items():
            if problem := facts.label_key_problem(key):
                message = f"the {kind} {quote(key)} {problem}"
                yield Finding(message, value.key_span, help=_name_way_out(key, problem), scope=scope)
            is_label = kind.endswith("label") and isinstance(value.value, str)
            if is_label and (problem := facts.label_value_problem(str(value.value))):
                message = f"the value of the {kind} {quote(key)} {problem}"
                yield Finding(message, value, help=_name_way_out(str(value.value), problem), scope=scope)


def _annotation_size(secret: Secret, environment: Environment, member: str, texts: Mapping[str, str]) -> Findings:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in texts.items())
    if size > _ANNOTATION_BYTES:
        node = secret.node.get(member) or environment.root.nearest(member)
        what = f"the {METADATA[member]}s of {quote(secret.id)}"
        message = f"{what} have {size} bytes, and Kubernetes allows {_ANNOTATION_BYTES}"
        yield Finding(message, node.key_span, help="shorten them", scope=("secrets", secret.id))


def _judge_name(
    what: str, node: Node | None, find_problem: Callable[[str], str | None], scope: tuple[str, ...]
) -> Findings:
    name = node.value if node is not None else None
    if node is None or not isinstance(name, str) or not (problem := find_problem(name)):
        return
    from compiler.rules.forms.schema_error import as_id  # noqa: PLC0415 - only where something is wrong

    form = as_id(name) if name.isascii() else None
    way_out = typing_mistake(name) or (f'write "{form}"' if form is not None else _name_way_out(name, problem))
    yield Finding(f"{what} {quote(name)} {problem}", node, help=way_out, scope=scope)


def _name_way_out(name: str, problem: str) -> str:
    if "Kubernetes allows" in problem:
        return "shorten it"
    return foreign_character(name) or "write it in the form that Kubernetes accepts"


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@rule("invalid-environment-variable-name", WARNING, CATALOGUE, waivable=True)
def find_invalid_environment_variable_name(catalogue: Catalogue) -> Findings:
    for entry in catalogue.entries.values():
        if entry.mounted_by:
            for name, node in entry.target_nodes.items():
                if not _VARIABLE.fullmatch(name):
                    yield Finding(
                        f"{quote(name)} is not a valid environment variable name: no shell can read it",
                        node.key_span,
                        help=f"use letters, digits and _, not starting with a digit{_such_as(name)}",
                        scope=("secrets", entry.id),
                    )


def _such_as(name: str) -> str:
    form = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_")
    return f": {quote(form)}" if _VARIABLE.fullmatch(form) and not looks_like_credential(name) else ""


_ALL_PLACEHOLDERS = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)


@rule("invalid-naming-pattern", ERROR, CATALOGUE)
def find_invalid_naming_pattern(catalogue: Catalogue) -> Findings:
    for member in PATTERNS:
        node = catalogue.document.root.get("naming", member)
        if node is not None:
            yield from find_pattern_mistakes(node)


def find_pattern_mistakes(node: Node) -> Findings:
    """Why a pattern cannot name secrets: braces that are not a placeholder, or no place for the secret's id."""
    pattern = str(node.value)
    # With escapes or line breaks in it, the text in the file is another: then the whole value is what to look at.
    at = node.source.text.find(pattern, node.start, node.end)
    for part in PLACEHOLDER.finditer(pattern):
        span = Span(node.source, at + part.start(), at + part.end()) if at >= 0 else node.span
        if part[1] is None:
            message, way_out = f'a "{part[0]}" alone is not a placeholder', f"the placeholders are {_ALL_PLACEHOLDERS}"
            yield Finding(message, span, help=way_out)
        elif part[1] not in PLACEHOLDERS:
            message = f"{quote(part[1])} is not a placeholder"
            yield Finding(message, span, help=suggest(part[1], PLACEHOLDERS, "placeholders"))
    if OWN_ID not in placeholders(pattern):
        span = Span(node.source, at, at + len(pattern)) if at >= 0 else node.span
        message = f'the pattern has no "{{{OWN_ID}}}", so that every secret would have one name'
        yield Finding(message, span, help=f"write {{{OWN_ID}}} where the secret's id belongs")


_INSTANCE = "app.kubernetes.io/instance"
_CHART, _OPERATOR, _ARGO_CD = "the chart", "External Secrets Operator", "Argo CD"
# Keys of Argo CD that a Secret may have, by map.
_ALLOWED = {
    "labels": {"argocd.argoproj.io/secret-type"},
    "secretLabels": {"argocd.argoproj.io/secret-type"},
    "secretAnnotations": {"argocd.argoproj.io/sync-options", "argocd.argoproj.io/compare-options"},
}
# Whole keys, and domains with their slash; who sets them, in each map.
_OF_LABELS = {
    **dict.fromkeys(CHART_LABELS, _CHART),
    _INSTANCE: _ARGO_CD,
    "argocd.argoproj.io/": _ARGO_CD,
    "reconcile.external-secrets.io/": _OPERATOR,
}
_RESERVED = {
    "labels": _OF_LABELS,
    "annotations": {ANNOTATION: _CHART, "force-sync": "live commands"},
    "secretLabels": _OF_LABELS,
    "secretAnnotations": {"argocd.argoproj.io/": _ARGO_CD, "reconcile.external-secrets.io/": _OPERATOR},
}
_WAYS_OUT = {
    ANNOTATION: "set `syncWave` in the catalogue",
    LABEL: "set `partOf` in the environment",
}


@rule("reserved-label", ERROR, ENVIRONMENT)
def find_reserved_label(environment: Environment) -> Findings:
    for node, scope in places_below(environment.root, "secrets"):
        if node.children:
            yield from _judge_label(node, scope)


def _judge_label(node: Node, scope: tuple[str, ...]) -> Findings:
    for member, reserved in _RESERVED.items():
        for key, found in node.members_at(member).items():
            domain, slash, _ = key.partition("/")
            owner = reserved.get(key) or reserved.get(domain + slash)
            if owner is not None and key not in _ALLOWED.get(member, ()):
                message = f"the {METADATA[member]} {quote(key)} is set by {owner}"
                yield Finding(message, found.key_span, help=_WAYS_OUT.get(key, "use a key of your own"), scope=scope)
