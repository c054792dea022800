from typing import Any

import pytest

from compiler.cluster.judge import Live
from compiler.operations.status import State
from compiler.operations.status_pods import Before, compared

TITLE = "agents/agent-jira-secrets"


def live(uid: str | None = "1", data: str | None = "h1", synced: str = "1-a") -> Live:
    annotations = {"reconcile.external-secrets.io/data-hash": data} if data else {}
    secret: dict[str, Any] | None = {"metadata": {"uid": uid, "annotations": annotations}} if uid else None
    found = {"status": {"refreshTime": "t", "syncedResourceVersion": synced}}
    return Live(found, secret, None)


def before(*, equal: bool = True, saw: bool = True) -> Before:
    return Before(saw, equal, "1", "h1", ("t", "1-a"), newest_hash="h1")


def states(known: Before, now: Live, *, needs_refresh: bool = False) -> list[State]:
    return [each.state for each in compared(known, now, (), TITLE, needs_refresh=needs_refresh).problems]


def test_what_stays_as_it_was_is_no_problem() -> None:
    assert states(before(), live()) == []
    assert states(before(), live(None)) == []
    assert states(before(), live(data=None)) == []


@pytest.mark.parametrize("equal", [True, False])
def test_data_may_change_only_where_the_stores_differed(equal: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert states(before(equal=equal), live(data="h2")) == ([State.DATA_CHANGED] if equal else [])


def test_a_refresh_is_seen_by_its_time_or_its_mark() -> None:
    assert states(before(), live(), needs_refresh=True) == [State.NOT_REFRESHED]
    assert states(before(), live(synced="2-a"), needs_refresh=True) == []


def test_a_secret_that_was_not_there_is_compared_from_its_first_sight_on() -> None:
    known = Before(True, False, None, None, ("None", "None"))
    assert known.not_compared == ("UID", "data")
    assert states(known, live()) == []
    assert states(known, live("2")) == [State.REPLACED]


def test_who_came_late_compares_nothing_with_before() -> None:
    assert before().not_compared == ()
    assert before(saw=False).not_compared == ("UID", "data", "refresh time", "restarts")
