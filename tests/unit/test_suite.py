"""The suite's own order, and what of it is traced."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import LONGEST, TRACED, pytest_collection_modifyitems

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Item:
    nodeid: str
    markers: list[str] = field(default_factory=list)
    obj: object = None

    def get_closest_marker(self, name: str) -> object:
        return name if name in self.markers else None

    def add_marker(self, name: str) -> None:
        self.markers.append(name)


def ordered(*nodeids: str) -> list[Item]:
    items = [Item(nodeid) for nodeid in nodeids]
    pytest_collection_modifyitems(cast("list[pytest.Item]", items))
    return items


def test_the_longest_are_begun_first_and_files_stay_whole() -> None:
    unit, wheel, proof, page = "tests/unit/a.py", "tests/wheel/a.py", "tests/proofs/a.py", "tests/docs/test_tutorial.py"
    items = ordered(f"{unit}::a", f"{proof}::a", f"{proof}::b", f"{unit}::b", f"{wheel}::a", f"{page}::a")
    assert [item.nodeid for item in items] == [
        *(f"{page}::a", f"{wheel}::a", f"{proof}::a", f"{proof}::b"),
        *(f"{unit}::a", f"{unit}::b"),
    ]


def test_only_the_tests_of_modules_are_traced() -> None:
    items = ordered("tests/unit/a.py::a", "tests/unit_like/a.py::a", "tests/proofs/a.py::a")
    assert {item.nodeid.split("/")[1]: item.markers for item in items} == {
        "unit": [],
        "unit_like": ["no_cover"],
        "proofs": ["no_cover"],
    }


@given(st.none())
def generated(_: None) -> None:
    """A test of generated examples, as pytest finds it."""


@pytest.mark.parametrize(
    ("item", "is_traced"),
    [
        (Item("tests/unit/a.py::a"), True),
        (Item("tests/unit/a.py::a", ["heavy"]), False),
        (Item("tests/unit/a.py::a", obj=generated), False),
    ],
)
def test_neither_heavy_tests_nor_generated_examples_are_traced(item: Item, *, is_traced: bool) -> None:
    pytest_collection_modifyitems(cast("list[pytest.Item]", [item]))
    assert ("no_cover" not in item.markers) == is_traced


@pytest.mark.parametrize("path", [*LONGEST, TRACED])
def test_what_the_order_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()
