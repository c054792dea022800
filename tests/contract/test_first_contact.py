"""A host that nobody reaches is told soon; one that has answered is waited for. The same for every adapter."""

import socket

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.errors import Code, NotFoundError, StoreError
from compiler.stores.interface import StoreOptions, open_store
from tests import providers
from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.faulty_key_vault import Fault as VaultFault
from tests.faulty_key_vault import FaultKind, FaultyKeyVault, VaultOptions
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock


def refused(provider: Provider, host: str, clock: VirtualClock) -> StoreError:
    """The error of a first read of the store at `host`."""
    variables = {"VAULT_TOKEN": "t", "AZURE_KEYVAULT_TOKEN": "t"}
    store = open_store(StoreAddress(provider, f"https://{host}"), variables, StoreOptions(clock=clock))
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE, Code.UNREACHABLE)) as caught:
        store.read("agents")
    store.close()
    return caught.value


@pytest.mark.parametrize("provider", [providers.VAULT, providers.KEY_VAULT])
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "the name server gives no answer for the host name store.example.com, tried for 9 s",
        ),
        (
            ConnectionRefusedError(111, "Connection refused"),
            "store.example.com:443 refuses the connection, tried for 9 s",
        ),
        (OSError(113, "No route to host"), "no network route leads to it, tried for 9 s"),
    ],
)
def test_what_may_pass_is_given_up_after_ten_seconds(
    provider: Provider, trouble: OSError, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise trouble

    monkeypatch.setattr(socket, "getaddrinfo", failing)
    if not isinstance(trouble, socket.gaierror):
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [address])
        monkeypatch.setattr(socket.socket, "connect", failing)
    clock = VirtualClock()
    error = refused(provider, "store.example.com", clock)
    assert (error.code, error.reason) == ("unavailable", reason)
    # The last second was for the last attempt, which failed at once.
    assert clock.now() == pytest.approx(9, abs=0.1)


def test_a_vault_that_has_answered_is_waited_for_through_a_restart(openbao: LocalOpenBao) -> None:
    clock, down = VirtualClock(), 60.0
    is_down = False
    with FaultyGateway(
        openbao.url, lambda _: GatewayFault(drop_before=True) if is_down and clock.now() < down else None
    ) as gateway:
        options = StoreOptions(clock=clock)
        store = open_store(StoreAddress(providers.VAULT, gateway.url), {"VAULT_TOKEN": openbao.token}, options)
        store.whoami()
        is_down = True
        with pytest.raises(NotFoundError):
            store.read("never/was")
        store.close()
    assert clock.now() >= down


def test_a_key_vault_that_has_answered_is_waited_for_through_a_restart() -> None:
    clock = VirtualClock()
    with FaultyKeyVault(VaultOptions()) as vault:
        store = open_store(StoreAddress(providers.KEY_VAULT, vault.url), vault.environ(), StoreOptions(clock=clock))
        store.whoami()
        # With waits of at most 15 s each, so many failures in a row are more than ten seconds of them.
        vault.add_fault(VaultFault(FaultKind.STATUS, times=12, status=503))
        with pytest.raises(NotFoundError):
            store.read("never-was")
        store.close()
    assert clock.now() > 10
