"""No store is held more connections open to at a time than a command has workers, counted where they arrive."""

import pytest

from compiler.live.observation import WORKERS, read_all
from compiler.model.provider import Provider
from compiler.model.store import StoreAddress
from compiler.stores.interface import StoreOptions, open_store
from tests import providers
from tests.faulty_key_vault import Fault, FaultKind
from tests.proofs.conftest import World, on_stores
from tests.proofs.trickling import behind_gateways
from tests.trickling_gateway import TricklingGateway

# For each worker: there is always one more to read than there are workers, and each connection is used again.
ROUNDS = 3
# Long enough that all workers are busy at once, on a busy machine too.
LATE = Fault(FaultKind.DELAY, times=None, seconds=0.05)


@pytest.mark.parametrize("workers", [3, 16])
@pytest.mark.parametrize("provider", on_stores([providers.KEY_VAULT], [providers.VAULT]))
def test_reading_many_secrets(world: World, provider: Provider, workers: int) -> None:
    names = [f"k{number}" for number in range(workers * ROUNDS)]
    for name in names:
        world.put(name, {"a": "b"})
        world.azure.seed(name, '{"a": "b"}')
    world.azure.add_fault(LATE)
    url = world.bao.url if provider is providers.VAULT else world.azure.url
    head, _, port = url.rpartition(":")
    with TricklingGateway(int(port)) as gateway:
        address = StoreAddress(provider, f"{head}:{gateway.port}", world.mount if provider is providers.VAULT else "")
        store = open_store(address, world.variables, StoreOptions())
        found = read_all([(store, name) for name in names], workers)
        store.close()
    assert not [reading for reading in found.values() if isinstance(reading, Exception)]
    assert len(found) == len(names)
    assert 2 <= gateway.most <= workers
    # Kept and used again: one that is made anew for each request costs a handshake each time.
    assert gateway.made <= workers


def test_a_migration(world: World) -> None:
    world.spread(ROUNDS * WORKERS)
    world.azure.add_fault(LATE)
    with behind_gateways(world, pace=0) as ends:
        done = world.migrate("--apply", "--on-conflict", "overwrite")
        assert done.code == 0, done
        assert 2 <= ends.gateways["azure"].most <= WORKERS
        assert 1 <= ends.gateways["vault"].most <= WORKERS
