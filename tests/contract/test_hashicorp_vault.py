"""The community edition of HashiCorp's Vault, which ignores namespaces: run where VAULT_BINARY names its program."""

from collections.abc import Callable
from functools import partial

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import SecretWriter
from compiler.stores.secret_value import SecretValue
from tests.openbao_servers import VAULT_BINARY
from tests.refusals import is_refused

OpenVault = Callable[..., SecretWriter]


@pytest.fixture
def vault(openbao: LocalOpenBao) -> LocalOpenBao:
    if not VAULT_BINARY:
        pytest.skip("VAULT_BINARY names no program of HashiCorp's Vault")
    if openbao.call("GET", "sys/health").get("enterprise") is not False:
        pytest.skip("VAULT_BINARY names no community edition")
    return openbao


def test_a_namespace_that_it_ignores_is_refused_before_a_token_is_sent(
    vault: LocalOpenBao, open_vault: OpenVault
) -> None:
    vault.call("POST", "secret/data/namespaces", {"data": {"A": "1"}})
    for environ, given, remedy in (
        ({"VAULT_NAMESPACE": "nobody"}, {}, "unset VAULT_NAMESPACE"),
        ({}, {"vault_namespace": "nobody"}, "remove vaultNamespace"),
    ):
        store = open_vault(vault.url, {"VAULT_TOKEN": vault.token, **environ}, **given)
        for act in (
            partial(store.read, "namespaces"),
            partial(store.write, "namespaces", {"A": SecretValue("2")}, None),
        ):
            with pytest.raises(StoreError, match="ignores namespaces", check=is_refused(Code.WRONG_MOUNT)) as caught:
                act()
            assert caught.value.remedy == remedy
    assert vault.call("GET", "secret/data/namespaces")["data"]["data"] == {"A": "1"}


def test_without_one_or_in_the_root_it_is_read(vault: LocalOpenBao, open_vault: OpenVault) -> None:
    vault.call("POST", "secret/data/namespaces", {"data": {"A": "1"}})
    for given in ({}, {"vault_namespace": "root"}):
        store = open_vault(vault.url, {"VAULT_TOKEN": vault.token}, **given)
        found = store.cluster()
        assert found is not None
        assert found.has_namespaces is False
        assert store.read("namespaces").properties["A"].reveal() == "1"
