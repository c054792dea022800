"""A rendered ClusterSecretStore is open to every namespace.

Without conditions, anyone who may create an ExternalSecret anywhere in the cluster reads every secret that the store
can read.

    stores:
      vault: {render: true, kind: ClusterSecretStore}

Name the namespaces that may use it:

    stores:
      vault:
        render: true
        conditions: {namespaces: [ai-platform-engineering]}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment


def check(environment: Environment) -> Iterator[Finding]:
    for store in environment.stores.values():
        if not store.rendered or store.kind != "ClusterSecretStore" or environment.damaged:
            continue
        conditions = store.node.nearest("conditions", "namespaces")
        if not conditions.items:
            namespace = environment.root.text("namespace") or "NAMESPACE"
            yield Finding(
                f'the store "{store.id}" is open to every namespace',
                conditions.key_span,
                help=f"add `conditions: {{namespaces: [{namespace}]}}` to it",
                scope=("stores", store.id),
            )


RULE = Rule("open-cluster-store", Severity.ERROR, Scope.ENVIRONMENT, page=__doc__, check=check)
