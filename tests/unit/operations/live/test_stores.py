from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from compiler.model.store_address import Provider, StoreAddress
from compiler.model.store_identity import written_identity
from compiler.operations.live.stores import AddressError, LiveStores, address_of
from compiler.stores.errors import Action, StoreLocation, TlsFailureError
from compiler.stores.vault.store import VaultStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from compiler.model.environment import Environment, Store
    from compiler.stores.interface import SecretWriter

WRITTEN = "https://vault.example.com:8200"
FORWARDED = "http://127.0.0.1:8200"
KEY_VAULT = "https://agents.vault.azure.net"


class Adapter:
    """Remembers that it was closed."""

    def __init__(self, address: StoreAddress, environ: Mapping[str, str]) -> None:
        self.address = address
        self.environ = environ
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Opener:
    def __init__(self) -> None:
        self.made: list[Adapter] = []

    def __call__(self, address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        self.made.append(Adapter(address, environ))
        return cast("SecretWriter", self.made[-1])


@pytest.fixture
def vault(environment: Environment) -> Store:
    return environment.stores["vault"]


@pytest.fixture
def azure(environment: Environment) -> Store:
    return environment.stores["azure"]


def test_a_store_is_where_the_environment_says_with_all_that_tells_it_from_another(vault: Store, azure: Store) -> None:
    own = replace(vault, mount="kv", vault_namespace="team", prefix="prod/")
    assert address_of(own, {}) == StoreAddress(Provider.VAULT, WRITTEN, "kv", "team", "prod/")
    assert address_of(vault, {}) == StoreAddress(Provider.VAULT, WRITTEN, "secret")
    found = address_of(replace(azure, prefix="prod-"), {})
    assert (found.provider, found.url, found.prefix) == (Provider.AZURE_KEY_VAULT, KEY_VAULT, "prod-")
    assert found.absolute == KEY_VAULT


@pytest.mark.parametrize(
    ("written", "variable", "expected"),
    [
        (WRITTEN, FORWARDED, FORWARDED),
        (None, FORWARDED, FORWARDED),
        (WRITTEN, "", WRITTEN),
        (WRITTEN, None, WRITTEN),
    ],
)
def test_a_port_forward_replaces_the_clusters_own_address_of_vault(
    vault: Store, written: str | None, variable: str | None, expected: str
) -> None:
    environ = {} if variable is None else {"VAULT_ADDR": variable}
    assert address_of(replace(vault, address=written), environ).url == expected


def test_a_written_namespace_of_vault_stands_and_the_variable_fills_its_place(vault: Store) -> None:
    outside = {"VAULT_NAMESPACE": "outside"}
    assert address_of(replace(vault, vault_namespace="team"), outside).vault_namespace == "team"
    assert address_of(vault, outside).vault_namespace == "outside"
    assert address_of(vault, {"VAULT_NAMESPACE": ""}).vault_namespace is None


def test_vaults_variables_say_nothing_about_key_vault(azure: Store) -> None:
    environ = {"VAULT_ADDR": FORWARDED, "VAULT_NAMESPACE": "outside"}
    assert address_of(azure, environ) == address_of(azure, {})
    assert address_of(azure, environ).vault_namespace is None
    with pytest.raises(AddressError):
        address_of(replace(azure, address=None), environ)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("vault", "add its server, or set VAULT_ADDR"), ("azure", "add its vaultUrl, or set AZURE_KEYVAULT_NAME")],
)
@pytest.mark.parametrize("address", [None, ""])
def test_a_store_without_an_address_says_what_to_write_or_to_set(
    environment: Environment, name: str, remedy: str, address: str | None
) -> None:
    with pytest.raises(AddressError) as caught:
        address_of(replace(environment.stores[name], address=address), {})
    assert (str(caught.value), caught.value.help) == (f'the store "{name}" has no address', remedy)


def test_a_key_vault_other_than_the_one_that_the_variable_names_is_not_opened(azure: Store, vault: Store) -> None:
    environ = {"AZURE_KEYVAULT_NAME": "Agents"}
    assert address_of(azure, environ) == address_of(azure, {})
    assert address_of(replace(azure, address="https://agents.vault.azure.cn/"), environ).url.endswith("azure.cn/")
    assert address_of(vault, environ) == address_of(vault, {})
    for written in (KEY_VAULT, "https://agents2.vault.azure.net", "https://localhost:8443"):
        with pytest.raises(AddressError) as caught:
            address_of(replace(azure, address=written), {"AZURE_KEYVAULT_NAME": "gents"})
        assert str(caught.value) == 'AZURE_KEYVAULT_NAME names another vault than the vaultUrl of the store "azure"'
        assert caught.value.help == "unset AZURE_KEYVAULT_NAME, or correct vaultUrl"
    assert address_of(azure, {"AZURE_KEYVAULT_NAME": ""}) == address_of(azure, {})


