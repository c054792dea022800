"""Describes the objects of a SecretProviderClass for Vault's provider of the Secrets Store CSI driver."""

from collections.abc import Mapping

# What an object is called by `secretObjects`, the first that it has; its remote key, and its property.
NAMES, KEY, PROPERTY = ("objectName",), "secretPath", "secretKey"
# What an object may say beside that; anything else is read in another way than the operator reads it.
ONLY: Mapping[str, tuple[str, ...]] = {"method": ("GET",), "secretArgs": (), "encoding": ("utf-8",)}


def settings(parameters: Mapping[str, str]) -> dict[str, str]:
    """The settings of an environment's store that the parameters mean."""
    known = {"server": parameters.get("vaultAddress", ""), "vaultNamespace": parameters.get("vaultNamespace", "")}
    return {name: text for name, text in known.items() if text}
