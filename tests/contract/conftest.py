"""Real and local stores for the contract suite: one case per adapter, each with names of its own in a shared server."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from compiler.demo.faulty_gateway import FaultyGateway
from compiler.demo.local_openbao import LocalOpenBao
from compiler.model.store_address import Provider, StoreAddress
from compiler.stores.clock import VirtualClock
from compiler.stores.open import open_store
from compiler.stores.options import StoreOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from compiler.stores.interface import SecretWriter

# Every adapter that the contract suite runs on. Each needs a fixture `<name>_case` below (or in a module that pytest
# loads) that returns a StoreCase; `azurekv_case` is that of the Key Vault adapter over the local Key Vault.
ADAPTERS = ("vault",)


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


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    with LocalOpenBao.start_dev(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="session")
def raft_openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalOpenBao]:
    with LocalOpenBao.start_raft(tmp_path_factory.mktemp("raft")) as server:
        yield server


@pytest.fixture
def vault_case(openbao: LocalOpenBao) -> StoreCase:
    address = StoreAddress(Provider.VAULT, openbao.url)
    prefix, numbers = f"contract/{uuid.uuid4().hex}", itertools.count()
    return StoreCase(
        lambda: open_store(address, {"VAULT_TOKEN": openbao.token}),
        lambda: f"{prefix}/secret-{next(numbers)}",
    )


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
        opened.append(open_store(StoreAddress(Provider.VAULT, url, **address), environ, chosen))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()
