import math
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.stores.azure_key_vault.store import KEY_VAULT_QUOTAS
from compiler.stores.pacing import (
    UNLIMITED,
    Clock,
    Deadlines,
    Limiter,
    OutOfTimeError,
    RequestClass,
    WaitTooLongError,
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
        assert deadlines.seconds_since_start() == 50
        clock.sleep(50)
        assert deadlines.end() == 120
        assert deadlines.end(keep=10) == 110
    with deadlines.operation():
        assert deadlines.end() == 220


def test_outside_of_an_operation_one_would_begin_now(deadlines: Deadlines, clock: VirtualClock) -> None:
    assert deadlines.seconds_since_start() == 0
    deadlines.answered.set()
    clock.sleep(5)
    assert (deadlines.seconds_since_start(), deadlines.end(), deadlines.end(keep=20)) == (0, 125, 105)


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
    assert deadlines.seconds_since_start() == 6
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


CREATE, OTHER = RequestClass.CREATE, RequestClass.OTHER


def most_in_any_window(times: list[float], window: float) -> int:
    times = sorted(times)
    start = most = 0
    for end, moment in enumerate(times):
        while moment - times[start] > window:
            start += 1
        most = max(most, end - start + 1)
    return most


def in_threads(work: Callable[[int], None], workers: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sent(limiter: Limiter, clock: VirtualClock, kind: RequestClass, times: int = 1) -> list[float]:
    """When each request was sent, one after the other."""
    moments = []
    for _ in range(times):
        with limiter.slot(kind):
            moments.append(clock.now())
    return moments


def run(limiter: Limiter, clock: VirtualClock, workers: int, requests: int, seed: int) -> list[float]:
    """Send from several workers; return when the far server saw each, at a random moment of a random round trip."""
    seen: list[float] = []
    left = iter(range(requests))
    lock = threading.Lock()

    def work(number: int) -> None:
        chance = random.Random(seed * 1000 + number)  # noqa: S311 - no secret depends on it
        while True:
            with lock:
                if next(left, None) is None:
                    break
            with limiter.slot(CREATE):
                there, back = chance.uniform(0, 0.4), chance.uniform(0, 0.1)
                clock.sleep(there)
                seen.append(clock.now())
                clock.sleep(back)
        clock.leave()

    in_threads(work, workers)
    return seen


def test_a_thousand_creates_by_32_workers_never_exceed_300_in_10_seconds_and_reach_95_percent() -> None:
    clock = VirtualClock(workers=32)
    seen = run(Limiter(KEY_VAULT_QUOTAS, clock), clock, workers=32, requests=1000, seed=1)
    assert len(seen) == 1000
    assert most_in_any_window(seen, 10) <= 300
    # 1,000 at 300 per 10 s: three full windows must pass, and the rest fits into the fourth.
    assert clock.now() <= 33.4 / 0.95


@settings(max_examples=12)
@given(limit=st.integers(1, 20), workers=st.integers(1, 8), seed=st.integers(0, 99))
def test_no_window_is_ever_above_the_quota(limit: int, workers: int, seed: int) -> None:
    clock = VirtualClock(workers=workers)
    seen = run(Limiter({CREATE: limit}, clock, window=2), clock, workers, requests=limit * 4, seed=seed)
    assert len(seen) == limit * 4
    assert most_in_any_window(seen, 2) <= limit


def test_the_classes_have_quotas_of_their_own() -> None:
    clock = VirtualClock()
    limiter = Limiter({CREATE: 1, OTHER: 5}, clock)
    assert sent(limiter, clock, OTHER, 5) == [0] * 5
    first, second = sent(limiter, clock, CREATE, 2)
    assert first == 0
    assert 10 < second < 10.1


def test_without_a_quota_nobody_waits() -> None:
    clock = VirtualClock()
    limiter = Limiter(UNLIMITED, clock)
    assert sent(limiter, clock, CREATE, 10_000)[-1] == 0
    assert not limiter._ended[CREATE]


def test_a_pause_holds_everyone_and_a_shorter_one_does_not_end_it() -> None:
    clock = VirtualClock()
    limiter = Limiter(UNLIMITED, clock)
    limiter.pause(20)
    limiter.pause(1)
    assert sent(limiter, clock, OTHER) == [20]


def test_a_pause_beyond_the_end_of_a_request_is_not_waited_for() -> None:
    clock = VirtualClock()
    limiter = Limiter(UNLIMITED, clock)
    limiter.pause(20)
    with pytest.raises(WaitTooLongError), limiter.slot(OTHER, 19.9):
        pass
    assert clock.now() == 0
    with limiter.slot(OTHER, 20):
        assert clock.now() == 20
    # Its pause over, a request whose time is up as well is sent all the same: to be told so by what sends it.
    with limiter.slot(OTHER, 10):
        assert clock.now() == 20


@pytest.mark.parametrize(
    ("after", "waited"), [(9.999, 0.002), (10.0, 0.001), (10.0005, 0.0), (10.001, 0.0), (11.0, 0.0)]
)
def test_a_request_counts_up_to_and_with_the_end_of_the_window(after: float, waited: float) -> None:
    """One sent exactly a window after another would be within ten seconds with it, both ends counted."""
    clock = VirtualClock()
    limiter = Limiter({CREATE: 1}, clock, window=10)
    with limiter.slot(CREATE):
        clock.sleep(2)
    clock.sleep(after)
    with limiter.slot(CREATE):
        assert clock.now() - 2 - after == pytest.approx(waited, abs=1e-9)


def test_as_many_as_the_quota_go_at_once_and_not_one_more() -> None:
    clock = VirtualClock()
    limiter = Limiter({CREATE: 3}, clock, window=10)
    assert sent(limiter, clock, CREATE, 7) == pytest.approx([0, 0, 0, 10.001, 10.001, 10.001, 20.002])


def test_a_request_that_fails_counts_and_gives_its_place_back() -> None:
    clock = VirtualClock()
    limiter = Limiter({CREATE: 1}, clock)
    with pytest.raises(ValueError, match="x"), limiter.slot(CREATE):
        raise ValueError("x")
    with limiter.slot(CREATE):
        assert clock.now() > 10


@pytest.mark.parametrize("window", [1, 0.1])
def test_a_place_of_a_whole_quota_under_way_is_waited_for_and_found_soon(window: float) -> None:
    clock = VirtualClock(workers=2)
    limiter = Limiter({CREATE: 1}, clock, window)
    entered: list[float] = []

    def work(_: int) -> None:
        with limiter.slot(CREATE):
            entered.append(clock.now())
            clock.sleep(5)
        clock.leave()

    in_threads(work, 2)
    assert entered[0] == 0
    assert 5 + window < entered[1] < 5.1 + window


def test_what_is_remembered_does_not_grow() -> None:
    clock = VirtualClock()
    limiter = Limiter({OTHER: 50}, clock)
    for _ in range(1000):
        clock.sleep(0.5)
        with limiter.slot(OTHER):
            pass
    assert len(limiter._ended[OTHER]) <= 50


@pytest.mark.parametrize(("kind", "limit"), [(CREATE, 300), (OTHER, 4000)])
def test_key_vaults_quotas_are_those_that_microsoft_documents(kind: RequestClass, limit: int) -> None:
    clock = VirtualClock()
    limiter = Limiter(KEY_VAULT_QUOTAS, clock)
    *at_once, later = sent(limiter, clock, kind, limit + 1)
    assert at_once == [0] * limit
    assert 10 < later < 10.1


def test_the_systems_clock_goes_forward() -> None:
    clock = Clock()
    before = clock.now()
    clock.sleep(0.01)
    assert clock.now() - before >= 0.01
