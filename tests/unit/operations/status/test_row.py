from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from compiler.cluster.judge import ClusterProblem, ClusterState
from compiler.live.ages import AgeState, KeyAge
from compiler.operations.due import DueKey
from compiler.operations.status import LiveState, StoreFindings
from tests.unit.operations.status.conftest import World


def test_the_first_problem_is_the_state() -> None:
    assert LiveState().state is ClusterState.IN_EFFECT
    seen = LiveState((ClusterProblem(ClusterState.NOT_SYNCED, "a"), ClusterProblem(ClusterState.PODS, "b")))
    assert (seen.state, seen.is_final) == (ClusterState.NOT_SYNCED, False)
    assert LiveState((*seen.problems, ClusterProblem(ClusterState.REPLACED, "c"))).is_final


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
    world: World,
    live: LiveState | None,
    faults: tuple[str, ...],
    fine: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    status = world.status()
    row = replace(status.rows[0], live=live, values=StoreFindings(faults=faults))
    assert not replace(row, values=StoreFindings(closed=("it does not answer",))).is_fine
    assert row.is_fine is fine
    assert replace(status, rows=(row, status.rows[1])).is_fine is fine


def test_a_row_is_as_old_as_its_oldest_value_however_new_the_version_is_that_has_it(world: World) -> None:
    written = datetime(2025, 3, 1, tzinfo=UTC)
    changed = written - timedelta(days=100)
    row = replace(world.status().rows[0], values=StoreFindings(written=written))
    assert row.written == written
    ages = (KeyAge(AgeState.OVERDUE, changed, written), KeyAge(AgeState.NO_LIMIT))
    keys = tuple(DueKey("github", "TOKEN", "vault", None, has_limit=True, age=age) for age in ages)
    assert replace(row, keys=keys).written == changed
    assert replace(row, keys=keys, values=StoreFindings()).written == changed
