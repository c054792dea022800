"""The suite's own order, and what of it is traced."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import (
    IS_TRACED,
    LONGEST,
    OF_SCRIPTS,
    READ_ONCE,
    TRACED,
    pytest_collection_modifyitems,
    pytest_pyfunc_call,
    pytest_sessionstart,
)

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Item:
    nodeid: str
    markers: list[str] = field(default_factory=list)
    obj: object = None
    stash: pytest.Stash = field(default_factory=pytest.Stash)
    config: pytest.Config | None = None

    def get_closest_marker(self, name: str) -> object:
        return name if name in self.markers else None


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
    assert {item.nodeid.split("/")[1]: item.stash[IS_TRACED] for item in items} == {
        "unit": True,
        "unit_like": False,
        "proofs": False,
    }


@given(st.none())
def generated(_: None) -> None:
    """A test of generated examples, as pytest finds it."""


@pytest.mark.parametrize(
    ("item", "is_traced"),
    [
        (Item("tests/unit/a.py::a"), True),
        (Item("tests/unit/scripts/a.py::a"), False),
        (Item("tests/unit/a.py::a", ["heavy"]), False),
        (Item("tests/unit/a.py::a", obj=generated), False),
    ],
)
def test_heavy_tests_generated_examples_and_scripts_are_not_traced(item: Item, *, is_traced: bool) -> None:
    pytest_collection_modifyitems(cast("list[pytest.Item]", [item]))
    assert item.stash[IS_TRACED] == is_traced


class Tracer:
    """What --cov starts; `calls` are those since."""

    def __init__(self) -> None:
        self.started, self.calls = False, list[str]()

    def pause(self) -> None:
        self.started = False
        self.calls.append("pause")

    def resume(self) -> None:
        self.started = True
        self.calls.append("resume")


def config_with(tracer: Tracer | None) -> pytest.Config:
    plugin = None if tracer is None else SimpleNamespace(cov_controller=tracer)
    return cast("pytest.Config", SimpleNamespace(pluginmanager=SimpleNamespace(getplugin={"_cov": plugin}.get)))


@pytest.mark.parametrize("path", ["tests/unit/a.py::a", "tests/proofs/a.py::a"])
@pytest.mark.parametrize("is_heavy", [True, False])
def test_a_test_is_traced_and_not_what_is_around_it(path: str, *, is_heavy: bool) -> None:
    tracer = Tracer()
    item = Item(path, ["heavy"] if is_heavy else [], config=config_with(tracer))
    pytest_collection_modifyitems(cast("list[pytest.Item]", [item]))
    expected = not is_heavy and path.startswith(TRACED)
    running = pytest_pyfunc_call(cast("pytest.Function", item))
    next(running)
    assert tracer.started == expected
    with pytest.raises(StopIteration, match="done"):
        running.send("done")
    assert tracer.calls == (["resume", "pause"] if expected else [])


@pytest.fixture
def traced_meanwhile(request: pytest.FixtureRequest) -> object:
    return sys.gettrace()


def test_a_fixture_is_not_traced(traced_meanwhile: object) -> None:
    assert traced_meanwhile is None


def test_tracing_ends_with_a_test_that_fails() -> None:
    tracer = Tracer()
    (item,) = ordered("tests/unit/a.py::a")
    item.config = config_with(tracer)
    running = pytest_pyfunc_call(cast("pytest.Function", item))
    next(running)
    with pytest.raises(ValueError, match="it failed"):
        running.throw(ValueError("it failed"))
    assert not tracer.started


@pytest.mark.parametrize(("of_a_worker", "is_left_on"), [({"workerinput": {}}, False), ({}, True)])
def test_what_begins_in_a_worker_before_its_session_is_ended(
    of_a_worker: dict[str, object], *, is_left_on: bool
) -> None:
    tracer = Tracer()
    tracer.resume()
    plugins = SimpleNamespace(getplugin=lambda _name: SimpleNamespace(cov_controller=tracer))
    session = SimpleNamespace(config=SimpleNamespace(pluginmanager=plugins, **of_a_worker))
    pytest_sessionstart(cast("pytest.Session", session))
    assert tracer.started == is_left_on


@pytest.mark.heavy
def test_what_is_not_traced_is_not_traced() -> None:
    """Whoever runs this under --cov, with workers or without: a tracer below the one that is paused would go on."""
    assert sys.gettrace() is None


def test_without_coverage_there_is_nothing_to_trace() -> None:
    (item,) = ordered("tests/unit/a.py::a")
    item.config = config_with(None)
    next(pytest_pyfunc_call(cast("pytest.Function", item)))


@pytest.mark.parametrize("path", [*LONGEST, *READ_ONCE, TRACED, OF_SCRIPTS])
def test_what_the_order_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()
