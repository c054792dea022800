"""Describes the objects of a SecretProviderClass for the Azure provider of the Secrets Store CSI driver."""

from collections.abc import Mapping

from compiler.stores.azure_key_vault.provider import key_vault_url

# What an object is called by `secretObjects`, the first that it has; its remote key; it is always whole.
NAMES, KEY, PROPERTY = ("objectAlias", "objectName"), "objectName", None
# What an object may say beside that: no key, no certificate, no fixed version, no decoding.
ONLY: Mapping[str, tuple[str, ...]] = {
    "objectType": ("secret",),
    "objectVersion": ("",),
    "objectVersionHistory": (),
    "objectFormat": ("pem",),
    "objectEncoding": ("utf-8",),
}


def settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """The settings of an environment's store that the parameters mean."""
    cloud = parameters.get("cloudName", "").removeprefix("Azure")
    vault, tenant = parameters.get("keyvaultName", ""), parameters.get("tenantId") or parameters.get("tenantID")
    found = {"vaultUrl": key_vault_url(vault, cloud)} if vault else {}
    return found | ({"tenantId": tenant} if tenant else {}) | ({"environmentType": cloud} if cloud else {})
