from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from compiler.cluster.judge import ClusterState
from compiler.cluster.view import Live
from compiler.consumers.readers import SecretRead, Way
from compiler.operations.status_live import Pod
from compiler.operations.status_wait import Baseline, changes_since

JIRA: Any = SimpleNamespace(title="agents/agent-jira-secrets", namespace="agents", name="agent-jira-secrets")


def live(uid: str | None = "1", data: str | None = "h1", synced: str = "1-a", written: str = "") -> Live:
    annotations = {"reconcile.external-secrets.io/data-hash": data} if data else {}
    fields = [{"manager": "o", "time": written, "fieldsV1": {"f:data": {"f:A": {}}}}]
    metadata = {"uid": uid, "annotations": annotations, "managedFields": fields}
    secret: dict[str, Any] | None = {"metadata": metadata} if uid else None
    found = {"status": {"refreshTime": "t", "syncedResourceVersion": synced}}
    return Live(found, secret, None)


def before(*, equal: bool = True, saw: bool = True) -> Baseline:
    return Baseline(saw, equal, "1", "h1", ("t", "1-a"), newest_hash="h1")


def states(known: Baseline, now: Live, *, needs_refresh: bool = False) -> list[ClusterState]:
    return [each.state for each in changes_since(known, JIRA, now, (), needs_refresh=needs_refresh).problems]


def test_what_stays_as_it_was_is_no_problem() -> None:
    assert states(before(), live()) == []
    assert states(before(), live(None)) == []
    assert states(before(), live(data=None)) == []


@pytest.mark.parametrize("equal", [True, False])
def test_data_may_change_only_where_the_stores_differed(equal: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert states(before(equal=equal), live(data="h2")) == ([ClusterState.DATA_CHANGED] if equal else [])


def test_a_refresh_is_seen_by_its_time_or_its_mark() -> None:
    assert states(before(), live(), needs_refresh=True) == [ClusterState.NOT_REFRESHED]
    assert states(before(), live(synced="2-a"), needs_refresh=True) == []


@pytest.mark.parametrize(
    ("refreshed", "last"), [("t", ""), ("2025-01-31T12:00:00Z", "; it last did so at 2025-01-31 12:00:00 UTC")]
)
def test_it_is_said_since_when_the_operator_has_not_synchronised(refreshed: str, last: str) -> None:
    known = Baseline(True, True, "1", "h1", (refreshed, "1-a"), newest_hash="h1")
    now = live()
    assert now.external_secret is not None
    now.external_secret["status"]["refreshTime"] = refreshed
    (problem,) = changes_since(known, JIRA, now, (), needs_refresh=True).problems
    assert problem.message == f'the operator has not synchronised "{JIRA.title}" since this wait began{last}'


def test_a_secret_that_was_not_there_is_compared_from_its_first_sight_on() -> None:
    known = Baseline(True, False, None, None, ("None", "None"))
    assert known.not_compared == ("UID", "data")
    assert states(known, live()) == []
    assert states(known, live("2")) == [ClusterState.REPLACED]


def test_who_came_late_compares_nothing_with_before() -> None:
    assert before().not_compared == ()
    assert before(saw=False).not_compared == ("UID", "data", "refresh time", "restarts")


AT = "2026-11-26T00:50:05Z"


@pytest.mark.parametrize(
    ("written", "created", "is_old"),
    [
        (AT, "2026-11-26T00:50:06Z", False),
        (AT, "2026-11-26T00:50:04Z", True),
        # In the same second, and where one of the two is not known: a needless restart harms less than an old value.
        (AT, AT, True),
        (AT, "", True),
        ("", AT, True),
    ],
)
def test_a_pod_that_was_created_after_the_data_was_written_needs_no_restart(
    written: str, created: str, *, is_old: bool
) -> None:
    read = SecretRead("agent-jira-secrets", "JIRA_TOKEN", Way.ENV)
    pod = Pod("p", "u", None, True, (), 0, created, (read,))
    found = changes_since(before(equal=False), JIRA, live(data="h2", written=written), (pod,), needs_refresh=False)
    assert [each.state for each in found.problems] == ([ClusterState.RESTART] if is_old else [])


def frozen(now: Live) -> Live:
    """The operator has written the new hash beside data that it cannot change."""
    condition = {"type": "Ready", "status": "False", "reason": "SecretImmutable"}
    status = {**(now.external_secret or {})["status"], "conditions": [condition]}
    return Live({"status": status}, now.secret, None)


def test_an_immutable_secret_has_taken_no_value_and_needs_no_restart() -> None:
    read = SecretRead("agent-jira-secrets", "JIRA_TOKEN", Way.ENV)
    pods = (Pod("p", "u", None, True, (), 0, "2026-11-26T00:50:04Z", (read,)),)
    for equal in (True, False):
        known = before(equal=equal)
        known.pending = datetime(2026, 11, 26, tzinfo=UTC)
        found = changes_since(known, JIRA, frozen(live(data="h2", written=AT)), pods, needs_refresh=False)
        assert (found.problems, found.notes, found.helps) == ((), (), ())
    # Seen between the hash and the operator's word for why nothing else changed.
    known = before(equal=False)
    changed = live(data="h2", written=AT)
    assert changes_since(known, JIRA, changed, pods, needs_refresh=False).problems != ()
    assert changes_since(known, JIRA, frozen(changed), pods, needs_refresh=False).problems == ()
