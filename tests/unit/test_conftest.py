import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import (
    LONGEST,
    READ_ONCE,
    pytest_collection_modifyitems,
    pytest_itemcollected,
    pytest_pyfunc_call,
    pytest_sessionstart,
)

TESTS = Path(__file__).resolve().parents[1]


def test_no_example_has_a_deadline_that_a_busy_machine_would_miss() -> None:
    assert settings().deadline is None
    assert settings(max_examples=1).deadline is None
    own = re.compile(r"^@settings\([^)]*(deadline|suppress_health_check)", re.MULTILINE)
    assert [path.name for path in TESTS.rglob("test_*.py") if own.search(path.read_text("utf-8"))] == []


def test_what_a_person_has_set_changes_no_test(tmp_path: Path) -> None:
    (tmp_path / ".vault-token").write_text("x", "utf-8")
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube/config").write_text("current-context: production\n", "utf-8")
    hostile = {
        "HOME": str(tmp_path),
        "AI_PLATFORM_SECRET_STORE": "azure",
        "AZURE_KEYVAULT_NAME": "of-somebody",
        "GITHUB_ACTIONS": "true",
        "KUBECONFIG": str(tmp_path / ".kube/config"),
        "NO_COLOR": "1",
        "VAULT_ADDR": "https://vault.example.com",
        "VAULT_NAMESPACE": "team",
        "XDG_STATE_HOME": str(tmp_path),
    }
    # The file of which most tests saw what is set above.
    words = ("-m", "pytest", "tests/unit/cli/commands/test_rotate.py", "-q", "-p", "no:cacheprovider", "-p", "no:cov")
    # As a person starts them, and not one of the workers.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment = {**inherited, **hostile}
    done = subprocess.run(
        [sys.executable, *words], cwd=TESTS.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]


# The suite's own order, and when it is traced.

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Item:
    nodeid: str
    config: pytest.Config | None = None
    markers: tuple[str, ...] = ("measured",)
    obj: object = None

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.markers else None

    def add_marker(self, name: str) -> None:
        self.markers += (name,)


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


def test_a_test_is_traced_and_not_what_is_around_it() -> None:
    tracer = Tracer()
    running = pytest_pyfunc_call(cast("pytest.Function", Item("tests/unit/a.py::a", config_with(tracer))))
    next(running)
    assert tracer.started
    with pytest.raises(StopIteration, match="done"):
        running.send("done")
    assert tracer.calls == ["resume", "pause"]


def test_a_test_that_is_not_measured_is_not_traced() -> None:
    tracer = Tracer()
    item = Item("tests/proofs/a.py::a", config_with(tracer), markers=())
    next(pytest_pyfunc_call(cast("pytest.Function", item)))
    assert tracer.calls == []


@given(st.none())
def generated(_: None) -> None:
    """A test of generated examples."""


@pytest.mark.parametrize(
    ("item", "is_measured"),
    [
        (Item("tests/unit/cli/a.py::a", markers=()), True),
        (Item("tests/unit/a.py::a", markers=("heavy",)), False),
        (Item("tests/unit/a.py::a", markers=(), obj=generated), False),
        (Item("tests/unit/scripts/a.py::a", markers=()), False),
        (Item("tests/proofs/a.py::a", markers=()), False),
    ],
)
def test_unit_tests_without_chance_and_measurement_are_measured(item: Item, *, is_measured: bool) -> None:
    pytest_itemcollected(cast("pytest.Item", item))
    assert ("measured" in item.markers) == is_measured


@pytest.fixture
def traced_meanwhile(request: pytest.FixtureRequest) -> object:
    return sys.gettrace()


def test_a_fixture_is_not_traced(traced_meanwhile: object) -> None:
    """Under --cov too, with workers or without: a tracer below the one that is paused would go on."""
    assert traced_meanwhile is None


def test_tracing_ends_with_a_test_that_fails() -> None:
    tracer = Tracer()
    running = pytest_pyfunc_call(cast("pytest.Function", Item("tests/unit/a.py::a", config_with(tracer))))
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


def test_without_coverage_there_is_nothing_to_trace() -> None:
    next(pytest_pyfunc_call(cast("pytest.Function", Item("tests/unit/a.py::a", config_with(None)))))


@pytest.mark.parametrize("path", [*LONGEST, *READ_ONCE])
def test_what_the_order_names_is_there(path: str) -> None:
    assert (ROOT / path).exists()
