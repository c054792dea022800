"""Opens shelves, which live in the process."""

from collections.abc import Mapping

from compiler.model.store import StoreAddress
from compiler.stores.interface import StoreOptions
from tests.unit.memory_store import MemoryStore

SHELVES: dict[str, MemoryStore] = {}


class ShelfStore(MemoryStore):
    """One shelf: opening it again finds what it held."""

    def __init__(self, address: StoreAddress, environ: Mapping[str, str], options: StoreOptions) -> None:
        del environ
        super().__init__(address)
        held = SHELVES.setdefault(address.url, self)
        self.versions, self.deleted, self.gone = held.versions, held.deleted, held.gone
        options.on_contact(None)
