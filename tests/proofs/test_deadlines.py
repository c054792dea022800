"""A store that trickles, throttles without end or logs in slowly ends a command with its operation's deadline.

The deadlines are short here; those of the commands are in `test_deadlines_in_real_time`, where a store trickles.
"""

import time
from contextlib import ExitStack
from threading import Event
from typing import Any

import pytest

from compiler.live.observation import read_all
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.azure_key_vault.store import AzureKeyVaultStore
from compiler.stores.errors import Code, StoreError
from compiler.stores.interface import StoreOptions, open_store
from compiler.stores.pacing import RetryPolicy
from tests import providers
from tests.faulty_gateway import FaultyGateway, GatewayFault
from tests.faulty_key_vault import Fault as KeyVaultFault
from tests.faulty_key_vault import FaultKind, FaultyKeyVault
from tests.pace import allowed_wall
from tests.proofs.conftest import World, on_stores
from tests.refusals import is_refused

SHORT = StoreOptions(retry=RetryPolicy(patience=1.2, first_contact=1.0, first_wait=0.05))
# A command's other work, and less than what is waited for.
AROUND, OTHERWISE = 8.0, 30.0


def key_vault_at(
    vault: FaultyKeyVault,
    credential: Any = None,  # noqa: ANN401 - any credential
    options: StoreOptions = SHORT,
) -> AzureKeyVaultStore:
    address = StoreAddress(providers.KEY_VAULT, vault.url)
    return AzureKeyVaultStore(address, vault.environ(), options, credential=credential)


def test_a_credential_that_gives_no_token_ends_with_the_operation(key_vault: FaultyKeyVault) -> None:
    over = Event()

    class Slow:
        def get_token(self, *_scopes: str, **_options: object) -> Any:  # noqa: ANN401 - azure's own
            over.wait(30)
            raise AssertionError

    # Without the time for a first contact: on a busy machine the challenge itself can take a second.
    patience = 3.0
    store = key_vault_at(key_vault, Slow(), StoreOptions(retry=RetryPolicy(patience=patience, first_wait=0.05)))
    began = time.monotonic()
    # Several at once: who waits for another's log-in waits no longer than for its own.
    found = read_all([(store, f"k{number}") for number in range(4)], 4)
    took = time.monotonic() - began
    over.set()
    store.close()
    reasons = {error.reason for error in found.values() if isinstance(error, StoreError)}
    # Not the first contact: the vault has answered with its challenge.
    assert reasons == {"Slow returned no token in time, still so after 3 s of retries"}
    assert took < allowed_wall(patience + AROUND, below=OTHERWISE)


def test_a_list_of_many_slow_pages_ends_with_the_operation(key_vault: FaultyKeyVault) -> None:
    for number in range(300):
        key_vault.seed("k", f"v{number}")
    key_vault.add_fault(KeyVaultFault(FaultKind.DELAY, times=None, seconds=1))
    store = key_vault_at(key_vault)
    began = time.monotonic()
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        store.describe("k")
    took = time.monotonic() - began
    store.close()
    assert took < 12, "all pages were waited for"


@pytest.mark.parametrize("retry_after", [None, "1", "3600"])
@pytest.mark.parametrize("provider", on_stores([providers.KEY_VAULT], [providers.VAULT]))
def test_endless_throttling_ends_with_the_operation(world: World, provider: Provider, retry_after: str | None) -> None:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    # Each attempt has a second and more of it, which a busy machine may need.
    patience = 3.0
    options = StoreOptions(retry=RetryPolicy(patience=patience, first_throttled_wait=1.0), chance=lambda: 1.0)
    with ExitStack() as stack:
        gateway = stack.enter_context(
            FaultyGateway(None, lambda _seen: GatewayFault(429, headers, b'{"errors": ["no"]}'))
        )
        if provider is providers.VAULT:
            store = open_store(StoreAddress(provider, gateway.url), {"VAULT_TOKEN": "t"}, options)
        else:
            world.azure.add_fault(KeyVaultFault(FaultKind.STATUS, times=None, status=429, retry_after=retry_after))
            store = key_vault_at(world.azure, options=options)
        began = time.monotonic()
        with pytest.raises(StoreError, check=is_refused(Code.THROTTLED)):
            store.read("k")
        took = time.monotonic() - began
        store.close()
    assert took < allowed_wall(patience + AROUND, below=OTHERWISE)
