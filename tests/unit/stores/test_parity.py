from __future__ import annotations

import dis
from types import CodeType, FunctionType

import pytest

from compiler.stores.azure_key_vault.provider import expected_spec as key_vault_spec
from compiler.stores.registry import PROVIDERS
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


def globals_of(code: CodeType) -> set[str]:
    own = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return own.union(*(globals_of(each) for each in code.co_consts if isinstance(each, CodeType)))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_second_derivation_takes_nothing_from_the_descriptor_beside_it(provider: str) -> None:
    module = vars(PROVIDERS[provider].load("provider"))
    pending, known = ["expected_spec"], set[str]()
    while pending:
        name = pending.pop()
        function = module[name]
        # Helpers of its own stand below it; whatever stands above is the descriptor's.
        assert isinstance(function, FunctionType), name
        assert function.__code__.co_firstlineno >= module["expected_spec"].__code__.co_firstlineno, name
        known.add(name)
        pending += (globals_of(function.__code__) & module.keys()) - known
