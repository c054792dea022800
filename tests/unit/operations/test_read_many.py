from __future__ import annotations

import pytest

from compiler.operations.read_many import read_many
from compiler.stores.errors import (
    Action,
    ForbiddenCause,
    ForbiddenError,
    NotFoundError,
    StoreError,
    UnavailableError,
)
from tests.unit.operations.memory_store import MemoryStore


def forbid(store: MemoryStore, *names: str) -> None:
    def before(_method: str, name: str) -> None:
        if name in names:
            raise ForbiddenError(
                store.place(name), Action.READ, "no right", "ask", cause=ForbiddenCause.ROLE, permission="get"
            )

    store.before = before


def test_each_name_of_each_store_is_read_once() -> None:
    one, other = MemoryStore(), MemoryStore()
    one.seed("a", KEY="1")
    found = read_many([(one, "a"), (other, "a"), (one, "a"), (one, "b")], 4)
    assert found.keys() == {(id(one), "a"), (id(one), "b"), (id(other), "a")}
    assert not isinstance(found[id(one), "a"], StoreError)
    assert isinstance(found[id(other), "a"], NotFoundError)
    assert sorted(one.calls) == [("read", "a"), ("read", "b")]


def test_a_dead_store_is_asked_once() -> None:
    store = MemoryStore()

    def dead(_method: str, name: str) -> None:
        raise UnavailableError(store.place(name), Action.READ, "no answer", "wait")

    store.before = dead
    with pytest.raises(UnavailableError):
        read_many([(store, str(number)) for number in range(50)], 8)
    assert len(store.calls) == 1


def test_one_forbidden_name_is_that_names_matter_and_all_of_them_the_stores() -> None:
    store = MemoryStore()
    forbid(store, "a")
    found = read_many([(store, "a"), (store, "b")], 2)
    assert isinstance(found[id(store), "a"], ForbiddenError)
    forbid(store, "a", "b")
    with pytest.raises(ForbiddenError):
        read_many([(store, "a"), (store, "b")], 2)


def test_nothing_wanted_asks_nobody() -> None:
    assert read_many([], 2) == {}
