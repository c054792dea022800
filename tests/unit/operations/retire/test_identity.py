from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.model.store_address import Provider, StoreAddress
from compiler.operations.retire.identity import folded, identity, server, written

if TYPE_CHECKING:
    from tests.unit.operations.retire.conftest import Bench

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


def test_only_key_vault_folds_names_and_a_store_without_address_has_none(bench: Bench) -> None:
    assert (folded("A/b", VAULT), folded("A-b", AZURE)) == ("A/b", "a-b")
    store = bench.environment().stores["vault"]
    assert written(store) == StoreAddress(VAULT, "https://vault.example.com:8200", "secret", None)
    bench.base('vault-store, server: "https://vault.example.com:8200", mount: secret', "vault-store, prefix: p-")
    assert written(bench.environment().stores["vault"]) is None
