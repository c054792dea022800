import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.stores.azure_key_vault.store import KEY_VAULT_QUOTAS
from compiler.stores.pacing import UNLIMITED, Limiter, NoTurnError, RequestClass
from tests.virtual_clock import VirtualClock

CREATE, OTHER = RequestClass.CREATE, RequestClass.OTHER


def most_in_any_window(times: list[float], window: float) -> int:
    times = sorted(times)
    start = most = 0
    for end, time in enumerate(times):
        while time - times[start] > window:
            start += 1
        most = max(most, end - start + 1)
    return most


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

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
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
    for _ in range(5):
        with limiter.slot(OTHER):
            pass
    with limiter.slot(CREATE):
        pass
    assert clock.now() == 0
    with limiter.slot(CREATE):
        pass
    assert 10 < clock.now() < 10.1


def test_without_a_quota_nobody_waits() -> None:
    clock = VirtualClock()
    limiter = Limiter(UNLIMITED, clock)
    for _ in range(10_000):
        with limiter.slot(CREATE):
            pass
    assert clock.now() == 0
    assert not limiter._ended[CREATE]


def test_a_pause_holds_everyone_and_a_shorter_one_does_not_end_it() -> None:
    clock = VirtualClock()
    limiter = Limiter(UNLIMITED, clock)
    limiter.pause(20)
    limiter.pause(1)
    with limiter.slot(OTHER):
        assert clock.now() == 20


def test_a_pause_beyond_the_end_of_a_request_is_not_waited_for() -> None:
    clock = VirtualClock()
    limiter = Limiter(UNLIMITED, clock)
    limiter.pause(20)
    with pytest.raises(NoTurnError), limiter.slot(OTHER, 19.9):
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
    times = []
    for _ in range(7):
        with limiter.slot(CREATE):
            times.append(clock.now())
    assert times == pytest.approx([0, 0, 0, 10.001, 10.001, 10.001, 20.002])


def test_a_request_that_fails_counts_and_gives_its_place_back() -> None:
    clock = VirtualClock()
    limiter = Limiter({CREATE: 1}, clock)
    with pytest.raises(ValueError, match="x"), limiter.slot(CREATE):
        raise ValueError("x")
    with limiter.slot(CREATE):
        assert clock.now() > 10


def test_a_whole_quota_under_way_is_waited_for() -> None:
    clock = VirtualClock(workers=2)
    limiter = Limiter({CREATE: 1}, clock, window=1)
    entered: list[float] = []

    def work() -> None:
        with limiter.slot(CREATE):
            entered.append(clock.now())
            clock.sleep(5)
        clock.leave()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert entered[0] == 0
    assert entered[1] > 6


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
    for _ in range(limit):
        with limiter.slot(kind):
            pass
    assert clock.now() == 0
    with limiter.slot(kind):
        assert 10 < clock.now() < 10.1


def test_a_place_that_comes_free_is_found_soon() -> None:
    clock = VirtualClock(workers=2)
    limiter = Limiter({CREATE: 1}, clock, window=0.1)
    entered: list[float] = []

    def work() -> None:
        with limiter.slot(CREATE):
            entered.append(clock.now())
            clock.sleep(5)
        clock.leave()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 5.1 < entered[1] < 5.2
