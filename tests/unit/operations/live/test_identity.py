from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from compiler.model.store_address import Provider, StoreAddress
from compiler.operations.live.identity import folded, identities, identity, is_same, server, written
from compiler.operations.live.stores import AddressError, LiveStores

if TYPE_CHECKING:
    from compiler.model.environment import Environment

VAULT, AZURE = Provider.VAULT, Provider.AZURE_KEY_VAULT


def vault(url: str, mount: str = "secret", namespace: str | None = None) -> str:
    return identity(StoreAddress(VAULT, url, mount, namespace))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (vault("https://Vault.example.com"), vault("https://vault.example.com:443/")),
        (vault("http://vault.vault.svc:80"), vault("http://vault.vault.svc")),
        (vault("https://v:8200", "/secret/", "team/"), vault("https://v:8200", "secret", "team")),
        (vault("https://v", "team/secret"), vault("https://v", "secret", "team")),
        (vault("no url/"), vault("NO URL")),
        (identity(StoreAddress(AZURE, "https://V.vault.azure.net/")), server(AZURE, "https://v.vault.azure.net", None)),
        (identity(StoreAddress(AZURE, "https://v", mount="a")), identity(StoreAddress(AZURE, "https://v", mount="b"))),
    ],
)
def test_one_store_has_one_identity_however_it_is_written(one: str, other: str) -> None:
    assert one == other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (vault("https://v:8200"), vault("https://v:8201")),
        (vault("https://v"), vault("https://v/other")),
        (vault("https://v"), vault("https://v", "kv")),
        (vault("https://v"), vault("https://v", namespace="team")),
        (vault("https://v", ""), identity(StoreAddress(AZURE, "https://v"))),
    ],
)
def test_two_stores_have_two(one: str, other: str) -> None:
    assert one != other


def test_only_key_vault_folds_names() -> None:
    assert (folded("A/b", VAULT), folded("A-b", AZURE)) == ("A/b", "a-b")


def test_a_store_without_address_has_none(environment: Environment) -> None:
    store = environment.stores["vault"]
    assert written(store) == StoreAddress(VAULT, "https://vault.example.com:8200", "secret", None)
    assert written(replace(store, address=None)) is None


def test_a_store_is_known_by_its_own_address_and_as_it_is_reached_from_here(environment: Environment) -> None:
    store = environment.stores["vault"]
    here, there = vault("http://127.0.0.1:8200"), vault("https://vault.example.com:8200")
    forwarded = LiveStores({"VAULT_ADDR": "http://127.0.0.1:8200"})
    assert identities(store, LiveStores({})) == {there}
    assert identities(store, forwarded) == {here, there}
    nowhere = replace(store, address=None)
    assert identities(nowhere, forwarded) == {here}
    with pytest.raises(AddressError):
        identities(nowhere, LiveStores({}))


def test_another_store_is_the_same_by_its_address_or_where_it_has_none(environment: Environment) -> None:
    store = environment.stores["vault"]
    own, live = identities(store, LiveStores({})), LiveStores({})
    assert is_same(replace(store, address="https://VAULT.example.com:8200/"), own, live)
    assert not is_same(replace(store, address="https://other.example.com"), own, live)
    assert not is_same(replace(store, mount="kv"), own, live)
    nowhere = replace(store, address=None)
    assert is_same(nowhere, own, live)
    assert is_same(nowhere, own, LiveStores({"VAULT_ADDR": "https://vault.example.com:8200"}))
    assert not is_same(nowhere, own, LiveStores({"VAULT_ADDR": "http://127.0.0.1:8200"}))
