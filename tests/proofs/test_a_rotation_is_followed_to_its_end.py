"""A rotation on both local stores: the value in, synchronised, pods started anew, the old value revoked, or back."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.cluster.view import FORCE_SYNC
from compiler.operations import rotate_live, status_wait
from compiler.pipeline import compile_project
from tests.api_double import ApiDouble
from tests.commands import Done
from tests.live_platform import LivePlatform
from tests.proofs.conftest import World, on_stores
from tests.proofs.test_a_write_killed_at_any_point_is_resumed import DYING, KILLED, PLANNED

SPACE, TARGET = "agents", "agent-jira-secrets"
OLD, NEW = {"JIRA_TOKEN": "old", "JIRA_URL": "u"}, "n3w-s3ntinel"
# run, two plans, planned, three for each write, end, phase.
LINES = 12
PLACES = {"vault": "agents/jira", "azure": "agents-jira"}


@dataclass
class Cluster:
    """The operator, which synchronises when it is asked to, and a person who restarts pods once `restarts` is set.

    `before` is what others do before it reads the store, `later` what they do once the cluster has what it read, and
    before the restarts.
    """

    world: World
    store: str
    double: ApiDouble
    restarts: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    answered: set[str] = field(default_factory=set)
    before: Callable[[], object] = bool
    later: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        self.platform = LivePlatform(self.double)
        result = compile_project(self.world.root, ["prod"])
        assert result.project is not None
        self.platform.run(result.project.environments[0])
        self.secret(datetime.now(UTC) - timedelta(hours=1))
        for name, is_volume in (("web", False), ("files", True)):
            self.platform.pod(SPACE, name, TARGET, volume=is_volume)
            self.started(name, datetime.now(UTC) - timedelta(minutes=30))

    def secret(self, changed: datetime) -> None:
        """The Secret holds what the store does since then."""
        name = PLACES[self.store]
        held = self.world.get(name) if self.store == "vault" else self.world.azure_object(name)
        digest = hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()
        self.platform.sync(SPACE, TARGET, digest)
        found = self.double.get("secrets", SPACE, TARGET)
        found["metadata"]["managedFields"][0]["time"] = f"{changed:%Y-%m-%dT%H:%M:%SZ}"
        self.double.put("secrets", found)

    def started(self, name: str, when: datetime) -> None:
        pod = self.double.get("pods", SPACE, name)
        pod["metadata"]["creationTimestamp"] = f"{when:%Y-%m-%dT%H:%M:%SZ}"
        pod["metadata"]["uid"] = f"{name}-{when.timestamp()}"
        for container in pod["status"]["containerStatuses"]:
            container["state"] = {"running": {"startedAt": f"{when:%Y-%m-%dT%H:%M:%SZ}"}}
        self.double.put("pods", pod)

    def work(self) -> None:
        while not self.ended.wait(0.1):
            found = self.double.get("externalsecrets", SPACE, TARGET)
            mark = (found["metadata"].get("annotations") or {}).get(FORCE_SYNC)
            if mark is not None and mark not in self.answered:
                self.answered.add(mark)
                self.before()
                self.secret(datetime.now(UTC))
            if self.later is not None and any('"synced"' in each.read_text("utf-8") for each in self.world.journals()):
                self.later()
                self.later = None
                self.restarts.set()
            if self.restarts.is_set():
                self.started("web", datetime.now(UTC) + timedelta(seconds=2))


@contextmanager
def cluster(world: World, folder: Path, store: str) -> Iterator[Cluster]:
    with ApiDouble() as double:
        here = Cluster(world, store, double)
        world.variables["KUBECONFIG"] = str(double.kubeconfig(folder))
        thread = threading.Thread(target=here.work, daemon=True)
        thread.start()
        try:
            yield here
        finally:
            here.ended.set()
            thread.join()


@pytest.fixture(params=on_stores(["vault"], ["azure"]))
def store(request: pytest.FixtureRequest, world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """The store that `prod` reads, which holds the old values, as does the other one."""
    monkeypatch.setattr(rotate_live, "_PAUSE", 0.2)
    monkeypatch.setattr(status_wait, "_PAUSE", 0.2)
    world.put("agents/jira", OLD)
    world.azure.seed("agents-jira", json.dumps(OLD), tags={"team": "x"})
    if request.param == "azure":
        world.serve_from("azure")
    return str(request.param)


def rotate(world: World, *words: str, value: str | None = None) -> Done:
    if value is not None:
        path = world.private("value", value)
        words = (*words, "--from-file", str(path), "--apply")
    return world.run("rotate", "prod", *words)


def rotate_until_pods_are_looked_at(world: World, *words: str, value: str) -> Done:
    """The same with a time for pods that passes as soon as they are looked at, however long the write has taken."""
    now = [time.monotonic()]

    def sleep(_seconds: float) -> None:
        now[0] += 600

    with world.monkeypatch.context() as patch:
        clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep, time=time.time)
        patch.setattr(rotate_live, "time", clock)
        done = rotate(world, *words, "--timeout", "60s", value=value)
    # The annotation that makes the operator synchronise counts seconds: that of the next command has to differ.
    time.sleep(1)
    return done


def held(world: World) -> tuple[Any, Any]:
    return world.get("agents/jira")["JIRA_TOKEN"], world.azure_object("agents-jira")["JIRA_TOKEN"]


def tags(world: World) -> tuple[dict[str, str], dict[str, str]]:
    found = world.bao.call("GET", f"{world.mount}/metadata/agents/jira")["data"]["custom_metadata"]
    return found or {}, dict(world.azure.versions("agents-jira")[-1].tags)


def test_from_the_new_value_to_the_last_pod_and_closed(world: World, tmp_path: Path, store: str) -> None:
    with cluster(world, tmp_path, store) as here:
        stopped = rotate_until_pods_are_looked_at(world, "jira", "JIRA_TOKEN", "--quiet", value=NEW)
        (journal,) = world.journals()
        run = journal.stem
        assert stopped.code == 4, stopped
        assert "the cluster has the new value\n" in stopped.out
        assert "kubectl -n agents rollout restart deployment/web\n" in stopped.out
        assert "restart needed" not in stopped.out + stopped.err
        assert "deployment/files" not in stopped.out
        assert held(world) == (NEW, NEW)
        here.restarts.set()
        done = rotate(world, "jira", "--timeout", "30s")
        assert done.code == 0, done
        assert "every pod that had to restart has restarted\n" in done.out
        assert rotate(world, "--confirm-revoked", run).code == 0
    assert tags(world) == ({}, {"team": "x"})
    assert held(world) == (NEW, NEW)
    lines = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    assert [line["phase"] for line in lines if line["type"] == "phase"] == ["written", "synced", "restarted", "closed"]
    assert NEW not in journal.read_text("utf-8") + stopped.out + stopped.err + done.out + done.err


def test_before_it_is_closed_it_goes_back(world: World, tmp_path: Path, store: str) -> None:
    with cluster(world, tmp_path, store) as here:
        here.restarts.set()
        assert rotate(world, "jira", "JIRA_TOKEN", value=NEW).code == 0
        (journal,) = world.journals()
        done = rotate(world, "--undo", journal.stem, "--apply")
        assert done.code == 0, done
    assert held(world) == ("old", "old")
    assert tags(world) == ({}, {"team": "x"})
    assert rotate(world, "jira", "JIRA_TOKEN", "--without-cluster", value="newer").code == 0
    assert held(world) == ("newer", "newer")


def put_back(world: World, store: str) -> None:
    """Another writer puts the old value into the store that is read."""
    if store == "vault":
        world.put("agents/jira", OLD)
    else:
        world.azure.seed("agents-jira", json.dumps(OLD), tags=dict(world.azure.versions("agents-jira")[-1].tags))


@pytest.mark.parametrize("moment", ["before", "later"])
def test_an_old_value_that_comes_back_while_the_new_one_is_followed_is_not_revoked(
    world: World, tmp_path: Path, store: str, moment: str
) -> None:
    with cluster(world, tmp_path, store) as here:
        setattr(here, moment, lambda: put_back(world, store))
        if moment == "before":
            here.restarts.set()
        done = rotate(world, "jira", "JIRA_TOKEN", "--timeout", "30s", value=NEW)
    (journal,) = world.journals()
    assert done.code == 1, done
    assert f'error: "{PLACES[store]}" in ' in done.err
    assert "another writer changed it: its version is " in done.err
    assert ("revoke" in done.out.replace("--confirm-revoked", ""), "has restarted" in done.out) == (False, False)
    assert ("the cluster has the new value" in done.out) is (moment == "later")
    closed = rotate(world, "--confirm-revoked", journal.stem, "--without-cluster")
    assert (closed.code, closed.out) == (1, f"the rotation {journal.stem} is closed\n")
    assert tags(world) == ({}, {"team": "x"})


@pytest.mark.parametrize("store", ["vault"], indirect=True)
def test_a_cluster_that_may_read_another_store_proves_no_new_value(world: World, tmp_path: Path, store: str) -> None:
    token_has(world, "overlap: none")
    with cluster(world, tmp_path, store) as here:
        here.restarts.set()
        elsewhere = {"server": "http://10.0.0.7:8200", "path": world.mount}
        here.platform.store("vault-store", {"vault": elsewhere})
        refused = rotate(world, "jira", "JIRA_TOKEN", value=NEW)
        assert (refused.code, 'it is not proven that the cluster reads "vault"' in refused.err) == (1, True), refused
        assert held(world) == ("old", "old")
        token_has(world, "overlap: two-keys", "overlap: none")
        doubtful = rotate(world, "jira", "JIRA_TOKEN", "--timeout", "20s", value=NEW)
        assert doubtful.code == 4, doubtful
        assert 'nothing wrong was found, but it is not proven that the cluster reads "vault"' in doubtful.out
        assert ("the cluster has the new value" in doubtful.out, "--accept-store vault" in doubtful.out) == (
            False,
            True,
        )
        # The mark by which the operator is asked has the second.
        time.sleep(1.1)
        accepted = rotate(world, "jira", "--timeout", "20s", "--accept-store", "vault")
        assert accepted.code == 0, accepted
        assert "note: jira: whether the ClusterSecretStore " in accepted.err
        assert "JIRA_TOKEN: revoke the old value" in accepted.out


def test_who_closes_while_pods_run_on_the_old_value_is_told_which(world: World, tmp_path: Path, store: str) -> None:
    with cluster(world, tmp_path, store) as here:
        stopped = rotate_until_pods_are_looked_at(world, "jira", "JIRA_TOKEN", value=NEW)
        (journal,) = world.journals()
        assert stopped.code == 4, stopped
        line = "restart it, as its pods run on the old value: kubectl -n agents rollout restart deployment/web\n"
        for _ in range(2):
            closed = rotate(world, "--confirm-revoked", journal.stem, "--format", "json")
            assert (closed.code, closed.report["rotation"]["restarts"]) == (4, [line.partition(": ")[2].strip()])
            assert "note: nobody saw with this run that every pod has started with the new value\n" in closed.err
        assert line in rotate(world, "--confirm-revoked", journal.stem).out
        here.restarts.set()
        here.started("web", datetime.now(UTC) + timedelta(seconds=2))
        assert rotate(world, "--confirm-revoked", journal.stem).code == 0


def test_pods_that_nobody_may_list_do_not_count_as_started(world: World, tmp_path: Path, store: str) -> None:
    with cluster(world, tmp_path, store) as here:
        here.double.refused["list pods"] = 403
        done = rotate(world, "jira", "JIRA_TOKEN", "--timeout", "20s", value=NEW)
        (journal,) = world.journals()
        closed = rotate(world, "--confirm-revoked", journal.stem)
    assert "the cluster has the new value" in done.out
    for each in (done, closed):
        assert each.code == 4, each
        assert "not done: not all pods may be seen" in each.out
        assert "list pods" in each.err
    assert f"the rotation {journal.stem} is closed\n" in closed.out


def test_a_cluster_that_is_gone_after_the_write_leaves_a_report_with_the_run(
    world: World, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(world, tmp_path, store) as here:
        here.double.refused["list secrets"] = 401
        done = rotate(world, "jira", "JIRA_TOKEN", "--format", "json", value=NEW)
    (journal,) = world.journals()
    assert (done.code, done.report["rotation"]["run"], done.report["rotation"]["phase"]) == (3, journal.stem, "written")
    assert "error: the cluster cannot be asked: " in done.err
    monkeypatch.undo()
    world.variables["KUBECONFIG"] = str(tmp_path / "none")
    refused = rotate(world, "github", "GITHUB_TOKEN", value=NEW)
    assert (refused.code, "the cluster cannot be asked: " in refused.err, refused.out) == (3, True, "")


def token_has(world: World, more: str, before: str = "description: Token") -> None:
    catalogue = world.root / "environments/catalogue.yaml"
    text = catalogue.read_text("utf-8")
    catalogue.write_text(text.replace(f"JIRA_TOKEN: {{{before}}}", f"JIRA_TOKEN: {{{more}}}"), "utf-8")


def test_without_an_overlap_a_cluster_that_is_not_well_is_left_alone(world: World, tmp_path: Path, store: str) -> None:
    token_has(world, "overlap: none")
    with cluster(world, tmp_path, store) as here:
        here.platform.fail(SPACE, TARGET, "no")
        refused = rotate(world, "jira", "JIRA_TOKEN", value=NEW)
        assert (refused.code, "does not run on the present value of jira" in refused.err) == (1, True)
        assert held(world) == ("old", "old")
        here.secret(datetime.now(UTC) - timedelta(hours=1))
        here.restarts.set()
        done = rotate(world, "jira", "JIRA_TOKEN", value=NEW)
        assert (done.code, "revoke" in done.out.replace("--confirm-revoked", ""), "--undo" in done.out) == (
            0,
            False,
            False,
        )
        (journal,) = world.journals()
        assert rotate(world, "--undo", journal.stem, "--apply").code == 1
    assert held(world) == (NEW, NEW)


def resumed(world: World, *words: str) -> Done:
    """The same command again; a rotation that is written is gone on with."""
    done = world.run(*words)
    if "is under way, and has its new value" in done.err:
        done = world.run("rotate", "prod", "jira", "--without-cluster")
    return done


# Every line where a Vault is read. Where a Key Vault is, which the same engine writes: the last of the plan, the first
# after it, those around the first store's write, and the last.
@pytest.mark.parametrize(
    ("store", "source", "turn"),
    on_stores(
        [("vault", "given", turn) for turn in range(1, LINES + 2)]
        + [("vault", "generated", turn) for turn in (PLANNED, PLANNED + 1, PLANNED + 3, PLANNED + 4, LINES)],
        [("azure", "given", turn) for turn in (PLANNED - 1, PLANNED, PLANNED + 1, PLANNED + 3, LINES)]
        + [("azure", "generated", turn) for turn in (PLANNED + 1, PLANNED + 4)],
    ),
    indirect=["store"],
)
def test_killed_before_any_line_the_same_command_sets_one_value_everywhere(
    world: World, store: str, source: str, turn: int
) -> None:
    token_has(world, "issuer: self")
    value = world.private("value", NEW)
    given = ("--generate",) if source == "generated" else ("--from-file", str(value))
    words = ("rotate", "prod", "jira", "JIRA_TOKEN", "--without-cluster", *given, "--apply")
    killed = world.process(DYING.replace("TURN", str(turn)).replace("HALF", str(turn % 2 == 1)), *words)
    assert killed.returncode == (KILLED if turn <= LINES else 0)
    done = resumed(world, *words)
    assert done.code == 0, done
    here, there = held(world)
    # A random value of a stopped run is named, and no other one is taken for it.
    assert here == there != "old" or (source == "generated" and "it holds another value" in done.err)
    assert source == "generated" or here == NEW
    run = max(world.journals(), key=lambda path: path.stat().st_mtime_ns).stem
    if source == "given":
        assert (world.vault_versions("agents/jira"), len(world.azure_versions()["agents-jira"])) == (2, 2)
    # Of what was stored and not recorded it is said that the run is not known to have written it.
    assert rotate(world, "--confirm-revoked", run).code in (0, 1)
    assert tags(world) == ({}, {"team": "x"})
