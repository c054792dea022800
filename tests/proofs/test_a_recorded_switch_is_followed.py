"""What a real API server told while a secret was switched is followed to its end, and each planted fault is found."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import ClusterView
from compiler.live.observation import Likeness
from compiler.operations import status_wait as wait_module
from compiler.operations.status import LiveState, Status, StoreFindings, WaitEnd, WaitResult, from_files, manifests_for
from compiler.operations.status_live import OPTIONAL, Snapshot, StatusJudge
from compiler.operations.status_wait import Wait
from compiler.pipeline import compile_project
from compiler.stages.resolve import Outside
from tests import providers
from tests.api_double import ApiDouble
from tests.live_platform import compiled_objects
from tests.recorded_cluster import NAMESPACE, as_compiled, recorded, watched

ROOT = Path(__file__).resolve().parents[2]
SLACK = "agent-slack-secrets"
PATIENCE = 60.0

# By which no refresh was overdue.
RECORDED = datetime(2026, 11, 26, 1, 30, tzinfo=UTC)


class Recorded:
    """The recorded platform: seven ExternalSecrets on the Key Vault, and slack about to go to the Vault."""

    def __init__(self, double: ApiDouble, folder: Path) -> None:
        self.double = double
        environ = {"KUBECONFIG": str(double.kubeconfig(folder))}
        self.cluster = KubernetesCluster(environ)
        project = compile_project(ROOT, ["dev"], Outside(addresses={providers.KEY_VAULT: "myvault"})).project
        assert project is not None
        self.environment = project.environments[0]
        self.manifests = compiled_objects(self.environment)
        for each in recorded("externalsecrets-list")["items"]:
            double.put("externalsecrets", as_compiled(each, self.manifests[each["metadata"]["name"]]))
        double.load("secrets", recorded("secrets-metadata-list")["items"])
        double.load("clustersecretstores", recorded("clustersecretstores-list")["items"])
        self.events = [as_compiled(each, self.manifests[SLACK]) for each in watched("watch-externalsecrets-switch")]

    def status(self) -> Status:
        status = from_files(self.environment, ["slack"])
        # Both stores held the same when this was recorded, and the Vault had an address of that machine.
        rows = tuple(replace(row, values=StoreFindings(Likeness.EQUAL)) for row in status.rows)
        return replace(status, rows=rows, accepted=("vault",))

    def follow(self, *steps: Callable[[], object], up_at: str = "") -> WaitResult:
        """A wait in which each of `steps` follows a state; time is up at the state `up_at` after all of them."""
        status = self.status()
        snapshot = Snapshot(ClusterView(self.cluster, OPTIONAL), manifests_for(status))
        waiting, told = list(steps), [""]

        def clock() -> float:
            return time.monotonic() + (PATIENCE if not waiting and told[-1] == up_at else 0)

        wait = Wait(StatusJudge(status, now=lambda: RECORDED), snapshot, clock=clock)

        def tell(found: Mapping[str, LiveState], _left: float) -> None:
            told.append(str(found["slack"].state))
            if waiting:
                waiting.pop(0)()

        return wait.until(PATIENCE, tell)

    def replay(self, event: Mapping[str, Any]) -> Callable[[], object]:
        return lambda: self.double.put("externalsecrets", dict(event))

    def secret(self, **changed: Any) -> Callable[[], object]:  # noqa: ANN401 - fields of metadata
        def put() -> None:
            found = self.double.get("secrets", NAMESPACE, SLACK)
            found["metadata"].update(changed)
            self.double.put("secrets", found)

        return put


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setattr(wait_module, "_PAUSE", 0.01)
    with ApiDouble() as double:
        yield Recorded(double, tmp_path)


def said(waited: WaitResult) -> list[str]:
    return [str(each.state) for each in waited.states["slack"].problems]


def test_the_recorded_switch_is_in_effect_at_its_last_event(world: Recorded) -> None:
    waited = world.follow(*map(world.replay, world.events))
    assert (waited.end, said(waited)) == (WaitEnd.IN_EFFECT, [])


def test_before_its_last_event_it_is_not(world: Recorded) -> None:
    waited = world.follow(*map(world.replay, world.events[:-1]), up_at="not-synced")
    assert (waited.end, said(waited)[0]) == (WaitEnd.TIME_UP, "not-synced")


def test_a_deleted_secret_turns_it_red(world: Recorded) -> None:
    gone = [lambda: world.double.delete("secrets", NAMESPACE, SLACK)]
    waited = world.follow(*gone, *map(world.replay, world.events), up_at="no-target")
    assert (waited.end, said(waited)) == (WaitEnd.TIME_UP, ["no-target"])


def test_an_emptied_secret_turns_it_red(world: Recorded) -> None:
    waited = world.follow(world.secret(managedFields=[]), *map(world.replay, world.events), up_at="missing-key")
    assert (waited.end, said(waited)) == (WaitEnd.TIME_UP, ["missing-key"])


def test_a_ready_that_is_old_turns_it_red(world: Recorded) -> None:
    old = {**world.events[-1], "status": recorded("externalsecrets-list")["items"][0]["status"]}
    waited = world.follow(world.replay(old), up_at="not-synced")
    assert (waited.end, said(waited)[0]) == (WaitEnd.TIME_UP, "not-synced")
