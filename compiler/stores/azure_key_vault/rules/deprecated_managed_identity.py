"""A rendered Key Vault store logs in by managed identity, which the operator calls deprecated.

External Secrets Operator still has it; what it was made for, AAD Pod Identity, has ended. It is a note: with `--strict`
too it changes no exit code.

    auth: {managedIdentity: {}}

Log in by a federated ServiceAccount, with `serviceAccount: {name: ..., namespace: ...}`:

    auth: {workloadIdentity: {serviceAccount: {name: external-secrets, namespace: external-secrets}}}

Or waive it, where the nodes' own identity is meant:

    waive: {deprecated-managed-identity: the nodes' identity is enough in this cluster}
"""

from compiler.rules.api import ENVIRONMENT, NOTE, Environment, Findings, rule, store_finding
from compiler.stores.azure_key_vault.provider import PROVIDER


@rule("deprecated-managed-identity", NOTE, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        way = store.node.get("auth", "managedIdentity")
        if way is not None and store.rendered and store.provider is PROVIDER:
            message = "logs in by managed identity, which External Secrets Operator calls deprecated"
            yield store_finding(store, way.key_span, message, "log in by `workloadIdentity`, or waive this")
