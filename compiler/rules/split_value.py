"""Secrets that have a value in common read it from different stores.

A key that takes its value `from` another is read at the same place, but in the store of its own secret. In two stores
there are two values: a rotation that sets one leaves the other as it was, and pods disagree.

    # environments/catalogue.yaml: OIDC_CLIENT_SECRET of ui is {from: oidc/CLIENT_SECRET}
    # environments/prod.yaml
    store: vault
    secrets:
      oidc: {}
      ui: {store: azure}

Let them read one store; `cutover` moves them together:

    secrets:
      oidc: {store: azure}
      ui: {store: azure}

If something else keeps both stores alike, waive it:

    secrets:
      ui:
        store: azure
        waive: {split-value: a pipeline writes both stores}
"""

from compiler.model.environment import Environment, Secret
from compiler.rules.api import ENVIRONMENT, WARNING, CatalogueKey, Finding, Findings, Related, rule, waiver
from compiler.text.wording import list_names, quote


@rule("split-value", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    first: dict[CatalogueKey, Secret] = {}
    parted: dict[tuple[Secret, Secret], list[str]] = {}
    for name, key in environment.shared_keys():
        secret = environment.secrets[name]
        other = first.setdefault(key.value_key, secret)
        if other.store is not secret.store and other.store is not None and secret.store is not None:
            parted.setdefault((other, secret), []).append(key.name)
    for (other, secret), keys in parted.items():
        yield _finding(other, secret, keys)


def _finding(other: Secret, secret: Secret, keys: list[str]) -> Finding:
    one, two = (quote(each.store.id if each.store is not None else "") for each in (secret, other))
    # The line that sets one secret apart from the rest.
    at = next((each.node.children["store"] for each in (secret, other) if "store" in each.node.children), None)
    return Finding(
        f"{quote(secret.id)} reads {list_names(keys)} from {one}, but {quote(other.id)} has the same value from {two}",
        at if at is not None else secret.node.key_span,
        help=f"let both read one store; {waiver('split-value', secret.id)}",
        related=(Related("the other secret", other.node.key_span),),
        scope=("secrets", secret.id),
    )
