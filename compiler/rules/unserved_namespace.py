"""A rendered store does not serve the namespace of a secret that is read from it.

The conditions of a ClusterSecretStore name the namespaces that may use it, and a SecretStore serves its own alone,
which is the environment's `namespace`. A secret elsewhere is refused by External Secrets Operator.

    namespace: ai-platform-engineering
    stores:
      vault: {render: true, conditions: {namespaces: [ai-platform-engineering]}}
    secrets:
      argocd: {namespace: argocd}

Add the namespace to the conditions:

    stores:
      vault: {render: true, conditions: {namespaces: [ai-platform-engineering, argocd]}}
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Related, Store, quote, rule


@rule("unserved-namespace", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered:
            continue
        served = _namespaces_of(store, environment)
        for secret in environment.secrets.values() if served else ():
            if secret.store is store and secret.namespace is not None and secret.namespace not in served:
                if store.kind == "ClusterSecretStore":
                    way_out = f'add {quote(secret.namespace)} to `conditions.namespaces` of "{store.id}"'
                else:
                    way_out = "make the store a ClusterSecretStore, or move the secret to the store's namespace"
                yield Finding(
                    f'the store "{store.id}" does not serve {quote(secret.namespace)}, the namespace of "{secret.id}"',
                    secret.node.get("namespace") or environment.root.nearest("namespace"),
                    help=way_out,
                    related=(Related("the store", store.node.nearest("conditions", "namespaces").key_span),),
                    scope=("secrets", secret.id),
                )


def _namespaces_of(store: Store, environment: Environment) -> set[str]:
    """The namespaces the store serves; none at all where another rule finds that open."""
    if store.kind == "ClusterSecretStore":
        return {str(item.value) for item in store.node.nearest("conditions", "namespaces").items}
    namespace = environment.root.text("namespace")
    return {namespace} if namespace else set()
