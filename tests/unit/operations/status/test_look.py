import pytest

from compiler.live.read_many import Likeness
from compiler.operations.status import LiveState, from_files, manifests_for, with_live_state
from compiler.operations.status_live import with_values
from compiler.refusal import Refusal
from tests.unit.operations.status.conftest import JIRA, World


def test_the_files_tell_store_and_step(world: World) -> None:
    world.bench.write("prod", "moves: {to: azure, steps: [[github], [all]]}\nsecrets: {github: {store: azure}}\n")
    found = {row.secret.id: row for row in world.status().rows}
    github, jira = found["github"], found["jira"]
    assert (github.store.id, github.to, github.step) == ("azure", None, 1)
    assert (jira.store.id, jira.to.id if jira.to else None, jira.step) == ("vault", "azure", 2)
    assert world.status().progress is not None


def test_without_a_move_nothing_is_on_its_way(world: World) -> None:
    status = world.status()
    assert status.progress is None
    assert {(row.to, row.step) for row in status.rows} == {(None, None)}
    assert not status.is_asked


def test_some_secrets_alone_are_looked_at(world: World) -> None:
    environment = world.bench.environment()
    assert [row.secret.id for row in from_files(environment, ["jira"]).rows] == ["jira"]
    with pytest.raises(Refusal, match='no secret "jura"'):
        from_files(environment, ["jura"])


def test_values_and_live_states_join_their_rows(world: World) -> None:
    status, found = with_values(world.status(), world.bench.live())
    assert status.is_asked
    assert {row.values.likeness for row in status.rows} == {Likeness.EQUAL}
    assert len(found.read) == 4
    seen = LiveState(pods=3)
    joined = with_live_state(status, {"jira": seen})
    assert [row.live for row in joined.rows] == [None, seen]
    assert manifests_for(status)["jira"].name == JIRA
