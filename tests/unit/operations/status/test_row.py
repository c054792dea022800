from dataclasses import replace

import pytest

from compiler.cluster.judge import ClusterProblem, ClusterState
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
