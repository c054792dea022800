"""Real and local stores for the contract suite: one case per adapter, each with names of its own in a shared server."""

import itertools
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest

from compiler.demo.local_openbao import LocalOpenBao
from compiler.model.store import StoreAddress
from compiler.stores.interface import SecretWriter, StoreOptions, StoreState, open_store
from compiler.stores.pacing import UNLIMITED
from tests import providers
from tests.faulty_gateway import FaultyGateway
from tests.faulty_key_vault import FaultyKeyVault, Limits, VaultOptions
from tests.third_provider.provider import PROVIDER as SHELF
from tests.virtual_clock import VirtualClock

# Every adapter that the contract suite runs on. Each needs a fixture `<name>_case` below (or in a module that pytest
# loads) that returns a StoreCase; `azurekv_case` is that of the Key Vault adapter over the local Key Vault.
ADAPTERS = (
    "vault",
    "azurekv",
    "shelf",
    pytest.param("vault_live", marks=pytest.mark.live),
    pytest.param("azurekv_live", marks=pytest.mark.live),
)
# `make test-live` runs the suite on what these name, as the caller, who logs in as for every live command.
LIVE_KEY_VAULT_VARIABLE = "PLATFORM_SECRETS_TEST_KEY_VAULT_URL"
LIVE_VAULT_VARIABLE = "PLATFORM_SECRETS_TEST_VAULT_ADDR"
LIVE_VAULT_MOUNT_VARIABLE = "PLATFORM_SECRETS_TEST_VAULT_MOUNT"


@dataclass(frozen=True)
class StoreCase:
    """One adapter under test: `open` gives a new adapter on the same store, `name` a remote name nobody else uses."""

    open: Callable[[], SecretWriter]
    name: Callable[[], str]


@pytest.fixture(params=ADAPTERS)
def case(request: pytest.FixtureRequest) -> StoreCase:
    found: StoreCase = request.getfixturevalue(f"{request.param}_case")
    return found


@pytest.fixture
def store(case: StoreCase) -> Iterator[SecretWriter]:
    opened = case.open()
    yield opened
    opened.close()


@pytest.fixture
def vault_case(openbao: LocalOpenBao) -> StoreCase:
    address = StoreAddress(providers.VAULT, openbao.url)
    prefix, numbers = f"contract/{uuid.uuid4().hex}", itertools.count()
    return StoreCase(
        lambda: open_store(address, {"VAULT_TOKEN": openbao.token}),
        lambda: f"{prefix}/secret-{next(numbers)}",
    )


@pytest.fixture(scope="session")
def key_vault() -> Iterator[FaultyKeyVault]:
    with FaultyKeyVault(VaultOptions(limits=Limits(None, None))) as running:
        yield running


@pytest.fixture
def azurekv_case(key_vault: FaultyKeyVault) -> StoreCase:
    address = StoreAddress(providers.KEY_VAULT, key_vault.url)
    prefix, numbers = f"contract-{uuid.uuid4().hex}", itertools.count()
    return StoreCase(
        lambda: open_store(address, key_vault.environ(), StoreOptions(clock=VirtualClock(), quotas=UNLIMITED)),
        lambda: f"{prefix}-{next(numbers)}",
    )


@pytest.fixture
def shelf_case() -> StoreCase:
    """A made-up provider, of which `compiler` knows nothing: what the commands ask of a store is in its folder."""
    address = StoreAddress(SHELF, f"https://{uuid.uuid4().hex}.shelf.example.com")
    numbers = itertools.count()
    return StoreCase(lambda: open_store(address, {}), lambda: f"contract/secret-{next(numbers)}")


@pytest.fixture
def azurekv_live_case() -> Iterator[StoreCase]:
    """A real vault or an emulator, with the caller's own identity; what a test leaves there is deleted softly."""
    if not (url := os.environ.get(LIVE_KEY_VAULT_VARIABLE)):
        pytest.skip(f"{LIVE_KEY_VAULT_VARIABLE} names no vault")
    yield from live_case(StoreAddress(providers.KEY_VAULT, url), "platform-secrets-test-")


@pytest.fixture
def vault_live_case() -> Iterator[StoreCase]:
    """A real Vault or OpenBao, with the caller's own identity; what a test leaves there is deleted softly."""
    if not (url := os.environ.get(LIVE_VAULT_VARIABLE)):
        pytest.skip(f"{LIVE_VAULT_VARIABLE} names no server")
    mount = os.environ.get(LIVE_VAULT_MOUNT_VARIABLE, "secret")
    yield from live_case(StoreAddress(providers.VAULT, url, mount=mount), "platform-secrets-test/")


def live_case(address: StoreAddress, prefix: str) -> Iterator[StoreCase]:
    used: list[str] = []

    def name() -> str:
        used.append(f"{prefix}{uuid.uuid4().hex}")
        return used[-1]

    yield StoreCase(lambda: open_store(address, os.environ), name)
    cleaner = open_store(address, os.environ)
    for one in used:
        if (state := cleaner.describe(one)).version is not None and state.state is StoreState.PRESENT:
            cleaner.soft_delete(one, state.version)
    cleaner.close()


@pytest.fixture
def gateway(openbao: LocalOpenBao) -> Iterator[FaultyGateway]:
    with FaultyGateway(openbao.url) as opened:
        yield opened


@pytest.fixture
def open_vault() -> Iterator[Callable[..., SecretWriter]]:
    """Open Vault adapters on a virtual clock that are closed when the test ends."""
    opened: list[SecretWriter] = []

    def open_one(
        url: str,
        environ: Mapping[str, str],
        options: StoreOptions | None = None,
        **address: str,
    ) -> SecretWriter:
        chosen = options or StoreOptions(clock=VirtualClock(), connect_timeout=2, read_timeout=5)
        opened.append(open_store(StoreAddress(providers.VAULT, url, **address), environ, chosen))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
