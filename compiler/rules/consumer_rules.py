"""Documents the rules that `consumers` reports of what pods read: ids, severities and pages."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.rules.api import Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

# A finding that keeps a pod from starting, or makes two writers fight, cannot be waived: `madeElsewhere` says what
# others make.
_ERRORS: dict[str, str] = {
    "unmade-secret": """A pod needs a Secret that nothing makes: neither the environment nor the manifests.

The pod waits for ever, with `CreateContainerConfigError` or a volume that cannot be mounted. What a Secret,
ExternalSecret, SealedSecret, Certificate or SecretProviderClass among the manifests makes counts as made, and in a
cluster the Secret itself. An ExternalSecret of `v1beta1` makes nothing where `externalSecretsOperator` is 0.17 or
newer, which does not serve that API. Where every reading is optional, it is a note.

    envFrom: [{secretRef: {name: agent-jira-secrets}}]   # and the environment does not list jira

List the secret in the environment, or say who else makes it:

    madeElsewhere: {registry-login: made by the cluster's administrators}""",
    "missing-consumed-key": """A pod needs a key of a Secret, and the Secret will not have it.

Keys that are named one by one are asked for by name: a missing one keeps the container from starting. Where every
reading of it is optional, it is a note. Nothing can be said of Secrets whose keys the manifests do not tell.

    env: [{name: TOKEN, valueFrom: {secretKeyRef: {name: agent-github-secrets, key: GITHUB_TOKEN}}}]

Choose the variant that has the key with `use:`, add the key to the catalogue, or correct the reference.""",
    "doubly-made-secret": """The manifests make a Secret that the environment makes too.

Two writers fight over it: External Secrets Operator writes its value back at every refresh, the other at every
deployment, and whoever deletes its own deletes both. An ExternalSecret of the environment itself, which has its label
`app.kubernetes.io/part-of`, is no other writer.

    kind: Secret
    metadata: {name: agent-github-secrets}

Switch the chart's own Secret off, as with `create: false`, or remove the secret from the environment.""",
}

_WARNINGS: dict[str, str] = {
    "unread-secret": """The environment makes a Secret that no pod reads.

A credential that nobody needs is a risk for nothing. Looked at are the namespaces that have workloads in the manifests;
what another object refers to, such as an Ingress, a ServiceAccount or a resource of an operator, counts as read.

    secrets: {github: {}}                             # from CAIPE 0.5.22 on no pod mounts it

Remove it from the environment, or waive it where a program reads it through Kubernetes' API.""",
    "needed-by-hook": """A hook needs a Secret before the wave in which it is made.

Argo CD runs PreSync hooks, and Helm's pre-install and pre-upgrade hooks with them, before everything else of the same
Application, so that the hook waits for a Secret that waits for the hook. Hooks of the same phase go by their wave.

    kind: Job
    metadata: {annotations: {argocd.argoproj.io/hook: PreSync}}

Synchronise the secrets in an Application before that of the hook, and waive it, or put the hook into a later wave.""",
    "unusable-variable": """A pod takes a whole Secret as variables, and one of its keys is not a valid variable name.

Kubernetes up to 1.31 leaves out what begins with a digit, with nothing but an event on the pod; shells cannot read such
names, nor those with dots or hyphens. A `prefix` counts as part of the name.

    envFrom: [{secretRef: {name: agent-argocd-secrets}}]   # with the key argocd.token

Name the key with letters, digits and `_`, or waive it where the program reads that variable all the same.""",
    "wrong-mounted-by": """`mountedBy` in the catalogue names other components than the workloads that read the Secret.

A workload belongs to a component whose name is the last part of its own, or stands in its labels
`app.kubernetes.io/name`, `component` or `instance`. `llm` is for all, and not looked at.

    github: {mountedBy: [mcp-github]}                 # it is read by Deployment "caipe-agentgateway"

Correct `mountedBy`, or leave it out: it is optional.""",
    "repeated-key": """A manifest has a key twice in one map.

Helm and kubectl silently take the last one, which is not always the one that its author meant.

    env: [{name: A, value: "1", value: "2"}]

Tell whoever writes the manifest.""",
}

CONSUMER_RULES: tuple[Rule, ...] = tuple(
    Rule(identifier, severity, Scope.LIVE, page, waivable=pages is not _ERRORS and identifier != "repeated-key")
    for severity, pages in ((Severity.ERROR, _ERRORS), (Severity.WARNING, _WARNINGS))
    for identifier, page in pages.items()
)
BY_ID: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in CONSUMER_RULES})
