"""Two agents over two stores in memory, running in the API double; `world` is all of it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from compiler.cluster.client import KubernetesCluster
from compiler.cluster.view import ClusterView
from compiler.operations.status import LiveState, Status, from_files, manifests_for
from compiler.operations.status_live import OPTIONAL, Snapshot, StatusJudge, with_values
from tests.api_double import ApiDouble
from tests.live_platform import LivePlatform
from tests.unit.operations.cutover_bench import Bench

SPACE, GITHUB, JIRA = "agents", "agent-github-secrets", "agent-jira-secrets"


class World:
    """The project, its stores and its cluster."""

    def __init__(self, root: Path, double: ApiDouble) -> None:
        self.bench = Bench(root / "project")
        self.bench.equal()
        self.double, self.platform = double, LivePlatform(double)
        self.cluster = KubernetesCluster({"KUBECONFIG": str(double.kubeconfig(root))})
        self.platform.run(self.bench.environment())

    def status(self, name: str = "prod") -> Status:
        return from_files(self.bench.environment(name))

    def view(self) -> ClusterView:
        return ClusterView(self.cluster, OPTIONAL)

    def snapshot(self, *, left_out: tuple[str, ...] = ()) -> Snapshot:
        """What the cluster has now of the project as it is now."""
        return Snapshot(ClusterView(self.cluster, OPTIONAL, left_out), manifests_for(self.status()))

    def judge(self, accepted: tuple[str, ...] = ()) -> StatusJudge:
        """One who knows what the stores hold now, and which of them the cluster reads as a person says."""
        status, _ = with_values(self.status(), self.bench.live())
        return StatusJudge(replace(status, accepted=accepted))

    def live_state(self) -> LiveState:
        """jira's state now."""
        return self.judge().live_state(self.snapshot(), "jira")

    def written(self, when: datetime) -> None:
        """jira's value was put then, into both stores."""
        for store, name in ((self.bench.vault, "agents/jira"), (self.bench.azure, "agents-jira")):
            newest = store.versions[name][-1]
            store.versions[name][-1] = replace(newest, attributes=replace(newest.attributes, created=when))

    def refreshed(self, when: datetime, **annotations: str) -> None:
        """The operator began its last success with jira then; these annotations came later."""
        found = self.double.get("externalsecrets", SPACE, JIRA)
        found["status"]["refreshTime"] = f"{when:%Y-%m-%dT%H:%M:%SZ}"
        found["metadata"].setdefault("annotations", {}).update(annotations)
        self.double.put("externalsecrets", found)

    def switch(self) -> None:
        """jira goes to the other store in the files; nothing is deployed."""
        self.bench.write("prod", "labels: {team: platform}\nsecrets: {jira: {store: azure}}\n")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ApiDouble() as double:
        yield World(tmp_path, double)
