import time

import pytest

from tests.proofs.limits.pool_clock import PoolClock


@pytest.mark.parametrize("ends_by", ["result", "wait", "shutdown"])
def test_no_time_passes_until_the_pool_is_filled_however_slowly(ends_by: str) -> None:
    clock = PoolClock(100.0)
    moments: list[float] = []

    def work() -> None:
        for _ in range(5):
            clock.sleep(1)
            moments.append(clock.now())

    pool = clock.pool(4)
    futures = []
    for _ in range(4):
        futures.append(pool.submit(work))
        # As on a machine that has no processor left for the thread that fills the pool.
        time.sleep(0.05)
    assert moments == []
    if ends_by == "result":
        for future in futures:
            future.result()
    elif ends_by == "wait":
        assert not clock.wait(futures, 30).not_done
    pool.shutdown()
    assert moments == [moment for moment in (101.0, 102.0, 103.0, 104.0, 105.0) for _ in range(4)]
    assert clock.now() == 105
    # Without a pool that has anything to do, one thread's sleep is all there is.
    clock.sleep(7)
    assert clock.now() == 112


def test_what_a_task_raises_is_its_futures_result() -> None:
    def fail() -> None:
        raise LookupError

    clock = PoolClock(0)
    with clock.pool(1) as pool, pytest.raises(LookupError):
        pool.submit(fail).result()
