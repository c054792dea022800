from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from compiler.cluster.problem import ClusterProblem, ClusterState
from compiler.live.ages import AgeState, KeyAge
from compiler.live.observation import Likeness
from compiler.operations.due import DueKey
from compiler.operations.status import LiveState, StoreFindings, from_files, manifests_for, with_live_state
from compiler.operations.status_live import with_values
from compiler.refusal import Refusal
from tests.unit.operations.status_world import JIRA, World


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


def test_the_first_problem_is_the_state() -> None:
    assert LiveState().state is ClusterState.IN_EFFECT
    seen = LiveState((ClusterProblem(ClusterState.NOT_SYNCED, "a"), ClusterProblem(ClusterState.PODS, "b")))
    assert (seen.state, seen.is_final) == (ClusterState.NOT_SYNCED, False)
    assert LiveState((*seen.problems, ClusterProblem(ClusterState.IMMUTABLE, "c"))).is_final


@pytest.mark.parametrize(
    ("live", "faults", "fine"),
    [
        (None, (), True),
        (LiveState(), (), True),
        (LiveState(), ("it lacks a key",), False),
        (LiveState((ClusterProblem(ClusterState.PODS, "a"),)), (), False),
    ],
)
def test_a_row_is_fine_without_fault_and_problem(
    world: World, live: LiveState | None, faults: tuple[str, ...], *, fine: bool
) -> None:
    status = world.status()
    row = replace(status.rows[0], live=live, values=StoreFindings(faults=faults))
    assert not replace(row, values=StoreFindings(closed=("it does not answer",))).is_fine
    assert row.is_fine is fine
    assert replace(status, rows=(row, status.rows[1])).is_fine is fine
    assert not replace(row, values=StoreFindings(closed=("it does not answer",))).is_fine
    assert row.is_fine is fine
    assert replace(status, rows=(row, status.rows[1])).is_fine is fine


def test_a_row_is_as_old_as_its_oldest_value_however_new_the_version_is_that_has_it(world: World) -> None:
    written = datetime(2025, 3, 1, tzinfo=UTC)
    changed = written - timedelta(days=100)
    row = replace(world.status().rows[0], values=StoreFindings(written=written))
    assert row.value_date == written
    ages = (KeyAge(AgeState.OVERDUE, changed, written), KeyAge(AgeState.NO_LIMIT))
    keys = tuple(DueKey("github", "TOKEN", "vault", None, has_limit=True, age=age) for age in ages)
    assert replace(row, keys=keys).value_date == changed
    assert replace(row, keys=keys, values=StoreFindings()).value_date == changed
