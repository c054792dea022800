"""A store's prefix does not end in a separator.

The prefix is put before each remote name as it is. `prod` makes `prodai-platform-engineering/github-secret`, which
does not exist.

    stores:
      vault: {provider: vault, prefix: prod}

End it with `/` on Vault and with `-` on Key Vault:

    stores:
      vault: {provider: vault, prefix: prod/}
      azure: {provider: azurekv, prefix: prod-}
"""

from compiler.rules.api import ENVIRONMENT, WARNING, Environment, Finding, Findings, quote, rule


@rule("unseparated-prefix", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.prefix and not store.prefix.endswith(("/", "-", "_", ".")):
            yield Finding(
                f"the prefix {quote(store.prefix)} does not end in a separator",
                store.node.nearest("prefix"),
                help=f"write {quote(store.prefix + store.provider.separator)}",
                scope=("stores", store.id),
            )
