"""Two stores of an environment have the same kind and name in the cluster, but are different stores.

`kind` and `name` say which object an ExternalSecret refers to. If two ids with the same object differ in provider,
address, mount or namespace, only one can be right: the secrets of one are read from the other. If both are rendered,
the same object would be made twice.

    stores:
      vault: {provider: vault, name: platform-store, server: https://vault.example.com}
      azure: {provider: azurekv, name: platform-store, vaultUrl: https://ai-platform-prod.vault.azure.net}

Give each object its own name:

    stores:
      vault: {provider: vault, name: vault-secret-store, server: https://vault.example.com}
      azure: {provider: azurekv, name: azure-keyvault-store, vaultUrl: https://ai-platform-prod.vault.azure.net}

Two ids may share an object where only their `prefix` differs.
"""

from compiler.model.store import Sameness, compare_stores
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Related, Store, quote, rule


@rule("duplicate-store-name", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    seen: dict[tuple[str, str], Store] = {}
    for store in environment.stores.values():
        first = seen.setdefault((store.kind, store.name), store)
        if first is store or not store.name:
            continue
        if _differ(first, store):
            problem = "are the same object in the cluster, but differ"
        elif first.rendered and store.rendered:
            problem = "would be rendered as the same object"
        else:
            continue
        yield Finding(
            f'the stores "{store.id}" and "{first.id}" {problem}: {store.kind} {quote(store.name)}',
            store.node.nearest("name"),
            help="give each its own `name`",
            related=(Related(f'the name of "{first.id}"', first.node.nearest("name").span),),
            scope=("stores", store.id),
        )


def _differ(first: Store, second: Store) -> bool:
    one, other = first.identity._replace(has_namespaces=True), second.identity
    # An address that is missing may be that of the other.
    server = one.server or other.server or ""
    one, other = (each._replace(server=each.server or server) for each in (one, other))
    return compare_stores(one, other) is not Sameness.SAME
