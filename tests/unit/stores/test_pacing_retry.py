import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from math import inf
from threading import Thread

import pytest

from compiler.stores.errors import Action, Code, StoreError, StoreLocation
from compiler.stores.pacing import (
    UNLIMITED,
    Clock,
    Limiter,
    Retrier,
    RetryPolicy,
    ignore,
    parse_retry_after,
    remaining_seconds,
)
from tests.refusals import is_refused
from tests.virtual_clock import VirtualClock

PLACE = StoreLocation("https://store")


def failure(code: Code, retry_after: float | None = None) -> StoreError:
    return StoreError(PLACE, Action.READ, "why", "what", code, retry_after=retry_after)


def script(*steps: StoreError | str) -> Callable[[], str]:
    left: Iterator[StoreError | str] = iter(steps)

    def send() -> str:
        step = next(left)
        if isinstance(step, StoreError):
            raise step
        return step

    return send


@dataclass
class Sick:
    """A store that takes its time and fails, until it is well; it remembers when it was asked."""

    clock: VirtualClock
    code: Code = Code.UNAVAILABLE
    retry_after: float | None = None
    takes: float = 0.0
    until: float = inf
    asked: list[float] = field(default_factory=list)

    def __call__(self) -> str:
        self.asked.append(self.clock.now())
        self.clock.sleep(self.takes)
        if self.clock.now() < self.until:
            raise failure(self.code, self.retry_after)
        return "up again"


def never() -> str:
    raise AssertionError


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def limiter(clock: VirtualClock) -> Limiter:
    return Limiter(UNLIMITED, clock)


@pytest.fixture
def retrier(clock: VirtualClock, limiter: Limiter) -> Retrier:
    return Retrier(limiter, clock, RetryPolicy(), chance=lambda: 1.0)


def test_a_success_is_returned_at_once(retrier: Retrier, clock: VirtualClock) -> None:
    assert retrier.read(script("good")) == "good"
    assert clock.now() == 0


def test_an_error_that_will_not_pass_is_raised_at_once(retrier: Retrier, clock: VirtualClock) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.NOT_FOUND)):
        retrier.read(script(failure(Code.NOT_FOUND), "never"))
    assert clock.now() == 0


def test_waits_double_up_to_the_longest(retrier: Retrier, clock: VirtualClock) -> None:
    retrier.read(script("the store is known to answer"))
    store = Sick(clock)
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        retrier.read(store)
    waits = [later - earlier for earlier, later in pairwise(store.asked)]
    assert waits[:7] == [0.25, 0.5, 1, 2, 4, 8, 15]
    assert set(waits[7:-1]) == {15}
    # The last attempt has the last second to itself.
    assert store.asked[-1] - store.asked[0] == 119


def test_a_store_that_has_never_answered_is_given_up_after_ten_seconds(retrier: Retrier, clock: VirtualClock) -> None:
    # All of a command together: the second does not wait once more.
    for _ in range(2):
        with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)) as caught:
            retrier.read(Sick(clock, takes=0.3))
        assert clock.now() == pytest.approx(9.3)
        assert caught.value.reason == "why, tried for 9 s"


@pytest.mark.parametrize("kind", [Code.UNREACHABLE, Code.SEALED])
def test_what_waiting_does_not_change_is_told_at_once_where_the_store_never_answered(
    retrier: Retrier, clock: VirtualClock, kind: Code
) -> None:
    store = Sick(clock, kind)
    for _ in range(2):
        with pytest.raises(StoreError, check=is_refused(kind)) as caught:
            retrier.read(store)
        assert caught.value.reason == "why"
    with pytest.raises(StoreError, check=is_refused(kind)):
        retrier.write(store, never)
    assert (clock.now(), store.asked) == (0, [0])


