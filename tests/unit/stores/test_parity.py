from __future__ import annotations

from compiler.stores.azure_key_vault.provider import expected_spec as key_vault_spec
from compiler.stores.vault.provider import expected_spec as vault_spec

KEY = {"name": "a", "key": "b"}


def test_a_vault_is_derived_from_its_settings_alone() -> None:
    store = {"server": "https://v", "vaultNamespace": "team", "auth": {"token": KEY}}
    assert vault_spec(store, "2.9") == {
        "server": "https://v",
        "path": "secret",
        "version": "v2",
        "namespace": "team",
        "auth": {"tokenSecretRef": KEY},
    }


def test_a_key_vault_says_which_client_is_used_from_the_operator_that_knows_it() -> None:
    store = {"vaultUrl": "https://v", "auth": {"managedIdentity": {"clientId": "c"}}}
    expected = {"vaultUrl": "https://v", "environmentType": "PublicCloud", "authType": "ManagedIdentity"}
    assert key_vault_spec(store, "0.19") == {**expected, "identityId": "c"}
    assert key_vault_spec(store, "0.20") == {**expected, "identityId": "c", "useAzureSDK": False}
