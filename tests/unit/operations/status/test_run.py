import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

import pytest

from compiler.cluster.judge import ClusterState
from compiler.cluster.view import ClusterView
from compiler.live.read_many import Likeness
from compiler.operations import status_wait
from compiler.operations.status import LiveState, Status, WaitEnd
from compiler.operations.status_live import Snapshot
from compiler.operations.status_wait import StatusOptions, StatusReading, Wait, read_status
from compiler.refusal import Refusal
from tests.unit.operations.status.conftest import GITHUB, JIRA, SPACE, World


def looked(world: World, options: StatusOptions, *, live: bool = True) -> Status:
    def tell(seen: Mapping[str, LiveState], left: float) -> None:
        assert seen
        assert left <= 20
        for name in (GITHUB, JIRA):
            if "force-sync" in world.double.get("externalsecrets", SPACE, name)["metadata"]["annotations"]:
                world.platform.sync(SPACE, name)

    connect = world.view if live else None
    return read_status(world.bench.environment(), options, world.bench.live(), connect, tell)


def test_offline_no_store_is_asked(world: World) -> None:
    found = looked(world, StatusOptions(is_offline=True), live=False)
    assert {row.values.likeness for row in found.rows} == {Likeness.NOT_ASKED}
    assert world.bench.vault.calls == world.bench.azure.calls == []


def test_stores_and_cluster_are_looked_at(world: World) -> None:
    found = looked(world, StatusOptions(("jira",)))
    (row,) = found.rows
    assert (row.values.likeness, row.state, found.waited) == (Likeness.EQUAL, ClusterState.IN_EFFECT, None)


def test_forced_and_waited_for(world: World) -> None:
    assert looked(world, StatusOptions(is_forced=True)).forced == ("github", "jira")
    found = looked(world, StatusOptions(seconds=20, is_forced=True))
    assert found.waited is not None
    assert (found.waited.end, found.waited.seconds, found.forced) == (WaitEnd.IN_EFFECT, 20, ("github", "jira"))
    assert all(row.state is ClusterState.IN_EFFECT for row in found.rows)