@pytest.mark.parametrize("kind", [Code.UNREACHABLE, Code.SEALED])
def test_the_same_of_a_store_that_has_answered_is_sat_out(retrier: Retrier, clock: VirtualClock, kind: Code) -> None:
    retrier.read(script("good"))
    assert retrier.read(Sick(clock, kind, until=60)) == "up again"


@pytest.mark.parametrize("chances", [[0.0] * 200 + [1.0], [1.0], [0.01, 0.02, 0.99]])
def test_the_patience_is_used_up_however_the_waits_fall(
    clock: VirtualClock, limiter: Limiter, chances: list[float]
) -> None:
    turn = cycle(chances)
    retrier = Retrier(limiter, clock, chance=lambda: next(turn))
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        retrier.read(Sick(clock, takes=0.01))
    assert 9 <= clock.now() < 9.1


def test_time_that_a_dead_connection_takes_counts_from_its_beginning(retrier: Retrier, clock: VirtualClock) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        retrier.read(Sick(clock, takes=5))
    assert clock.now() < 11


@pytest.mark.parametrize("answer", ["good", failure(Code.NOT_FOUND), failure(Code.BUSY), failure(Code.THROTTLED)])
def test_after_one_answer_the_whole_patience_holds(
    retrier: Retrier, clock: VirtualClock, answer: StoreError | str
) -> None:
    # Of a refusal, too: it shows that the store is there.
    with suppress(StoreError):
        retrier.read(script(answer, failure(Code.NOT_FOUND)))
    assert retrier.read(Sick(clock, until=clock.now() + 60)) == "up again"


def test_a_patience_that_ends_says_how_long_it_was(retrier: Retrier, clock: VirtualClock) -> None:
    retrier.read(script("good"))
    with pytest.raises(StoreError, check=is_refused(Code.SEALED)) as caught:
        retrier.read(Sick(clock, Code.SEALED))
    assert caught.value.reason == "why, still so after 119 s of retries"
    assert (caught.value.place, caught.value.action, caught.value.remedy) == (PLACE, Action.READ, "what")
    assert clock.now() > 60


@pytest.mark.parametrize("kind", [Code.THROTTLED, Code.BUSY])
def test_a_first_answer_that_it_is_busy_is_waited_for_as_long_as_later_ones(
    retrier: Retrier, clock: VirtualClock, kind: Code
) -> None:
    assert retrier.read(Sick(clock, kind, until=40)) == "up again"


def test_requests_of_one_operation_share_its_deadline(retrier: Retrier, clock: VirtualClock) -> None:
    retrier.read(script("the store is known to answer"))
    down = Sick(clock)
    with retrier.deadlines.operation():
        clock.sleep(100)
        retrier.read(script("a slow first part"))
        with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)) as caught:
            retrier.read(down)
    assert clock.now() == 119
    assert caught.value.reason == "why, still so after 119 s of retries"
    # The next operation has a deadline of its own.
    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        retrier.read(down)
    assert clock.now() == 238


def test_an_attempt_is_told_what_is_left_of_the_operation(retrier: Retrier, clock: VirtualClock) -> None:
    told: list[float | None] = []

    def send() -> str:
        told.append(remaining_seconds())
        clock.sleep(50)
        raise failure(Code.BUSY)

    with pytest.raises(StoreError, check=is_refused(Code.BUSY)):
        retrier.read(send)
    # Of the first contact, until the store has answered.
    assert told == [pytest.approx(left, abs=1) for left in (10, 69.75, 19.25)]


def test_of_a_write_some_time_is_kept_for_finding_out_what_became_of_it(retrier: Retrier, clock: VirtualClock) -> None:
    retrier.read(script("the store is known to answer"))
    told: list[float | None] = []
    settled_at: list[float] = []

    def send() -> str:
        told.append(remaining_seconds())
        clock.sleep(110)
        raise failure(Code.UNAVAILABLE)

    def settle() -> str:
        settled_at.append(clock.now())
        return retrier.read(lambda: f"{remaining_seconds():.0f} s")

    assert retrier.write(send, settle) == "10 s"
    assert told == [pytest.approx(110, abs=1)]
    assert settled_at == [pytest.approx(110, abs=0.3)]


