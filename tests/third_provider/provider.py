"""Describes shelves."""

from types import MappingProxyType

from compiler.model.document import Node
from compiler.model.facts import ValuesData
from compiler.model.provider import LogIn, Provider, key_of_new
from compiler.model.store import reference_of


def _card(node: Node) -> dict[str, ValuesData]:
    return {"cardSecretRef": reference_of(node)}


def _members(store_id: str, role: str | None, namespace: str | None) -> dict[str, ValuesData]:
    del role
    return key_of_new(store_id, "card", namespace)


class _Shelf(Provider):
    id = "shelf"
    title = "Shelf"
    described = "a made-up shelf"
    called = frozenset({"shelf", "shelves"})
    adapter = "ShelfStore"
    store_id = "shelf"
    store_name = "shelf-store"
    address = "shelfUrl"
    option = "--shelf-url"
    log_ins = MappingProxyType({"card": LogIn({"": ("name", "key")}, _card, _members)})
    has_paths = True
    holds_texts = True

    def is_another(self, one: str, other: str) -> bool:
        return one != other


PROVIDER = _Shelf()
