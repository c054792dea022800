"""A store's address that clients cannot use as it is written.

An address is an http or https URL with a host. A user name or password in it would be committed, a query or fragment
means nothing, and `/v1` or `/ui` at the end of a Vault address is added a second time by every client. A Key Vault
has nothing but a host, is reached by https only, and its own name has 3 to 24 letters, digits and single hyphens.

    stores:
      vault: {server: vault.example.com:8200/v1}
      azure: {vaultUrl: http://ai-platform-prod.vault.azure.net/secrets}

Write the scheme and the host, and the port where it is not the default one:

    stores:
      vault: {server: https://vault.example.com:8200}
      azure: {vaultUrl: https://ai-platform-prod.vault.azure.net}

From a page of the Azure portal, or a resource id, the name behind `Microsoft.KeyVault/vaults/` is taken. A host that is
no vault's says no name.
"""

from compiler.model.store import parse_address
from compiler.rules.api import ENVIRONMENT, ERROR, Environment, Finding, Findings, Store, rule
from compiler.text.wording import typing_mistake


@rule("invalid-address", ERROR, ENVIRONMENT)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        for setting, text in store.addresses:
            problem = _problem(store, text)
            if problem is not None:
                node = store.node.nearest(setting)
                message, way_out = problem
                # Whatever is wrong with it, there may be a password in it.
                conceals = (node.span,) if "@" in text or "?" in text or "#" in text else ()
                subject = f'the address of the store "{store.id}" {message}'
                way_out = way_out or f"write it as {store.provider.url_meant(text, store.node.text)}"
                yield Finding(subject, node, help=way_out, conceals=conceals, scope=("stores", store.id))


def _problem(store: Store, text: str) -> tuple[str, str | None] | None:
    """The mistake, as the end of a sentence, and the way out where it is not to write the URL that is meant."""
    address = parse_address(text)
    if address is None:
        return "is not an http or https URL with a host", typing_mistake(text)
    if address.extra:
        return f"has {'a user name or password' if 'user' in address.extra else f'a {address.extra[0]}'} in it", None
    return store.provider.address_problem(address)
