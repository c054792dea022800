from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compiler.operations.status.row import State
from compiler.operations.status.run import Looked, Wishes, look_at
from compiler.operations.status.values import Likeness
from compiler.operations.status.wait import End
from compiler.refusal import Refusal
from tests.unit.operations.status.conftest import GITHUB, JIRA, SPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.operations.status.row import Seen
    from tests.unit.operations.status.conftest import World


def looked(world: World, wishes: Wishes, *, live: bool = True) -> Looked:
    def tell(seen: Mapping[str, Seen], left: float) -> None:
        assert seen
        assert left <= 20
        for name in (GITHUB, JIRA):
            if "force-sync" in world.double.get("externalsecrets", SPACE, name)["metadata"]["annotations"]:
                world.platform.sync(SPACE, name)

    cluster = world.cluster if live else None
    return look_at(world.bench.environment(), wishes, world.bench.live(), cluster, tell)


def test_offline_no_store_is_asked(world: World) -> None:
    found = looked(world, Wishes(is_offline=True), live=False)
    assert {row.values.likeness for row in found.status.rows} == {Likeness.NOT_ASKED}
    assert world.bench.vault.calls == world.bench.azure.calls == []


def test_stores_and_cluster_are_looked_at(world: World) -> None:
    found = looked(world, Wishes(("jira",)))
    (row,) = found.status.rows
    assert (row.values.likeness, row.state, found.waited) == (Likeness.EQUAL, State.IN_EFFECT, None)


def test_forced_and_waited_for(world: World) -> None:
    assert looked(world, Wishes(is_forced=True)).forced == ("github", "jira")
    found = looked(world, Wishes(seconds=20, is_forced=True))
    assert found.waited is not None
    assert (found.waited.end, found.waited.seconds, found.forced) == (End.IN_EFFECT, 20, ("github", "jira"))
    assert all(row.state is State.IN_EFFECT for row in found.status.rows)


def test_a_cluster_that_does_not_answer_ends_the_command(world: World) -> None:
    world.double.refused["list externalsecrets"] = 403
    with pytest.raises(Refusal, match="the cluster cannot be asked: you are not allowed to list") as refused:
        looked(world, Wishes())
    assert refused.value.kind == "cannot run"
    assert refused.value.__context__ is None
