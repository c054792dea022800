"""One step of an end-to-end run with each planted fault: the run turns red by it, and goes on once it is gone."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from compiler.cli.main import main
from compiler.cluster.view import is_synced, ready_reason
from scripts.end_to_end.keeper import Keeper
from scripts.end_to_end.setting import setting_of
from scripts.end_to_end.walk import BrokenPromiseError, Walk
from tests.operator_double import Misdeed
from tests.platform_double import Platform, platform

pytestmark = pytest.mark.heavy
RED = {
    Misdeed.OTHER_UID: 'the secret "agent-jira-secrets" was replaced: it has another UID',
    Misdeed.EMPTIED: 'the secret "agent-jira-secrets" was without ATLASSIAN_API_URL, ATLASSIAN_EMAIL',
    Misdeed.DELETED: 'the secret "agent-jira-secrets" was deleted',
    Misdeed.OTHER_VALUE: 'the data of the secret "agent-jira-secrets" changed',
    Misdeed.OLD_READY: "status e2e --wait --timeout 1s: exit code 4",
    Misdeed.RESTART: 'a container of the pod "reader" was restarted',
    Misdeed.REPAIRED: '"kubectl-edit" has written ATLASSIAN_API_URL of the secret "agent-jira-secrets"',
    Misdeed.STRANGER: 'the secret "agent-jira-secrets" holds another value of ATLASSIAN_API_URL than the stores',
}


@dataclass
class Begun:
    """A walk after its beginning, with every agent on Vault; `there` tells that jira is on the Key Vault."""

    here: Platform
    walk: Walk
    keeper: Keeper
    there: bool = False

    def switch(self) -> None:
        """Switch jira to the store that it is not on."""
        way = ("--back",) if self.there else ("--to", "azure")
        self.there = not self.there
        self.walk.switch(self.keeper, "jira", *way, "--cluster")

    def mend(self) -> None:
        """Have the operator do it right, and begin anew."""
        cluster, room = self.here.cluster, self.walk.room.name
        self.here.operator.misdeed = None
        self.walk.timeout = self.here.variables["E2E_TIMEOUT"]
        found = cluster.get("externalsecrets", room, "agent-jira-secrets")
        found["metadata"]["annotations"]["force-sync"] = found["metadata"]["resourceVersion"]
        cluster.put("externalsecrets", found)
        end = time.monotonic() + 20
        while not is_synced(found) or ready_reason(found) is not None:
            assert time.monotonic() < end
            time.sleep(0.01)
            found = cluster.get("externalsecrets", room, "agent-jira-secrets")
        self.keeper.keep()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    folder = tmp_path_factory.mktemp("platform")
    with platform(folder, 3) as here, pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in here.variables.items():
            monkeypatch.setenv(name, value)
        setting = setting_of(here.variables)
        with Walk(setting, "e2e-walk", folder / "walk", main, lambda _line: None) as walk:
            walk.open()
            with walk.watch() as keeper:
                walk.adopt()
                walk.begin(keeper)
                yield Begun(here, walk, keeper)
        assert walk.left == ()


@pytest.mark.parametrize("misdeed", list(Misdeed))
def test_a_planted_fault_turns_the_run_red(begun: Begun, misdeed: Misdeed) -> None:
    begun.here.operator.misdeed = misdeed
    if misdeed is Misdeed.OLD_READY:
        begun.walk.timeout = "1s"
    with pytest.raises(BrokenPromiseError) as broken:
        begun.switch()
    assert RED[misdeed] in str(broken.value)
    begun.mend()


def test_without_a_fault_it_is_green(begun: Begun) -> None:
    begun.switch()


def test_a_break_that_breaks_nothing_turns_the_run_red(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.end_to_end.walk._FAILS_WITHIN", 0.3)
    monkeypatch.setattr("scripts.end_to_end.walk.with_store_down", lambda spec: spec)
    if begun.there:
        begun.switch()
    with pytest.raises(BrokenPromiseError, match='"jira" does not fail, although its store was broken'):
        begun.walk.store_down(begun.keeper)


@pytest.mark.parametrize("is_ready_again", [True, False])
def test_it_goes_on_once_the_mended_store_is_ready(
    begun: Begun, monkeypatch: pytest.MonkeyPatch, *, is_ready_again: bool
) -> None:
    cluster, room, opened = begun.here.cluster, begun.walk.room, begun.walk.room.open
    ready = cluster.get("clustersecretstores", "", room.store_name("azurekv"))["status"]
    failing = {"conditions": [{**ready["conditions"][0], "status": "False"}]}

    def set_status(status: dict[str, Any]) -> None:
        cluster.set_status("clustersecretstores", "", room.store_name("azurekv"), status)

    later = threading.Timer(0.5, set_status, [ready])

    def open_mended(specs: dict[str, Any]) -> None:
        opened(specs)
        if specs["azurekv"] == begun.walk._specs["azurekv"]:
            # As until the operator has checked it again.
            set_status(failing)
            monkeypatch.setattr("scripts.end_to_end.walk._FAILS_WITHIN", 20 if is_ready_again else 0.3)
            later.start() if is_ready_again else None

    monkeypatch.setattr(room, "open", open_mended)
    if begun.there:
        begun.switch()
    if is_ready_again:
        begun.walk.store_down(begun.keeper)
        assert ready_reason(cluster.get("clustersecretstores", "", room.store_name("azurekv"))) is None
        later.join()
    else:
        with pytest.raises(BrokenPromiseError, match="store does not become ready, although it was mended"):
            begun.walk.store_down(begun.keeper)
        set_status(ready)


def test_a_command_that_is_interrupted_ends_the_run(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun.walk, "_run", lambda _words: 130)
    there = begun.there
    with pytest.raises(KeyboardInterrupt):
        begun.switch()
    begun.there = there
