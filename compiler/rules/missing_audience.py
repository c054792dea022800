"""A rendered Vault store logs in by Kubernetes without an audience.

Vault from 1.21 on wants an audience on the roles of its Kubernetes auth method, and refuses tokens that were made for
another one. A role that works today fails with `invalid audience` on the day that Vault is upgraded.

    auth:
      kubernetes:
        role: external-secrets
        serviceAccount: {name: external-secrets, namespace: external-secrets}

Ask for the audience that the role has:

    auth:
      kubernetes:
        role: external-secrets
        serviceAccount: {name: external-secrets, namespace: external-secrets, audiences: [vault]}

and set it on the role: `vault write auth/kubernetes/role/external-secrets audience=vault …`. OpenBao and older Vaults
can do without; waive it there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.model.catalogue import VAULT
from compiler.model.diagnostic import Severity
from compiler.rules.interface import Finding, Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.model.environment import Environment


def check(environment: Environment) -> Iterator[Finding]:
    for store in environment.stores.values():
        if not store.rendered or store.provider != VAULT:
            continue
        account = store.node.get("auth", "kubernetes", "serviceAccount")
        if account is not None and not account.nearest("audiences").items:
            yield Finding(
                f'the store "{store.id}" logs in to Vault without an audience',
                account.key_span,
                help="add `audiences: [vault]` and set the same audience on the Vault role",
                scope=("stores", store.id),
            )


RULE = Rule("missing-audience", Severity.WARNING, Scope.ENVIRONMENT, page=__doc__, check=check, waivable=True)
