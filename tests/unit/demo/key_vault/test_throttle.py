from compiler.demo.local_key_vault import Throttle
from tests.faulty_key_vault import ClosableThrottle


def test_300_creates_and_4000_others_are_admitted_in_any_10_seconds() -> None:
    throttle = Throttle()
    assert sum(throttle.admits("create", 100.0) for _ in range(400)) == 300
    assert sum(throttle.admits("other", 100.0) for _ in range(5_000)) == 4_000
    assert not throttle.admits("create", 109.99)
    assert throttle.admits("create", 110.0)


def test_the_window_slides() -> None:
    throttle = Throttle(creates=2)
    assert throttle.admits("create", 0.0)
    assert throttle.admits("create", 9.0)
    assert throttle.admits("create", 10.5)
    assert not throttle.admits("create", 18.9)


def test_a_refused_request_uses_nothing_up() -> None:
    throttle = Throttle(creates=1)
    assert throttle.admits("create", 0.0)
    assert not throttle.admits("create", 9.9)
    assert throttle.admits("create", 10.0)


def test_a_closed_window_refuses_all_and_no_limit_admits_all() -> None:
    throttle = ClosableThrottle(None, None)
    throttle.close_between(5.0, 10.0)
    assert [throttle.admits("other", moment) for moment in (4.9, 5.0, 9.9, 10.0)] == [True, False, False, True]