@pytest.mark.parametrize("asked", [None, 1.0, 86400.0])
def test_endless_throttling_ends_with_the_operation(retrier: Retrier, clock: VirtualClock, asked: float | None) -> None:
    with pytest.raises(StoreError, check=is_refused(Code.THROTTLED)):
        retrier.read(Sick(clock, Code.THROTTLED, asked))
    assert 60 < clock.now() <= 119


def test_who_cannot_wait_as_long_as_another_was_told_to_does_not_ask(retrier: Retrier, clock: VirtualClock) -> None:
    retrier.read(script("the store is known to answer"))
    place = StoreLocation("https://store", "another-secret")
    slow_down = StoreError(place, Action.READ, "why", "what", Code.THROTTLED, retry_after=30.0)
    with retrier.deadlines.operation():
        clock.sleep(100)
        outcome: list[StoreError | str] = []

        def other() -> None:
            # Its operation begins now: it has the time to wait.
            outcome.append(retrier.read(script(slow_down, "good")))

        pausing = Thread(target=other)
        pausing.start()
        pausing.join()
        assert outcome == ["good"]
        retrier._limiter.pause(30)
        with pytest.raises(StoreError, check=is_refused(Code.THROTTLED)) as caught:
            retrier.read(never)
    assert str(caught.value) == str(failure(Code.THROTTLED))
    assert (caught.value.place, caught.value.retry_after) == (PLACE, 30.0)


def test_jitter_is_full(clock: VirtualClock, limiter: Limiter) -> None:
    eager = Retrier(limiter, clock, chance=lambda: 0.0)
    assert eager.read(script(failure(Code.UNAVAILABLE), failure(Code.THROTTLED), "good")) == "good"
    assert clock.now() == 0


@pytest.mark.parametrize(("asked", "waited"), [(None, 2), (0.0, 2), (1.0, 3), (86400.0, 32)])
def test_a_throttled_request_pauses_every_worker_for_a_bounded_time(
    clock: VirtualClock, asked: float | None, waited: float
) -> None:
    paused: list[float] = []

    class Watched(Limiter):
        def pause(self, seconds: float) -> None:
            paused.append(seconds)
            super().pause(seconds)

    retrier = Retrier(Watched(UNLIMITED, clock), clock, chance=lambda: 1.0)
    assert retrier.read(script(failure(Code.THROTTLED, asked), "good")) == "good"
    assert (clock.now(), paused) == (waited, [waited])


def test_a_write_that_was_stored_is_not_sent_again(retrier: Retrier) -> None:
    assert retrier.write(script(failure(Code.UNAVAILABLE)), settle=lambda: "stored") == "stored"


def test_a_write_that_was_not_stored_is_sent_again(retrier: Retrier) -> None:
    assert retrier.write(script(failure(Code.UNAVAILABLE), "second"), settle=lambda: None) == "second"


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_write_whose_reply_is_lost_is_given_time_to_arrive_before_it_is_looked_for(
    clock: VirtualClock, limiter: Limiter, chance: float
) -> None:
    """Read back at once, a write that is still under way is not there, is sent again, and makes two versions."""
    retrier, store = Retrier(limiter, clock, chance=lambda: chance), Sick(clock)

    def settle() -> str | None:
        return "stored" if clock.now() >= 0.1 else None

    assert retrier.write(store, settle) == "stored"
    assert store.asked == [0]
    assert clock.now() <= 0.25


def test_a_write_waits_once_a_turn_and_longer_each_time(retrier: Retrier, clock: VirtualClock) -> None:
    moments: list[float] = []

    def settle() -> None:
        moments.append(clock.now())

    lost = [failure(Code.UNAVAILABLE)] * 4
    assert retrier.write(script(*lost, "good"), settle) == "good"
    assert moments == [0.25, 0.75, 1.75, 3.75]