def test_a_store_is_opened_once_and_only_when_it_is_asked_for(vault: Store, azure: Store) -> None:
    opener, environ = Opener(), {"VAULT_TOKEN": "t"}
    with LiveStores(environ, opener) as stores:
        assert opener.made == []
        first = stores.open(vault)
        assert stores.open(vault) is first
        assert stores.open(azure) is not first
    assert [each.address for each in opener.made] == [address_of(vault, {}), address_of(azure, {})]
    assert all(each.environ is environ for each in opener.made)


@pytest.mark.parametrize(
    ("environ", "is_told"),
    [
        ({}, True),
        ({"PLATFORM_SECRETS_VAULT_AUTH": "token"}, True),
        ({"VAULT_TOKEN": "t"}, False),
        ({"VAULT_TOKEN": ""}, False),
        ({"VAULT_TOKEN_FILE": "t"}, False),
        ({"PLATFORM_SECRETS_VAULT_AUTH": "approle"}, False),
    ],
)
def test_a_token_that_lies_in_the_home_folder_is_told_once(
    vault: Store, azure: Store, environ: dict[str, str], tmp_path: Path, *, is_told: bool
) -> None:
    told: list[str] = []
    (tmp_path / ".vault-token").write_text("t")
    environ = {**environ, "HOME": str(tmp_path)}
    with LiveStores(environ, Opener()) as stores:
        stores.tell_by(told.append)
        stores.open(azure)
        assert told == []
        stores.open(vault)
        stores.open(replace(vault, mount="other"))
    address = address_of(vault, environ).absolute
    note = f"VAULT_TOKEN is not set: logging in to {address} with the token of ~/.vault-token"
    assert told == ([note] if is_told else [])


def test_two_names_of_one_address_share_an_adapter_and_its_limits(vault: Store) -> None:
    opener = Opener()
    with LiveStores({}, opener) as stores:
        same = stores.open(vault)
        assert stores.open(replace(vault, id="other", name="other-store", kind="SecretStore")) is same
        for other in (
            replace(vault, mount="kv"),
            replace(vault, vault_namespace="team"),
            replace(vault, prefix="prod/"),
            replace(vault, address="https://other.example.com"),
        ):
            assert stores.open(other) is not same
    assert len(opener.made) == 5


def test_all_are_closed_once_at_the_end_whatever_ended_it(vault: Store, azure: Store) -> None:
    opener = Opener()
    stores = LiveStores({}, opener)

    def run() -> None:
        with stores:
            stores.open(vault)
            stores.open(azure)
            assert [each.closed for each in opener.made] == [0, 0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert [each.closed for each in opener.made] == [1, 1]
    with stores:
        stores.open(vault)
    assert [each.closed for each in opener.made] == [1, 1, 1]


def test_a_store_that_cannot_be_opened_is_tried_again_and_never_handed_out(vault: Store) -> None:
    error = TlsFailureError(StoreLocation(WRITTEN), Action.CONNECT, "the authority is unknown", "name its file")
    opener, tries = Opener(), 0

    def failing_once(address: StoreAddress, environ: Mapping[str, str]) -> SecretWriter:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error
        return opener(address, environ)

    with LiveStores({}, failing_once) as stores:
        with pytest.raises(TlsFailureError) as caught:
            stores.open(vault)
        assert caught.value is error
        assert stores.open(vault).address.url == WRITTEN
    assert [each.closed for each in opener.made] == [1]


def test_without_another_opener_it_is_the_providers_own_adapter(vault: Store) -> None:
    with LiveStores({"VAULT_TOKEN": "t"}) as stores:
        opened = stores.open(vault)
        assert isinstance(opened, VaultStore)
        assert opened.address == address_of(vault, {})


def test_a_store_is_known_by_its_own_address_and_as_it_is_reached_from_here(vault: Store) -> None:
    written = written_identity(vault)
    forwarded = LiveStores({"VAULT_ADDR": "http://127.0.0.1:8200"})
    here = replace(written, server="localhost:8200")
    assert LiveStores({}).identities(vault) == (written,)
    assert forwarded.identities(vault) == (here, written)
    nowhere = replace(vault, address=None)
    assert forwarded.identities(nowhere) == (here,)
    with pytest.raises(AddressError):
        LiveStores({}).identities(nowhere)
