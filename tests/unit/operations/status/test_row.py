from dataclasses import replace

import pytest

from compiler.cluster.judge import Lack
from compiler.operations.status import Problem, Seen, State, Values
from tests.unit.operations.status.conftest import World


def test_every_lack_is_a_state() -> None:
    assert {str(each) for each in Lack} < {str(each) for each in State}


def test_the_first_problem_is_the_state() -> None:
    assert Seen().state is State.IN_EFFECT
    seen = Seen((Problem(State.NOT_SYNCED, "a"), Problem(State.PODS, "b")))
    assert (seen.state, seen.is_final) == (State.NOT_SYNCED, False)
    assert Seen((*seen.problems, Problem(State.REPLACED, "c"))).is_final


@pytest.mark.parametrize(
    ("seen", "faults", "fine"),
    [
        (None, (), True),
        (Seen(), (), True),
        (Seen(), ("it lacks a key",), False),
        (Seen((Problem(State.PODS, "a"),)), (), False),
    ],
)
def test_a_row_is_fine_without_fault_and_problem(
    world: World,
    seen: Seen | None,
    faults: tuple[str, ...],
    fine: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    status = world.status()
    row = replace(status.rows[0], seen=seen, values=Values(faults=faults))
    assert not replace(row, values=Values(closed=("it does not answer",))).is_fine
    assert row.is_fine is fine
    assert replace(status, rows=(row, status.rows[1])).is_fine is fine
