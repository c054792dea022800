"""With any clock of a store, the cluster or the operator, an older value is said to be one, and a read one is not."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from compiler.cluster.problem import ClusterState
from compiler.operations.status import Row
from compiler.operations.status_wait import StatusOptions, read_status
from tests.unit.operations.status_world import JIRA, SPACE, World

# By how many minutes a clock is ahead of this machine's.
HOUR = 60
# The operator reads once an hour; the value was put half an hour after the first of its reads.
PUT = 30


def look(world: World) -> Row:
    options = StatusOptions(("jira",))
    return read_status(world.bench.environment(), options, world.bench.live(), world.view, lambda _s, _l: None).rows[0]


def play(world: World, minutes: int, store: int, cluster: int, operator: int) -> None:
    """The value was put so many minutes ago; all that anybody noted has the time of its own clock."""
    begun = datetime.now(UTC) - timedelta(minutes=minutes + PUT)
    read = begun + timedelta(minutes=(minutes + PUT) // HOUR * HOUR)
    world.written(begun + timedelta(minutes=PUT + store))
    world.refreshed(read + timedelta(minutes=operator))
    found = world.double.get("externalsecrets", SPACE, JIRA)
    noted = f"{read + timedelta(minutes=cluster, seconds=2):%Y-%m-%dT%H:%M:%SZ}"
    entry = {"manager": "external-secrets", "time": noted, "fieldsV1": {"f:status": {"f:refreshTime": {}}}}
    world.double.put("externalsecrets", {**found, "metadata": {**found["metadata"], "managedFields": [entry]}})


def wrong_claims(world: World, store: int, cluster: int, operator: int) -> Iterator[str]:
    for minutes in range(3, 100, 8):
        play(world, minutes, store, cluster, operator)
        states = [each.state for each in getattr(look(world).live, "problems", ())]
        is_read = minutes + PUT >= HOUR
        if states != ([] if is_read else [ClusterState.OLDER_VALUE]):
            yield f"{minutes} min after the write: {states}"


@pytest.mark.parametrize(
    ("store", "cluster", "operator"), [*product((0, HOUR), repeat=3), (-HOUR, 0, 0), (0, -HOUR, -HOUR), (0, 0, -HOUR)]
)
def test_no_clock_changes_what_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, store: int, cluster: int, operator: int
) -> None:
    monkeypatch.setattr(world.bench.vault, "now", lambda: datetime.now(UTC) + timedelta(minutes=store))
    world.double.ahead = timedelta(minutes=cluster).total_seconds()
    assert [*wrong_claims(world, store, cluster, operator)] == []
    live = look(world).live
    assert live is not None
    wrong = {
        'the clock of the store "vault" is 1h ': store,
        "the clock of the cluster is 1h ": cluster,
        "the operator's clock is 1h ahead of the API server's": operator > cluster,
    }
    assert [each for each in wrong if any(note.startswith(each) for note in live.notes)] == [
        each for each, is_wrong in wrong.items() if is_wrong
    ]