class Hung:
    """A look at a world in which somebody does not answer."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(status_wait, "_GRACE", 0.2)
        self.world = world
        self.told: list[float] = []
        self.free = threading.Event()

    def look(
        self, seconds: float, connect: Callable[[], ClusterView] | None = None, *, is_forced: bool = False
    ) -> Status:
        def tell(_seen: Mapping[str, LiveState], left: float) -> None:
            self.told.append(left)

        world = self.world
        connect = connect or world.view
        begun = time.monotonic()
        wish = StatusOptions(seconds=seconds, is_forced=is_forced)
        found = read_status(world.bench.environment(), wish, world.bench.live(), connect, tell)
        # Half of the time after which a request alone would be given up.
        assert time.monotonic() - begun < 15
        assert found.waited is not None
        assert (found.waited.end, found.waited.seconds) == (WaitEnd.TIME_UP, seconds)
        return found

    def hang(self, *_: object, **_named: object) -> NoReturn:
        self.free.wait(60)
        raise AssertionError("nobody waits for this any more")


@pytest.fixture
def hung(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hung]:
    made = Hung(world, monkeypatch)
    yield made
    made.free.set()


def test_a_cluster_that_hangs_in_its_first_list_ends_a_wait_in_time(hung: Hung) -> None:
    hung.world.double.hung.add("list secrets")
    found = hung.look(0.5)
    assert found.waited is not None
    assert found.waited.unanswered == "the cluster (list secrets in agents)"
    assert [row.live for row in found.rows] == [None, None]
    assert {row.values.likeness for row in found.rows} == {Likeness.EQUAL}
    assert hung.told == []


def test_a_cluster_that_hangs_later_ends_it_with_what_was_told_last(
    hung: Hung, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = hung.world
    world.switch()
    judged = Wait._judge_round

    def hang_next(wait: Wait, snapshot: Snapshot) -> None:
        judged(wait, snapshot)
        world.double.hung.add("get clustersecretstores")

    monkeypatch.setattr(Wait, "_judge_round", hang_next)
    monkeypatch.setattr(status_wait, "_PAUSE", 0.1)
    found = hung.look(1)
    assert found.waited is not None
    assert found.waited.unanswered == "the cluster (read clustersecretstores in agents)"
    assert [row.state for row in found.rows] == [ClusterState.IN_EFFECT, ClusterState.OTHER_SPEC]
    assert found.waited.not_compared == {"github": ("UID", "data", "refresh time", "restarts")}


def test_who_hangs_before_the_cluster_is_asked_ends_it_too(hung: Hung, monkeypatch: pytest.MonkeyPatch) -> None:
    found = hung.look(0.2, hung.hang)
    assert found.waited is not None
    assert found.waited.unanswered == "the log-in program of the kubeconfig"
    monkeypatch.setattr(status_wait, "with_values", hung.hang)
    found = hung.look(0.2)
    assert found.waited is not None
    assert (found.waited.unanswered, found.is_asked) == ("the stores", False)


def test_the_state_before_is_what_was_there_before_the_stores_answered(world: World) -> None:
    """jira is deployed and synchronised while a store is silent: a wait that began before compares it all the same."""
    world.switch()
    listed = threading.Event()

    def noticed(*given: Any) -> Snapshot:  # noqa: ANN401 - as it is made
        found = Snapshot(*given)
        listed.set()
        return found

    def deploy(_method: str, _name: str) -> None:
        assert listed.wait(20)
        world.bench.vault.before = world.bench.azure.before = lambda _method, _name: None
        world.platform.deploy(world.bench.environment())
        world.platform.sync(SPACE, JIRA)

    world.bench.vault.before = world.bench.azure.before = deploy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status_wait, "Snapshot", noticed)
        found = looked(world, StatusOptions(seconds=20))
    assert found.waited is not None
    assert found.waited.end is WaitEnd.IN_EFFECT
    assert set(found.waited.not_compared) == {"github"}


def ended(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once nothing more is asked for by a reading, of which nobody waits for the end."""
    over, read = threading.Event(), StatusReading.read

    def noticed(reading: StatusReading) -> Status:
        try:
            return read(reading)
        finally:
            over.set()

    monkeypatch.setattr(StatusReading, "read", noticed)
    return over


def test_after_the_end_nothing_is_told_and_nothing_more_asked_for(hung: Hung, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, over = list[str](), ended(monkeypatch)

    def force_sync(_namespace: str, name: str, _mark: str) -> bool:
        asked.append(name)
        hung.free.wait(60)
        return True

    monkeypatch.setattr(hung.world.cluster, "force_sync", force_sync)
    found = hung.look(0.2, is_forced=True)
    assert found.waited is not None
    assert (found.forced, found.waited.unanswered) == ((), "the cluster (patch externalsecrets in agents)")
    hung.free.set()
    assert over.wait(20)
    assert (asked, hung.told) == ([GITHUB], [])


def test_what_is_answered_after_the_end_has_nothing_asked_for(hung: Hung, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a command that has said that it asked for nothing, none is asked for while its report is still printed."""
    over, usual = ended(monkeypatch), hung.world.cluster.collection

    def late(plural: str, namespace: str) -> object:
        hung.free.wait(60)
        return usual(plural, namespace)

    monkeypatch.setattr(hung.world.cluster, "collection", late)
    assert hung.look(0.2, is_forced=True).forced == ()
    hung.free.set()
    assert over.wait(20)
    assert [each.path for each in hung.world.double.asked if each.method == "PATCH"] == []


def test_a_refusal_in_a_wait_is_the_commands(world: World) -> None:
    world.double.refused["list externalsecrets"] = 401
    with pytest.raises(Refusal, match="rejected your credentials"):
        looked(world, StatusOptions(seconds=20))


def test_a_cluster_that_does_not_answer_ends_the_command(world: World) -> None:
    world.double.refused["list externalsecrets"] = 403
    with pytest.raises(Refusal, match="the cluster cannot be asked: you are not allowed to list") as refused:
        looked(world, StatusOptions())
    assert refused.value.kind == "cannot run"
    assert refused.value.__context__ is None