@pytest.mark.parametrize("kind", [Code.THROTTLED, Code.SEALED])
def test_a_write_that_was_surely_refused_is_sent_again_without_reading_back(retrier: Retrier, kind: Code) -> None:
    retrier.read(script("the store is known to answer"))
    assert retrier.write(script(failure(kind), "second"), never) == "second"


def test_a_write_that_cannot_be_settled_ends_with_what_settling_said(retrier: Retrier) -> None:
    def settle() -> str:
        raise StoreError(PLACE, Action.READ, "why", "what", Code.OUTCOME_UNKNOWN)

    with pytest.raises(StoreError, check=is_refused(Code.OUTCOME_UNKNOWN)):
        retrier.write(script(failure(Code.UNAVAILABLE), "never"), settle)


def test_settling_may_read_through_the_same_retrier(retrier: Retrier) -> None:
    assert retrier.write(script(failure(Code.UNAVAILABLE)), settle=lambda: retrier.read(script("read"))) == "read"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e9", None),
        ("garbage", None),
        ("²", None),
        ("٣", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("9" * 400, 999999999.0),
    ],
)
def test_only_a_plain_number_of_seconds_is_a_retry_after(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text) == seconds


def test_waits_are_random_unless_a_test_says_otherwise(clock: VirtualClock, limiter: Limiter) -> None:
    waits: set[float] = set()
    for _ in range(20):
        began = clock.now()
        Retrier(limiter, clock).read(script(failure(Code.UNAVAILABLE), "good"))
        waits.add(round(clock.now() - began, 12))
    assert len(waits) > 1
    assert all(0 <= wait <= 0.25 for wait in waits)


@pytest.mark.parametrize(("asked", "sent"), [(20.0, [0.0]), (4.5, [0.0, 4.5])])
def test_a_store_is_asked_again_only_where_the_time_it_asks_for_is_left(
    clock: VirtualClock, limiter: Limiter, asked: float, sent: list[float]
) -> None:
    store = Sick(clock, Code.THROTTLED, asked)
    with pytest.raises(StoreError, check=is_refused(Code.THROTTLED)):
        Retrier(limiter, clock, RetryPolicy(patience=5.0), chance=lambda: 0.0).read(store)
    assert (store.asked, clock.now()) == (sent, sent[-1])


def test_a_silence_is_told_at_its_place_first_and_of_the_whole_store_from_then_on(
    clock: VirtualClock, limiter: Limiter
) -> None:
    retrier = Retrier(limiter, clock, RetryPolicy(patience=1.0))
    told: list[str] = []
    for name in ("a", "b"):
        down = StoreError(StoreLocation("https://store", name), Action.READ, "why", "what", Code.UNAVAILABLE)
        with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)) as caught:
            retrier.read(script(*[down] * 100))
        told.append(str(caught.value))
    assert told == [
        'cannot read "a" in https://store: why, tried for 1 s; what',
        "cannot read https://store: why, tried for 1 s; what",
    ]


def test_an_attempt_begins_while_any_time_is_left_for_one(retrier: Retrier, clock: VirtualClock) -> None:
    retrier.read(script("good"))
    sent: list[float] = []

    def send() -> str:
        sent.append(clock.now())
        # Half a second is left: the last one is the last attempt's own.
        clock.sleep(max(0.0, 118.5 - clock.now()))
        raise failure(Code.UNAVAILABLE)

    with pytest.raises(StoreError, check=is_refused(Code.UNAVAILABLE)):
        retrier.read(send)
    assert sent == [0.0, 118.75, 119.0]


def test_a_write_lost_at_the_end_is_given_its_time_too(retrier: Retrier, clock: VirtualClock) -> None:
    retrier.read(script("good"))
    assert retrier.write(Sick(clock, takes=118.5), settle=lambda: str(clock.now())) == "118.75"


