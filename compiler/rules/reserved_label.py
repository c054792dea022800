"""A label or annotation that the chart, the operator or Argo CD writes itself.

The chart prints `app.kubernetes.io/name`, `component`, `part-of` and `managed-by`, and the annotation
`argocd.argoproj.io/sync-wave`. If you write one too, the manifest has the key twice, which Argo CD and `kubectl apply`
refuse, or read in their own way. Live commands set `force-sync`, and Argo CD would revert that.

Argo CD takes a Secret with `app.kubernetes.io/instance` or one of its own keys for a part of an application, and prunes
it, as Git does not have it. So `labels`, `secretLabels` and `secretAnnotations`, which reach the Secret, cannot have
keys of `argocd.argoproj.io/`, but for three that do not make it a part of one: the label `secret-type`, and the
annotations `sync-options` and `compare-options`. Keys of `reconcile.external-secrets.io/` are External Secrets
Operator's own.

    annotations: {argocd.argoproj.io/sync-wave: "-10"}
    secretLabels: {app.kubernetes.io/instance: ai-platform}

Use a label of your own; a wave is `syncWave` in the catalogue, and `part-of` is the environment's `partOf`:

    labels: {example.com/team: platform}
    partOf: shop
"""

from compiler.model.environment import METADATA
from compiler.model.facts import ANNOTATION, LABEL
from compiler.model.values import CHART_LABELS
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Node, places_below, quote, rule

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
def check(environment: Environment) -> Findings:
    for node, scope in places_below(environment.root, "secrets"):
        if node.children:
            yield from _judge(node, scope)


def _judge(node: Node, scope: tuple[str, ...]) -> Findings:
    for member, reserved in _RESERVED.items():
        for key, found in node.members_at(member).items():
            domain, slash, _ = key.partition("/")
            owner = reserved.get(key) or reserved.get(domain + slash)
            if owner is not None and key not in _ALLOWED.get(member, ()):
                message = f"the {METADATA[member]} {quote(key)} is set by {owner}"
                yield Finding(message, found.key_span, help=_WAYS_OUT.get(key, "use a key of your own"), scope=scope)
