"""Derives the operator's fields of a shelf a second time, without the descriptor, for the proof of parity."""

from typing import Any

PlainMap = dict[str, Any]


def expected_spec(store: PlainMap, operator: str) -> PlainMap:
    del operator
    card = store["auth"]["card"]
    floor = {"floor": store["floor"]} if "floor" in store else {}
    return {"shelfUrl": store["shelfUrl"], "cardSecretRef": card, **floor}
