from collections.abc import Mapping

from compiler.operations.status import Problem, Seen, State
from compiler.operations.status_wait import End, SoFar, Wait
from tests.unit.operations.status.conftest import World


def test_an_early_end_tells_who_was_asked_and_what_was_known(world: World) -> None:
    so_far = SoFar(world.status(), "the stores")
    looked = so_far.end(5)
    assert looked.waited is not None
    assert (looked.waited.end, looked.waited.seconds, looked.waited.unanswered) == (End.TIME_UP, 5, "the stores")
    assert (looked.waited.not_compared, looked.forced, looked.status.is_live) == ({}, (), True)
    judge = world.judge()
    so_far.state, so_far.wait = judge.state, Wait(judge, world.status().rows)
    so_far.forced.append("jira")
    so_far.asked = ""
    looked = so_far.end(5)
    assert looked.waited is not None
    # All that was asked has been answered.
    assert (looked.waited.unanswered, looked.forced) == ("", ("jira",))
    assert set(looked.waited.not_compared) == {"github", "jira"}
    with judge.state.asks("list pods", "agents"):
        looked = so_far.end(5)
    assert looked.waited is not None
    assert looked.waited.unanswered == "the cluster (list pods in agents)"


def test_what_was_told_last_is_what_an_early_end_has_seen(world: World) -> None:
    told: list[float] = []

    def tell(_seen: Mapping[str, Seen], left: float) -> None:
        told.append(left)

    so_far = SoFar(world.status())
    telling = so_far.telling(tell)
    telling({"jira": Seen((Problem(State.PODS, "a"),))}, 4)
    looked = so_far.end(5)
    assert [row.state for row in looked.status.rows] == [State.NOT_ASKED, State.PODS]
    telling({"jira": Seen()}, 0)
    assert (told, so_far.seen["jira"].state) == ([4], State.PODS)
