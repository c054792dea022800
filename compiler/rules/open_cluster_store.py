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

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, rule, store_finding


@rule("open-cluster-store", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered or store.kind != "ClusterSecretStore" or environment.damaged:
            continue
        conditions = store.node.nearest("conditions", "namespaces")
        if not conditions.items:
            namespace = environment.root.text("namespace") or "NAMESPACE"
            way_out = f"add `conditions: {{namespaces: [{namespace}]}}` to it"
            yield store_finding(store, conditions.key_span, "is open to every namespace", way_out)
