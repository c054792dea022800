"""Prints the roles that `status`, `consumers` and `retire` need in a cluster, with what each rule is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compiler.model.environment import Environment
from compiler.text.command_line import PROGRAM

_GROUP = "external-secrets.io"
_NAME = "platform-secrets-status"


def rbac(environment: Environment) -> str:
    """A Role for each namespace of the environment's secrets and one ClusterRole, as YAML."""
    spaces = dict.fromkeys(each.namespace for each in environment.secrets.values() if each.namespace is not None)
    kinds = {(each.store.kind, each.namespace) for each in environment.secrets.values() if each.store is not None}
    lines = [
        # Without --root: a path of one machine is of no use in a file for a cluster, and a line break ends a comment.
        f"# What `{PROGRAM} status {environment.name} --cluster` and `--wait` ask for.",
        '# Bind the roles to whoever runs them. Of a rule that is left out the checks are "not asked".',
    ]
    for space in spaces:
        own_store = ("SecretStore", space) in kinds
        lines += ["---", *_role(space, _NAME, _reading(is_own_store=own_store))]
        lines += ["---", *_role(space, "platform-secrets-force-sync", _FORCING)]
        lines += ["---", *_role(space, "platform-secrets-consumers", _consuming())]
    lines += ["---", *_cluster_role(_NAME, _CLUSTER_SCOPED)]
    lines += ["---", *_cluster_role("platform-secrets-retire", _RETIRING)]
    return "".join(f"{line}\n" for line in lines)


def _reading(*, is_own_store: bool) -> Iterator[str]:
    yield from _rule(_GROUP, ["externalsecrets"], ["list"])
    if is_own_store:
        yield from _rule(_GROUP, ["secretstores"], ["get"])
    yield "  # `list secrets` lets its holder read the values of every Secret of the namespace: Kubernetes cannot allow"
    yield "  # the metadata alone. `status` asks for nothing else. Without this rule, keys, UID and data are not asked,"
    yield "  # and `--wait` needs `--without-secrets`."
    yield from _rule("", ["secrets"], ["list"])
    yield "  # Whether the pods that read a Secret are ready, restart, or need a restart."
    yield from _rule("", ["pods"], ["list"])
    yield "  # Why an ExternalSecret is not ready."
    yield from _rule("", ["events"], ["list"])


def _consuming() -> Iterator[str]:
    yield "  # `consumers --cluster`, which compares what workloads read with the Secrets that there are. Without the"
    yield "  # rules on configmaps and rollouts it says that it does not look at them. `list secrets`: see above."
    yield from _rule(_GROUP, ["externalsecrets"], ["list"])
    yield from _rule("", ["secrets", "configmaps", "pods"], ["list"])
    yield from _rule("apps", ["deployments", "statefulsets", "daemonsets"], ["list"])
    yield from _rule("batch", ["jobs", "cronjobs"], ["list"])
    yield from _rule("argoproj.io", ["rollouts"], ["list"])


_FORCING = (
    "  # `status --force-sync`, which sets an annotation; a patch of the object may change all of it.",
    '  - apiGroups: ["external-secrets.io"]',
    '    resources: ["externalsecrets"]',
    '    verbs: ["patch"]',
)
_CLUSTER_SCOPED = (
    '  - apiGroups: ["external-secrets.io"]',
    '    resources: ["clustersecretstores"]',
    '    verbs: ["get"]',
    "  # For stores that choose namespaces by their labels.",
    '  - apiGroups: [""]',
    '    resources: ["namespaces"]',
    '    verbs: ["get"]',
)
_RETIRING = (
    "  # `retire --cluster`, which looks for whatever in the cluster still reads or writes a store.",
    '  - apiGroups: ["external-secrets.io"]',
    '    resources: ["externalsecrets", "clusterexternalsecrets", "secretstores", "clustersecretstores",',
    '      "pushsecrets", "clusterpushsecrets"]',
    '    verbs: ["list"]',
    '  - apiGroups: ["generators.external-secrets.io"]',
    '    resources: ["vaultdynamicsecrets", "clustergenerators"]',
    '    verbs: ["list"]',
)


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str]) -> Iterator[str]:
    yield f'  - apiGroups: ["{group}"]'
    yield f"    resources: [{_quoted(resources)}]"
    yield f"    verbs: [{_quoted(verbs)}]"


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f'"{each}"' for each in words)


def _role(namespace: str, name: str, rules: Iterable[str]) -> Iterator[str]:
    yield "apiVersion: rbac.authorization.k8s.io/v1"
    yield "kind: Role"
    yield f'metadata: {{name: "{name}", namespace: "{namespace}"}}'
    yield "rules:"
    yield from rules


def _cluster_role(name: str, rules: Iterable[str]) -> Iterator[str]:
    yield "apiVersion: rbac.authorization.k8s.io/v1"
    yield "kind: ClusterRole"
    yield f'metadata: {{name: "{name}"}}'
    yield "rules:"
    yield from rules
