"""A host that nobody reaches is told soon; one that has answered is waited for. The same for every adapter."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from compiler.demo.faulty_gateway import Fault, FaultyGateway
from compiler.demo.key_vault.faults import Fault as VaultFault
from compiler.demo.key_vault.faults import FaultKind
from compiler.demo.local_key_vault import LocalKeyVault, VaultOptions
from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.errors import NotFoundError, UnavailableError
from compiler.stores.open import open_store
from compiler.stores.options import StoreOptions
from compiler.stores.sending.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.demo.local_openbao import LocalOpenBao


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that refuses every connection, and that nobody else can take meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


@pytest.mark.parametrize("provider", list(Provider))
def test_a_host_that_nobody_reaches_is_given_up_after_ten_seconds(provider: Provider, closed_port: int) -> None:
    clock = VirtualClock()
    variables = {"VAULT_TOKEN": "t", "AZURE_KEYVAULT_TOKEN": "t"}
    scheme = "https" if provider is Provider.AZURE_KEY_VAULT else "http"
    store = open_store(
        StoreAddress(provider, f"{scheme}://127.0.0.1:{closed_port}"), variables, StoreOptions(clock=clock)
    )
    with pytest.raises(UnavailableError) as caught:
        store.read("agents")
    store.close()
    assert caught.value.reason.endswith(", with no answer for 9 s")
    # The last second was for the last attempt, which failed at once.
    assert clock.now() == pytest.approx(9, abs=0.1)


def test_a_vault_that_has_answered_is_waited_for_through_a_restart(openbao: LocalOpenBao) -> None:
    clock, down = VirtualClock(), 60.0
    is_down = False
    with FaultyGateway(
        openbao.url, lambda _: Fault(drop_before=True) if is_down and clock.now() < down else None
    ) as gateway:
        options = StoreOptions(clock=clock)
        store = open_store(StoreAddress(Provider.VAULT, gateway.url), {"VAULT_TOKEN": openbao.token}, options)
        store.whoami()
        is_down = True
        with pytest.raises(NotFoundError):
            store.read("never/was")
        store.close()
    assert clock.now() >= down


def test_a_key_vault_that_has_answered_is_waited_for_through_a_restart() -> None:
    clock = VirtualClock()
    with LocalKeyVault(VaultOptions()) as vault:
        store = open_store(
            StoreAddress(Provider.AZURE_KEY_VAULT, vault.url), vault.environ(), StoreOptions(clock=clock)
        )
        store.whoami()
        # With waits of at most 15 s each, so many failures in a row are more than ten seconds of them.
        vault.add_fault(VaultFault(FaultKind.STATUS, times=12, status=503))
        with pytest.raises(NotFoundError):
            store.read("never-was")
        store.close()
    assert clock.now() > 10
