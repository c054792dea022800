"""Describes shelves."""

from collections.abc import Mapping
from types import MappingProxyType

from compiler.model.document import Node
from compiler.model.environment import Store
from compiler.model.facts import ValuesData
from compiler.model.provider import LogIn, Provider, StoreOption, key_of_new
from compiler.model.store import reference_of

_KEY = "--card-key"


def _card(node: Node) -> dict[str, ValuesData]:
    return {"cardSecretRef": reference_of(node)}


def _members(store_id: str, options: Mapping[str, str], namespace: str | None) -> dict[str, ValuesData]:
    return key_of_new(store_id, options.get(_KEY, "card"), namespace)


class _Shelf(Provider):
    id = "shelf"
    title = "Shelf"
    described = "a made-up shelf"
    called = frozenset({"shelf", "shelves"})
    adapter = "ShelfStore"
    store_id = "shelf"
    store_name = "shelf-store"
    address = "shelfUrl"
    others = ("floor",)
    option = "--shelf-url"
    log_ins = MappingProxyType({"card": LogIn({"": ("name", "key")}, _card, _members, takes=(_KEY,))})
    options = (
        StoreOption(_KEY, "KEY", "the key of a shelf's card"),
        StoreOption("--floor", "NUMBER", "where the shelf stands", setting="floor"),
    )
    has_paths = True
    holds_texts = True

    def spec(self, store: Store, operator: tuple[int, int]) -> dict[str, ValuesData]:
        auth = store.node.nearest("auth").nearest("card")
        floor = store.node.text("floor")
        return {**super().spec(store, operator), **({"floor": floor} if floor else {}), **_card(auth)}

    def is_another(self, one: str, other: str) -> bool:
        return one != other


PROVIDER = _Shelf()
