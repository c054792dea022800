import math
import time

import pytest

from tests import pace
from tests.pace import LOOKS, MOST, TURNS, USUAL, Allowed, allowed, allowed_wall, slowness


class Paced:
    """The clock of a machine that is so many times slower than usual at each look, and as at the last for the rest."""

    def __init__(self, *times: float) -> None:
        self._times = list(times)
        self._now = 0.0
        self.calls = 0

    def __call__(self) -> float:
        self.calls += 1
        if self.calls % 2 == 0:
            self._now += TURNS * USUAL * (self._times.pop(0) if len(self._times) > 1 else self._times[0])
        return self._now


def holds(took: float, limit: Allowed) -> bool:
    return took < limit


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """The turns of work, none of which takes any time."""
    turns: list[None] = []
    monkeypatch.setattr(pace, "_work", lambda: turns.append(None))
    return turns


@pytest.mark.usefixtures("worked")
@pytest.mark.parametrize(("times", "found"), [(0.2, 1), (1, 1), (2.5, 2.5), (5.9, 5.9), (6.1, MOST), (1000, MOST)])
def test_a_quick_machine_counts_one_a_slow_one_as_much_slower_as_it_is_up_to_the_most(
    times: float, found: float
) -> None:
    assert slowness(Paced(times)) == pytest.approx(found)


def test_a_look_takes_the_mean_of_its_turns(worked: list[None]) -> None:
    slowness(Paced(1))
    assert len(worked) == TURNS


def test_this_machine_has_a_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "TURNS", 2)
    for clock in (time.thread_time, time.monotonic):
        assert 1 <= slowness(clock) <= MOST


def test_the_work_is_worth_measuring() -> None:
    begun = time.thread_time()
    pace._work()
    # Clocks tick in milliseconds at worst. Ten times as quick as usual no machine is.
    assert time.thread_time() - begun > USUAL / 10


@pytest.mark.usefixtures("worked")
@pytest.mark.parametrize(
    ("times", "took", "enough"),
    [
        (1, 1.99, True),
        (1, 2.01, False),
        (0.1, 2.01, False),
        (3, 5.9, True),
        (3, 6.1, False),
        (100, 11.9, True),
        (100, 12.1, False),
    ],
)
def test_a_limit_grows_with_the_machine(times: float, took: float, enough: bool) -> None:  # noqa: FBT001
    assert holds(took, Allowed(2, math.inf, Paced(times))) is enough


@pytest.mark.usefixtures("worked")
def test_a_limit_never_reaches_the_wait_that_it_excludes() -> None:
    assert holds(7.9, Allowed(3, 8, Paced(4)))
    assert not holds(8.0, Allowed(3, 8, Paced(4)))
    assert not holds(4.0, Allowed(5, 4, Paced(1)))


def test_the_machine_is_looked_at_only_where_it_can_matter() -> None:
    clock = Paced(2)
    assert holds(1.9, Allowed(2, math.inf, clock))
    assert not holds(12.0, Allowed(2, math.inf, clock))
    assert not holds(3.0, Allowed(2, 3, clock))
    assert clock.calls == 0


@pytest.mark.usefixtures("worked")
def test_a_moment_in_which_the_machine_is_quick_does_not_decide() -> None:
    assert holds(5.9, Allowed(2, math.inf, Paced(*[1] * (LOOKS - 1), 3)))
    assert not holds(5.9, Allowed(2, math.inf, Paced(*[1] * LOOKS, 3)))


@pytest.mark.usefixtures("worked")
def test_the_slowest_look_is_told() -> None:
    limit = Allowed(2, math.inf, Paced(1, 3, 1))
    assert not holds(6.5, limit)
    assert repr(limit) == "2 s * 3.00 of this machine"


@pytest.mark.usefixtures("worked")
@pytest.mark.parametrize(
    ("times", "below", "said"),
    [
        (1, math.inf, "2 s * 1.00 of this machine"),
        (2.5, math.inf, "2 s * 2.50 of this machine"),
        (2.5, 9, "2 s * 2.50 of this machine and below 9 s"),
        (60, math.inf, "2 s * 6, the most that is granted to a machine as slow as this"),
    ],
)
def test_a_limit_tells_what_was_allowed(times: float, below: float, said: str) -> None:
    limit = Allowed(2, below, Paced(times))
    assert holds(5.5, limit) is (times > 2.75)
    assert repr(limit) == said


def test_processor_time_is_compared_with_the_threads_and_waits_with_the_walls_clock() -> None:
    assert (allowed(1).clock, allowed(1).below) == (time.thread_time, math.inf)
    assert (allowed_wall(1, below=2).clock, allowed_wall(1, below=2).below) == (time.monotonic, 2)
