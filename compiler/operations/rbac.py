"""Prints the roles that `status`, `rotate`, `consumers` and `retire` need in a cluster, with what each rule is for."""

from __future__ import annotations

from compiler.model.environment import Environment
from compiler.text.command_line import PROGRAM

_OWN_STORES = """\
  - apiGroups: ["external-secrets.io"]
    resources: ["secretstores"]
    verbs: ["get"]
"""
_OF_NAMESPACE = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: "platform-secrets-status", namespace: "NAMESPACE"}
rules:
  - apiGroups: ["external-secrets.io"]
    resources: ["externalsecrets"]
    verbs: ["list"]
OWN_STORES\
  # `list secrets` lets its holder read the values of every Secret of the namespace: Kubernetes cannot allow
  # the metadata alone. `status` asks for nothing else. Without this rule, keys, UID and data are not asked,
  # and `--wait` needs `--without-secrets`.
  - apiGroups: [""]
    resources: ["secrets"]
    verbs: ["list"]
  # Whether the pods that read a Secret are ready, restart, or need a restart.
  - apiGroups: [""]
    resources: ["pods"]
    verbs: ["list"]
  # Why an ExternalSecret is not ready.
  - apiGroups: [""]
    resources: ["events"]
    verbs: ["list"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: "platform-secrets-force-sync", namespace: "NAMESPACE"}
rules:
  # `status --force-sync` and `rotate`, which set an annotation; a patch of the object may change all of it.
  - apiGroups: ["external-secrets.io"]
    resources: ["externalsecrets"]
    verbs: ["patch"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: "platform-secrets-consumers", namespace: "NAMESPACE"}
rules:
  # `consumers --cluster`, which compares what workloads read with the Secrets that there are. Without the
  # rules on configmaps and rollouts it says that it does not look at them. `list secrets`: see above.
  - apiGroups: ["external-secrets.io"]
    resources: ["externalsecrets"]
    verbs: ["list"]
  - apiGroups: [""]
    resources: ["secrets", "configmaps", "pods"]
    verbs: ["list"]
  - apiGroups: ["apps"]
    resources: ["deployments", "statefulsets", "daemonsets"]
    verbs: ["list"]
  - apiGroups: ["batch"]
    resources: ["jobs", "cronjobs"]
    verbs: ["list"]
  - apiGroups: ["argoproj.io"]
    resources: ["rollouts"]
    verbs: ["list"]
"""
_OF_CLUSTER = """\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "platform-secrets-status"}
rules:
  - apiGroups: ["external-secrets.io"]
    resources: ["clustersecretstores"]
    verbs: ["get"]
  # For stores that choose namespaces by their labels.
  - apiGroups: [""]
    resources: ["namespaces"]
    verbs: ["get"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "platform-secrets-retire"}
rules:
  # `retire --cluster` and `rotate`, which look for whatever in the cluster still reads or writes a store. Without it
  # `rotate` follows the secrets of the environment alone, and exits 4. In other namespaces that it finds readers in,
  # it needs the two Roles above too.
  - apiGroups: ["external-secrets.io"]
    resources: ["externalsecrets", "clusterexternalsecrets", "secretstores", "clustersecretstores",
      "pushsecrets", "clusterpushsecrets"]
    verbs: ["list"]
  - apiGroups: ["generators.external-secrets.io"]
    resources: ["vaultdynamicsecrets", "clustergenerators"]
    verbs: ["list"]
"""


def rbac(environment: Environment) -> str:
    """Roles for each namespace of the environment's secrets and the ClusterRoles, as YAML."""
    spaces = dict.fromkeys(each.namespace for each in environment.secrets.values() if each.namespace is not None)
    kinds = {(each.store.kind, each.namespace) for each in environment.secrets.values() if each.store is not None}
    roles = ""
    for space in spaces:
        own_stores = _OWN_STORES if ("SecretStore", space) in kinds else ""
        roles += _OF_NAMESPACE.replace("OWN_STORES", own_stores).replace("NAMESPACE", space)
    # Without --root: a path of one machine is of no use in a file for a cluster, and a line break ends a comment.
    return (
        f"# What `{PROGRAM} status {environment.name} --cluster` and `--wait` ask for.\n"
        "# `rotate` needs the same, platform-secrets-force-sync and platform-secrets-retire.\n"
        '# Bind the roles to the people who run the commands. Without a rule, what it is for is "not asked".\n'
        f"{roles}{_OF_CLUSTER}"
    )
