"""What the docs promise of a server that answers a byte a second, measured with the real deadlines.

They take minutes by nature, and run in `make proofs`.
"""

import sys

import pytest

from tests.pace import allowed_wall
from tests.proofs.conftest import World, only_in_proofs
from tests.proofs.trickling import AFTER_AN_ANSWER, FROM_THE_START, behind_gateways, make_room

pytestmark = [pytest.mark.slow, only_in_proofs]

FIRST_CONTACT, VERIFY, OPERATION = 10.0, 30.0, 120.0
# Seconds beyond a promise that a command takes to start, to read its input and to end.
AROUND = 5.0


@pytest.mark.parametrize(("command", "store"), FROM_THE_START)
def test_a_store_that_trickles_from_the_start_is_given_up_in_ten_seconds(
    world: World, command: tuple[str, ...], store: str
) -> None:
    with behind_gateways(world, pace=1.0) as ends:
        make_room(world, command)
        ends.trickle(store)
        done, took = ends.run(*command)
    tell(command, "from the start", took)
    assert "tried for " in done.err + done.out
    assert took < allowed_wall(FIRST_CONTACT + AROUND, below=VERIFY)


@pytest.mark.parametrize(("command", "asked", "store"), AFTER_AN_ANSWER)
def test_a_store_that_trickles_after_an_answer_is_given_up_when_the_operation_ends(
    world: World, command: tuple[str, ...], asked: bytes, store: str
) -> None:
    with behind_gateways(world, pace=1.0) as ends:
        make_room(world, command)
        ends.trickle(store, asked)
        _done, took = ends.run(*command)
    tell(command, f"from {asked.decode().strip()}", took)
    promised = VERIFY if command[0] == "verify" else OPERATION
    assert took < allowed_wall(promised + AROUND, below=2 * promised)


def tell(command: tuple[str, ...], when: str, took: float) -> None:
    """The figures, with `pytest -s`."""
    sys.stdout.write(f"{took:6.1f} s  {' '.join(command)}  {when}\n")
