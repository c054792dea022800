import threading

from compiler.stores.pacing import Clock
from tests.virtual_clock import VirtualClock


def test_the_systems_clock_goes_forward() -> None:
    clock = Clock()
    before = clock.now()
    clock.sleep(0.01)
    assert clock.now() - before >= 0.01


def test_a_virtual_hour_takes_no_time_and_going_back_is_not_possible() -> None:
    clock = VirtualClock(start=100)
    clock.sleep(3600)
    assert clock.now() == 3700
    clock.sleep(-5)
    assert clock.now() == 3700


def test_virtual_workers_wake_in_the_order_of_their_times() -> None:
    clock = VirtualClock(workers=3)
    woken: list[tuple[float, float]] = []

    def work(seconds: float) -> None:
        for _ in range(3):
            clock.sleep(seconds)
            woken.append((clock.now(), seconds))
        clock.leave()

    threads = [threading.Thread(target=work, args=(seconds,)) for seconds in (2, 3, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(woken) == [(2, 2), (3, 3), (4, 2), (6, 2), (6, 3), (9, 3), (50, 50), (100, 50), (150, 50)]
    assert [time for time, _ in woken] == sorted(time for time, _ in woken)
