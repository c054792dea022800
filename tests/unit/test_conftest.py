"""What the suite itself must hold: its order, what coverage counts, its limits of time, and that no home changes it."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import LONGEST, READ_ONCE, pytest_collection_modifyitems, pytest_itemcollected
from tests.pace import TURNS, USUAL

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Item:
    nodeid: str
    markers: tuple[str, ...] = ()
    obj: object = None

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.markers else None

    def add_marker(self, name: str) -> None:
        self.markers += (name,)


def test_the_longest_are_begun_first_and_files_stay_whole() -> None:
    unit, wheel, proof, page = "tests/unit/a.py", "tests/wheel/a.py", "tests/proofs/a.py", "tests/docs/test_tutorial.py"
    items = [Item(f"{file}::a") for file in (unit, proof, unit, wheel, page)]
    pytest_collection_modifyitems(cast("list[pytest.Item]", items))
    assert [item.nodeid for item in items] == [f"{file}::a" for file in (page, wheel, proof, unit, unit)]
    assert [path for path in (*LONGEST, *READ_ONCE) if not (ROOT / path).exists()] == []


@given(st.none())
def generated(_: None) -> None:
    """A test of generated examples."""


@pytest.mark.parametrize(
    ("item", "is_measured"),
    [
        (Item("tests/unit/cli/a.py::a"), True),
        (Item("tests/unit/a.py::a", ("heavy",)), False),
        (Item("tests/unit/a.py::a", obj=generated), False),
        (Item("tests/unit/scripts/a.py::a"), False),
        (Item("tests/proofs/a.py::a"), False),
    ],
)
def test_unit_tests_without_chance_and_measurement_are_measured(item: Item, *, is_measured: bool) -> None:
    pytest_itemcollected(cast("pytest.Item", item))
    assert ("measured" in item.markers) == is_measured


def test_no_example_has_a_deadline_that_a_busy_machine_would_miss() -> None:
    assert settings().deadline is None
    assert settings(max_examples=1).deadline is None
    own = re.compile(r"^@settings\([^)]*(deadline|suppress_health_check)", re.MULTILINE)
    assert [path.name for path in (ROOT / "tests").rglob("test_*.py") if own.search(path.read_text("utf-8"))] == []


class Paced:
    """The clock of a machine that is so many times slower than usual at each look, and as at the last for the rest."""

    def __init__(self, *times: float) -> None:
        self._times = list(times)
        self._now = 0.0
        self.calls = 0

    def __call__(self) -> float:
        self.calls += 1
        if self.calls % 2 == 0:
            self._now += TURNS * USUAL * (self._times.pop(0) if len(self._times) > 1 else self._times[0])
        return self._now


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
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