@pytest.mark.parametrize(
    ("policy", "last_attempt", "settling"),
    [
        (RetryPolicy(), 1.0, 10.0),
        (RetryPolicy(first_contact=30.0), 1.0, 30.0),
        (RetryPolicy(first_contact=4.0), 0.4, 4.0),
        (RetryPolicy(patience=20.0), 1.0, 5.0),
        (RetryPolicy(patience=2.0), 0.2, 0.5),
    ],
)
def test_a_short_patience_keeps_a_part_of_itself(policy: RetryPolicy, last_attempt: float, settling: float) -> None:
    assert (policy.last_attempt, policy.settling) == (last_attempt, settling)


class Listening:
    """Whoever is told of an operation that waits in real time; no more than this is waited for a thread that looks."""

    PATIENCE = 60

    def __init__(self, silent: float = 0.1) -> None:
        self.told: list[str] = []
        clock, wait = Clock(), 0.1
        policy = RetryPolicy(self.PATIENCE, wait, wait, wait, first_contact=self.PATIENCE)
        limiter = Limiter(UNLIMITED, clock)
        self._retrier = Retrier(limiter, clock, policy, lambda: 1.0, "https://store", self.told.append, silent)

    def read(self, send: Callable[[], str]) -> None:
        assert self._retrier.read(send) == "good"
        self._retrier.close()
        assert self._retrier.deadlines.wait_times() == (0.0, 0.0)

    def failing(self, *failures: StoreError) -> Callable[[], str]:
        """A request that fails by each until that is told, and some looks longer."""

        def steps() -> Iterator[StoreError]:
            for each in failures:
                while each.reason not in self.causes:
                    yield each
                yield from [each] * 3

        left = steps()

        def send() -> str:
            for step in left:
                raise step
            return "good"

        return send

    @property
    def causes(self) -> list[str]:
        """Those that were told; without one it may be told too, where the first failure took its time."""
        found = (re.search(": (.*);", each) for each in self.told)
        return [each[1] for each in found if each]


@pytest.mark.parametrize("kind", [Code.THROTTLED, Code.UNAVAILABLE])
def test_what_is_waited_for_is_told_once_with_its_cause_and_end(kind: Code) -> None:
    listening = Listening()
    listening.read(listening.failing(failure(kind)))
    (told,) = [each for each in listening.told if ": why;" in each]
    found = re.fullmatch(r"waiting for https://store, (\d+) s so far: why; at most (\d+) s more", told)
    assert found is not None
    assert abs(int(found[1]) + int(found[2]) - listening.PATIENCE) <= 1


def test_a_request_that_nobody_answers_is_told_too() -> None:
    listening = Listening()

    def send() -> str:
        end = time.monotonic() + listening.PATIENCE
        while not listening.told and time.monotonic() < end:
            time.sleep(0.01)
        # Some looks longer.
        time.sleep(0.1)
        return "good"

    listening.read(send)
    (told,) = listening.told
    assert re.fullmatch(r"waiting for https://store, \d+ s so far; at most \d+ s more", told)


def test_what_takes_no_time_is_not_told_and_nobody_listening_costs_no_thread() -> None:
    listening = Listening(silent=30)
    listening.read(script(failure(Code.UNAVAILABLE), "good"))
    assert listening.told == []
    clock = Clock()
    retrier = Retrier(Limiter(UNLIMITED, clock), clock, store="https://store", tell=ignore, silent=0.01)
    assert (retrier.read(script("good")), retrier._watcher) == ("good", None)


def test_another_cause_is_told_anew_and_the_same_one_not_at_once() -> None:
    listening = Listening()
    other = StoreError(PLACE, Action.READ, "another why", "what", Code.UNAVAILABLE)
    listening.read(listening.failing(failure(Code.UNAVAILABLE), other))
    assert listening.causes == ["why", "another why"]
