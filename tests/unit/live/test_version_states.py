import pytest

from compiler.live.read_many import version_states
from compiler.model.store import StoreAddress
from compiler.stores.errors import Action, Code, ForbiddenError, StoreError, StoreLocation
from compiler.stores.interface import StoreState
from tests import providers
from tests.refusals import is_refused
from tests.unit.memory_store import MemoryStore

PLACE = StoreLocation("https://memory", "a")


def test_each_name_is_asked_for_once_in_its_store() -> None:
    vault, azure = MemoryStore(StoreAddress(providers.VAULT, "https://vault")), MemoryStore()
    for store in (vault, azure):
        store.seed("a", A="1")
        store.seed("a", A="2")
    found = version_states([(vault, "a"), (azure, "a"), (vault, "a"), (azure, "b")])
    readable = StoreState.PRESENT
    assert found == {(vault, "a"): {"v1": readable, "v2": readable}, (azure, "a"): {"v2": readable}, (azure, "b"): {}}
    assert len(vault.calls) == 1
    assert version_states([]) == {}


def test_an_error_of_one_name_stands_for_it_and_one_of_the_store_is_raised() -> None:
    store = MemoryStore()
    denied = ForbiddenError(PLACE, Action.DESCRIBE, "no policy", "add one", permission="p")
    store.failures["version_states", "a"] = denied
    assert version_states([(store, "a"), (store, "b")]) == {(store, "a"): denied, (store, "b"): {}}
    store.failures["version_states", "b"] = StoreError(PLACE, Action.DESCRIBE, "no answer", "wait", Code.UNAVAILABLE)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        version_states([(store, "a"), (store, "b")])
