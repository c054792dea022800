"""Lists the providers: a new one is a folder beside the others, and a line in this file."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from compiler.model.environment import TARGET
from compiler.model.provider import Provider, unknown_identity, unknown_provider
from compiler.model.store import StoreIdentity
from compiler.model.values import child
from compiler.stores.azure_key_vault.provider import PROVIDER as KEY_VAULT
from compiler.stores.vault.provider import PROVIDER as VAULT
from compiler.text.wording import suggest

PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType({each.id: each for each in (VAULT, KEY_VAULT)})
# What `new store` takes for the stores of one provider, by the flags.
STORE_OPTIONS: Final = MappingProxyType({option.flag: option for each in PROVIDERS.values() for option in each.options})
# How a new secret is named where the catalogue has no pattern of its own.
PATTERNS: Final = MappingProxyType(
    {TARGET: "{name}-{secret}", **{each.id: f"{{namespace}}{each.separator}{{secret}}" for each in PROVIDERS.values()}}
)


def provider_of(name: str | None) -> Provider:
    """The provider of that id, or one of which nothing is known."""
    return PROVIDERS.get(name or "") or unknown_provider("")


def provider_called(word: str) -> Provider | None:
    """The provider that people call `word`."""
    plain = word.lower().replace("-", "").replace("_", "")
    return next((each for each in PROVIDERS.values() if plain in each.called), None)


def suggest_store(word: str, providers: Mapping[str, str | None]) -> str | None:
    """The help line for an unknown store; a word that means a provider leads to its store, not to a similar name."""
    provider = provider_called(word)
    of_provider = [store for store, its in providers.items() if provider is not None and its == provider.id]
    if len(of_provider) == 1:
        return f'did you mean "{of_provider[0]}"?'
    return suggest(word if provider is None else "", providers, "stores")


def live_identity(store: Mapping[str, Any]) -> StoreIdentity:
    """The identity of a ClusterSecretStore or SecretStore, as the API returns it."""
    fields = child(store, "spec", "provider")
    for provider in PROVIDERS.values():
        if provider.id in fields:
            return provider.live_identity(child(fields, provider.id))
    return unknown_identity(str(next(iter(fields), "")), fields)
