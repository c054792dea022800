"""A Key Vault's host is not in the domain of its Azure cloud.

Each cloud has one domain for Key Vaults, and External Secrets Operator asks for its token at the cloud that
`environmentType` names (`PublicCloud` when absent). A misspelt domain is another owner's host, and a vault of another
cloud refuses the token.

    stores:
      azure: {provider: azurekv, vaultUrl: https://ai-platform-prod.vault.azure.com}

Write the domain of the cloud, and its name where it is not the public one:

    stores:
      azure: {provider: azurekv, vaultUrl: https://ai-platform-prod.vault.azure.net}
      china: {provider: azurekv, environmentType: ChinaCloud, vaultUrl: https://ai-platform.vault.azure.cn}

It is a warning, and can be waived, for emulators and private names.
"""

from compiler.model.store import parse_address
from compiler.rules.api import ENVIRONMENT, WARNING, Environment, Finding, Findings, rule, waiver
from compiler.stores.azure_key_vault.provider import (
    CLOUDS,
    DEFAULT_CLOUD,
    PROVIDER,
    cloud_of,
    key_vault_url,
    vault_name_of,
)


@rule("unexpected-vault-domain", WARNING, ENVIRONMENT, waivable=True)
def check(environment: Environment) -> Findings:
    for store in environment.stores.values():
        if store.provider is not PROVIDER or not store.address:
            continue
        cloud = store.node.text("environmentType") or DEFAULT_CLOUD
        # The first is the quick answer for nearly every address.
        if cloud not in CLOUDS or store.address.rstrip("/").endswith(f".{CLOUDS[cloud]}"):
            continue
        address = parse_address(store.address)
        # `invalid-address` reports what is not an address at all, or a page's.
        if address is None or address.extra or address.path:
            continue
        other = cloud_of(address.host)
        if other == cloud:
            continue
        url = key_vault_url(vault_name_of(address.host), cloud)
        wanted = f"set `environmentType: {other}`" if other else f"write {url}"
        yield Finding(
            f'the host of the store "{store.id}" does not end in ".{CLOUDS[cloud]}", the domain of {cloud}',
            store.node.nearest("vaultUrl"),
            help=f"{wanted}; {waiver('unexpected-vault-domain', store.id)}",
            scope=("stores", store.id),
        )
