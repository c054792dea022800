"""A secret is read from a store that has no address.

Without `server` or `vaultUrl` the store cannot be verified, migrated or rendered, and nobody can say which vault the
secret comes from: two environments could share one without anyone noticing.

    stores:
      azure: {provider: azurekv, name: azure-keyvault-store}
    secrets:
      github: {store: azure}

Write the address in the layer that knows it, usually the environment's own file:

    stores:
      azure: {vaultUrl: https://ai-platform-prod.vault.azure.net}

`AZURE_KEYVAULT_NAME=ai-platform-prod` fills it in for one run. A store that no secret reads may go without.
"""

from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Findings, Related, rule, store_finding


@rule("unreachable-store", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    if environment.damaged or all(store.address for store in environment.stores.values()):
        return
    for store in environment.stores_in_use():
        if store.address:
            continue
        reader = next(secret for secret in environment.secrets.values() if secret.store is store)
        related: tuple[Related, ...] = ()
        if reader.store_node is not None:
            related = (Related(f'"{reader.id}" is read from it by this', reader.store_node.span),)
        provider = store.provider
        way_out = f"add `{provider.address}: {provider.example}`"
        if provider.variable:
            way_out += f", or set {provider.variable}"
        message = f'has no "{provider.address}", but environment "{environment.name}" reads from it'
        yield store_finding(store, store.node.key_span, message, way_out, related)
