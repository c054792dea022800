import math
import threading
import time
from contextlib import suppress
from typing import ClassVar, cast

import pytest

from compiler.stores.pacing import (
    Clock,
    Deadlines,
    OutOfTimeError,
    acquire_within_deadline,
    call_in_time,
    call_within,
    note_answer,
    one_operation,
    remaining_seconds,
)
from tests.pace import allowed_wall
from tests.virtual_clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def deadlines(clock: VirtualClock) -> Deadlines:
    return Deadlines(clock, patience=120, first_contact=10)


def limited(seconds: float) -> Deadlines:
    """Deadlines of real time that are over soon."""
    short = Deadlines(Clock(), patience=seconds, first_contact=60)
    short.answered.set()
    return short


def test_an_operation_ends_with_its_patience_whatever_is_inside(deadlines: Deadlines, clock: VirtualClock) -> None:
    deadlines.answered.set()
    with deadlines.operation():
        clock.sleep(50)
        with deadlines.operation():
            assert deadlines.end() == 120
        assert deadlines.elapsed() == 50
        clock.sleep(50)
        assert deadlines.end() == 120
        assert deadlines.end(keep=10) == 110
    with deadlines.operation():
        assert deadlines.end() == 220


def test_outside_of_an_operation_one_would_begin_now(deadlines: Deadlines, clock: VirtualClock) -> None:
    assert deadlines.elapsed() == 0
    deadlines.answered.set()
    clock.sleep(5)
    assert (deadlines.elapsed(), deadlines.end(), deadlines.end(keep=20)) == (0, 125, 105)


def test_each_thread_has_operations_of_its_own(deadlines: Deadlines, clock: VirtualClock) -> None:
    deadlines.answered.set()
    ends: list[float] = []

    def other() -> None:
        with deadlines.operation():
            ends.append(deadlines.end())

    with deadlines.operation():
        clock.sleep(50)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        ends.append(deadlines.end())
    assert ends == [170, 120]


def test_the_first_contact_is_one_for_all_operations_until_the_store_has_answered(
    deadlines: Deadlines, clock: VirtualClock
) -> None:
    clock.sleep(7)
    for _ in range(3):
        with deadlines.operation():
            assert deadlines.end() == 17
            clock.sleep(2)
    assert deadlines.elapsed() == 6
    deadlines.answered.set()
    with deadlines.operation():
        assert deadlines.end() == 133


def test_what_may_still_be_waited_is_what_is_left_and_no_more_than_was_asked_for(clock: VirtualClock) -> None:
    deadlines = Deadlines(clock, patience=120, first_contact=10)
    assert remaining_seconds() is None
    assert remaining_seconds(5) == 5
    with deadlines.operation(), deadlines.request():
        assert remaining_seconds(5) == 5
        assert remaining_seconds() == pytest.approx(10, abs=1)
        # As while a credential is asked after the vault's challenge.
        note_answer()
        assert remaining_seconds() == pytest.approx(120, abs=1)
        with deadlines.request(keep=100):
            assert remaining_seconds() == pytest.approx(120, abs=1), "one request has one limit"
    with deadlines.operation(), deadlines.request(keep=100):
        assert remaining_seconds() == pytest.approx(20, abs=1)
    with deadlines.operation():
        clock.sleep(119)
        with deadlines.request():
            assert remaining_seconds() == pytest.approx(1, abs=0.5)
    assert remaining_seconds() is None
    assert deadlines.answered.is_set()


def test_after_the_end_nothing_is_waited_for(clock: VirtualClock) -> None:
    deadlines = Deadlines(clock, patience=1, first_contact=10)
    with deadlines.operation():
        clock.sleep(2)
        with deadlines.request(), pytest.raises(TimeoutError):
            remaining_seconds(5)


def test_an_answer_outside_of_a_request_is_nobodys() -> None:
    note_answer()


def test_a_method_is_one_operation(clock: VirtualClock) -> None:
    class Adapter:
        def __init__(self) -> None:
            self._deadlines = Deadlines(clock, patience=120, first_contact=200)

        @one_operation
        def read(self, name: str, *, times: int) -> list[object]:
            """Ask."""
            ends: list[object] = [name]
            for _ in range(times):
                ends.append(self._deadlines.end())
                clock.sleep(10)
            return ends

    assert Adapter().read("x", times=2) == ["x", 120, 120]
    assert Adapter.read.__doc__ == "Ask."


def test_a_lock_is_waited_for_until_the_request_ends() -> None:
    lock = threading.Lock()
    deadlines = limited(0.1)
    with (
        acquire_within_deadline(lock),
        deadlines.operation(),
        deadlines.request(),
        pytest.raises(TimeoutError),
        acquire_within_deadline(lock),
    ):
        pass
    assert not lock.locked()
    with suppress(ValueError), acquire_within_deadline(lock):
        raise ValueError
    assert not lock.locked()


def test_a_lock_is_waited_for_without_an_end_outside_of_a_request() -> None:
    class Lock:
        waits: ClassVar[list[float]] = []

        def acquire(self, *, timeout: float) -> bool:
            self.waits.append(timeout)
            return True

        def release(self) -> None:
            pass

    with acquire_within_deadline(cast("threading.Lock", Lock())):
        # What a lock takes for "however long it takes".
        assert Lock.waits == [-1]


def test_a_call_without_a_deadline_of_its_own_is_left_behind() -> None:
    free = threading.Event()
    deadlines = limited(0.1)
    began = time.monotonic()
    with deadlines.operation(), deadlines.request(), pytest.raises(TimeoutError):
        call_in_time(lambda: free.wait(20))
    assert time.monotonic() - began < allowed_wall(10, below=20)
    free.set()


def test_what_a_call_in_time_returns_or_raises_is_the_calls() -> None:
    def fail() -> None:
        raise LookupError("x")

    deadlines = limited(60)
    assert call_in_time(lambda: threading.current_thread() is threading.main_thread())
    with deadlines.operation(), deadlines.request():
        assert call_in_time(lambda: threading.current_thread().daemon)
        with pytest.raises(LookupError, match="x"):
            call_in_time(fail)


def test_what_has_not_returned_in_its_seconds_is_told_apart_from_a_deadline_inside() -> None:
    free = threading.Event()
    with pytest.raises(OutOfTimeError):
        call_within(0.05, lambda: free.wait(20))
    free.set()

    def late() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own") as inside:
        call_within(60, late)
    assert not isinstance(inside.value, OutOfTimeError)


def test_a_call_has_the_context_of_its_caller() -> None:
    deadlines = limited(60)
    with deadlines.operation(), deadlines.request():
        left = call_within(60, remaining_seconds)
    assert left is not None
    assert call_within(math.inf, remaining_seconds) is None
