from collections.abc import Callable
from typing import Any

import pytest

from compiler.stores.pacing import RetryPolicy
from tests.faulty_key_vault import ClosableThrottle, Limits
from tests.proofs.conftest import on_stores
from tests.proofs.limits.conftest import Ends
from tests.proofs.limits.throttles import ASKED, Closing, most_in_any_window

WORKERS = 16
# Once so many are written, each worker has one more to write.
WRITTEN = 24
SOME = WRITTEN + WORKERS
LATENCY = 0.02
SOURCE = {"azure": "vault", "vault": "azure"}


def throttle(ends: Ends, store: str, throttle: ClosableThrottle) -> None:
    if store == "azure":
        ends.azure.throttle = throttle
    else:
        ends.vault.throttle = throttle


def assert_nobody_asks_during_a_cool_down(requests: list[Any], asked: float) -> None:
    """After a refusal, what was under way may still arrive; then nothing does until the shortest wait is over."""
    shortest = asked + RetryPolicy().first_throttled_wait / 2
    times = [request.time for request in requests]
    for refused in (request.time for request in requests if request.status == 429):
        assert not [time - refused for time in times if refused + 2 * LATENCY < time < refused + shortest]


@pytest.mark.parametrize(
    ("to", "throttled", "writes", "retry_after"),
    # What is asked for is obeyed by the same code whichever way: each store is told all of it while it is written.
    on_stores(
        [("azure", "azure", WRITTEN, asked) for asked in ASKED]
        + [("azure", "vault", 0, asked) for asked in (None, "1")],
        [("vault", "vault", WRITTEN, asked) for asked in ASKED]
        + [("azure", "azure", 0, asked) for asked in (None, "1")],
    ),
)
def test_a_migration_sits_out_throttling_of_30_seconds_with_all_its_workers(
    make_ends: Callable[..., Ends], to: str, throttled: str, writes: int, retry_after: str | None
) -> None:
    ends = make_ends(SOME, workers=WORKERS, retry_after=retry_after)
    ends.fill(SOURCE[to])
    ends.weather.latency = LATENCY
    throttle(ends, throttled, Closing(writes, 30))
    started = ends.clock.now()
    code, said = ends.migrate(to)
    assert code == 0, said
    ends.assert_whole(to)
    requests = ends.requests(throttled)
    refused = [request for request in requests if request.status == 429]
    if writes:
        # Several were on the way when the first met the limit, and none of them goes on by itself.
        assert len([each for each in refused if each.time <= refused[0].time + 2 * LATENCY]) > 1
    assert_nobody_asks_during_a_cool_down(requests, ASKED[retry_after])
    assert 1 <= len(refused) <= 6 * WORKERS
    assert 30 < ends.clock.now() - started < 120


@pytest.mark.parametrize("retry_after", [None, "86400"])
@pytest.mark.parametrize("to", on_stores(["azure"], ["vault"]))
def test_a_migration_throttled_beyond_patience_ends_with_4_and_the_next_run_completes_it(
    make_ends: Callable[..., Ends], to: str, retry_after: str | None
) -> None:
    ends = make_ends(SOME, workers=WORKERS, retry_after=retry_after)
    ends.fill(SOURCE[to])
    ends.weather.latency = LATENCY
    throttle(ends, to, Closing(WRITTEN, 100_000))
    started = ends.clock.now()
    code, said = ends.migrate(to)
    assert code == 4, said
    assert "incomplete; run the same command again to continue" in said
    assert 60 <= ends.clock.now() - started <= 200
    assert_nobody_asks_during_a_cool_down(ends.requests(to), ASKED[retry_after])
    stored = ends.vault.documents if to == "vault" else ends.azure.state.names()
    assert len(stored) == WRITTEN

    throttle(ends, to, ClosableThrottle(None, None))
    code, said = ends.migrate(to)
    assert code == 0, said
    # Those of the first run among them, in the one version that it made.
    ends.assert_whole(to)
    assert len(ends.journals()) == 2


def test_a_migration_of_620_secrets_by_32_workers_stays_below_300_creates_in_any_10_seconds(
    make_ends: Callable[..., Ends],
) -> None:
    ends = make_ends(620, workers=32, limits=Limits())
    ends.fill("vault")
    ends.weather.latency = 0.05
    code, said = ends.migrate()
    assert code == 0, said
    ends.assert_whole("azure")
    requests = ends.requests("azure")
    creates = [request.time for request in requests if request.kind == "create"]
    assert len(creates) >= 620
    assert most_in_any_window(creates) <= 300
    assert most_in_any_window([request.time for request in requests if request.kind == "other"]) <= 4_000
    assert sum(request.status == 429 for request in requests) < 0.05 * len(requests)
    # The limit was what held it back: two windows are full, and the rest is in the third.
    assert max(creates) - min(creates) <= 20 / 0.95
