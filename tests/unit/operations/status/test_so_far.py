from collections.abc import Mapping

from compiler.cluster.judge import ClusterProblem, ClusterState
from compiler.live.stores import LiveStores
from compiler.operations.status import LiveState, WaitEnd
from compiler.operations.status_wait import StatusOptions, StatusReading, Tell, Wait
from tests.unit.operations.status.conftest import World


def reading_of(world: World, tell: Tell = lambda _states, _left: None) -> StatusReading:
    return StatusReading(world.status(), StatusOptions(), LiveStores({}), None, tell)


def test_an_early_end_tells_who_was_asked_and_what_was_known(world: World) -> None:
    partial = reading_of(world)
    partial.asked = "the stores"
    found = partial.end(5)
    assert found.waited is not None
    assert (found.waited.end, found.waited.seconds, found.waited.unanswered) == (WaitEnd.TIME_UP, 5, "the stores")
    assert (found.waited.not_compared, found.forced, found.is_live) == ({}, (), True)
    snapshot = world.snapshot()
    partial.view, partial.wait = snapshot.view, Wait(world.judge(), snapshot)
    partial.forced.append("jira")
    partial.asked = ""
    found = partial.end(5)
    assert found.waited is not None
    # All that was asked has been answered.
    assert (found.waited.unanswered, found.forced) == ("", ("jira",))
    assert set(found.waited.not_compared) == {"github", "jira"}
    with snapshot.view.asks("list pods in agents"):
        found = partial.end(5)
    assert found.waited is not None
    assert found.waited.unanswered == "the cluster (list pods in agents)"


def test_what_was_told_last_is_what_an_early_end_has_seen(world: World) -> None:
    told: list[float] = []

    def tell(_seen: Mapping[str, LiveState], left: float) -> None:
        told.append(left)

    partial = reading_of(world, tell)
    partial.remember({"jira": LiveState((ClusterProblem(ClusterState.PODS, "a"),))}, 4)
    found = partial.end(5)
    assert [row.state for row in found.rows] == [ClusterState.NOT_ASKED, ClusterState.PODS]
    partial.remember({"jira": LiveState()}, 0)
    assert (told, partial.states["jira"].state) == ([4], ClusterState.PODS)
