import pytest

from compiler.cluster.view import ClusterError
from compiler.operations.status_wait import force_sync
from tests.unit.operations.status.conftest import GITHUB, JIRA, SPACE, World


def mark(world: World, name: str) -> str | None:
    annotations = world.double.get("externalsecrets", SPACE, name)["metadata"]["annotations"]
    found: str | None = annotations.get("force-sync")
    return found


def test_our_own_objects_get_the_annotation(world: World) -> None:
    assert list(force_sync(world.snapshot(), "17")) == ["github", "jira"]
    assert (mark(world, GITHUB), mark(world, JIRA)) == ("17", "17")


def test_what_is_not_ours_or_gone_is_left_alone(world: World) -> None:
    state = world.snapshot()
    found = world.double.get("externalsecrets", SPACE, GITHUB)
    found["metadata"]["labels"] = {}
    world.double.put("externalsecrets", found)
    assert list(force_sync(world.snapshot(), "17")) == ["jira"]
    assert mark(world, GITHUB) is None
    world.double.delete("externalsecrets", SPACE, JIRA)
    assert list(force_sync(state, "18")) == ["github"]


def test_who_may_not_is_told(world: World) -> None:
    world.double.refused["patch externalsecrets"] = 403
    with pytest.raises(ClusterError, match="patch externalsecrets in agents"):
        list(force_sync(world.snapshot(), "17"))


def test_none_is_asked_for_once_it_is_over(world: World) -> None:
    state = world.snapshot()
    asked: list[str] = []

    def is_over() -> bool:
        # Whoever ends it now is told of this one.
        asked.append(state.view.unanswered)
        return len(asked) > 1

    assert list(force_sync(state, "17", is_over)) == ["github"]
    assert (mark(world, GITHUB), mark(world, JIRA)) == ("17", None)
    assert asked == ["patch externalsecrets in agents"] * 2
