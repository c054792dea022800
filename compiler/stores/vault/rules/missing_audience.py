"""A rendered Vault store logs in by Kubernetes without an audience.

Without one, External Secrets Operator asks for a token that is meant for the cluster's own API server and hands it to
Vault: whoever gets hold of it there can use it against the cluster. A role without an audience takes tokens that were
made for anybody; Vault warns of it in its log.

    auth:
      kubernetes:
        role: external-secrets
        serviceAccount: {name: external-secrets, namespace: external-secrets}

Ask for the audience that the role has:

    auth:
      kubernetes:
        role: external-secrets
        serviceAccount: {name: external-secrets, namespace: external-secrets, audiences: [vault]}

and set it on the role: `vault write auth/kubernetes/role/external-secrets audience=vault …`. With an audience that the
role does not have, the log-in fails with `invalid audience`. Waive this rule where the role cannot be changed, or where
Vault has each token reviewed by the API server with that token itself.
"""

from compiler.rules.api import ENVIRONMENT, WARNING, Environment, Findings, rule, store_finding
from compiler.stores.vault.provider import PROVIDER


@rule("missing-audience", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if not store.rendered or store.provider is not PROVIDER:
            continue
        account = store.node.get("auth", "kubernetes", "serviceAccount")
        if account is not None and not account.nearest("audiences").items:
            way_out = "add `audiences: [vault]` and set the same audience on the Vault role"
            yield store_finding(store, account.key_span, "logs in to Vault without an audience", way_out)
